import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { MessageChannel, Worker } from 'node:worker_threads';
import { Arena, type Kernels, RunStreams, Secret, type Words, zeros } from '@secformer/ring';
import { readProgram, runDealer } from '@secformer/secformer-ops';
import type { FromParty, PartyWorkerData, ToParty } from './party-worker.js';

/** What dealing leaves to do in the background, above all its memory to be freed, is over by then. */
const SETTLE_MS = 20;

const key = () => crypto.getRandomValues(new Uint8Array(32));

/**
 * What an operation takes when both parties run it, a thread each, and its randomness was dealt before.
 * @param program JSON text of a Program with shares as inputs
 * @param inputs words of each input
 * @returns milliseconds of the slower party, one figure a run; a first run, which compiles, is left out
 */
export async function timeBothParties(
  kernels: Kernels,
  program: Uint8Array,
  inputs: readonly Words[],
  runs: number,
): Promise<number[]> {
  const checked = readProgram(program);
  const { port1, port2 } = new MessageChannel();
  const halves = inputs.map((x) => {
    const [first, second] = [zeros(x.length), zeros(x.length)];
    kernels.chacha20(key(), new Uint8Array(first.buffer));
    kernels.sub(second, x, first);
    return [first, second] as const;
  });
  const workers = ([port1, port2] as const).map((link, i) => {
    const role = i as 0 | 1;
    const workerData: PartyWorkerData = { role, program, inputs: halves.map((h) => h[role]), link };
    return new Worker(new URL('./party-worker.js', import.meta.url), { workerData, transferList: [link] });
  });
  const failed = Promise.race(workers.map(async (w) => Promise.reject((await once(w, 'error'))[0] as Error)));
  failed.catch(() => {});
  const both = async (ask: (role: 0 | 1) => ToParty): Promise<FromParty[]> => {
    const answers = workers.map(async (w, i) => {
      w.postMessage(ask(i as 0 | 1));
      return (await once(w, 'message'))[0] as FromParty;
    });
    return Promise.race([Promise.all(answers), failed]);
  };
  try {
    const ms: number[] = [];
    const arena = new Arena(0);
    for (let run = 0; run <= runs; run++) {
      const keys = [key(), key()] as const;
      const corrections: Uint8Array[] = [];
      await runDealer({
        kernels,
        checked,
        arena,
        inputs: inputs.map(() => ({})),
        streams: [new RunStreams(kernels, new Secret(keys[0])), new RunStreams(kernels, new Secret(keys[1]))],
        emit: async (bytes) => {
          corrections.push(bytes.slice());
        },
      });
      await both((role) => ({
        key: keys[role],
        corrections: role === 1 ? Buffer.concat(corrections) : new Uint8Array(0),
      }));
      await setTimeout(SETTLE_MS);
      const took = (await both(() => 'run')).map((answer) => (answer as { ms: number }).ms);
      if (run > 0) ms.push(Math.max(...took));
    }
    return ms;
  } finally {
    await Promise.all(workers.map((w) => w.terminate()));
  }
}
