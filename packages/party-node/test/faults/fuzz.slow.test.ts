import test from 'ava';
import { fuzz } from './fuzz.js';

/** `npm run fuzz` sends more, from any seed. */
const FRAMES = 10_000;

/**
 * Proves that what a client or a node says after its handshake ends its own link at most: nodes live, their memory
 * stays what it was, and clients between are answered right.
 */
test('ten thousand changed frames of clients and nodes end no node and change no result', async (t) => {
  t.timeout(240_000);
  const report = await fuzz({ seed: 1, frames: FRAMES, every: 2_000 });
  const { changed, sessions, honest, ms, residentMiB } = report;
  t.log(
    `${changed} changed frames in ${sessions} sessions and ${(ms / 1000).toFixed()} s, ` +
      `${honest} honest runs right, MiB ${JSON.stringify(residentMiB)}`,
  );
  t.true(changed >= FRAMES);
  t.true(honest >= 5);
  const { done = 0, failed = 0, prepared = 0 } = report.answers;
  t.true(done + failed > FRAMES / 10, 'much of it was understood and answered');
  t.true(prepared > 10, 'some runs were agreed');
});
