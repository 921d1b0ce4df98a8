/** `npm run fuzz -- --frames 1000000 --seed 1`; `--from SESSION` begins where an earlier one found something. */
import { parseArgs } from 'node:util';
import { Found, type FuzzReport, fuzz } from './fuzz.js';

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    every: { type: 'string', default: '2000' },
    from: { type: 'string', default: '0' },
    seconds: { type: 'string', default: 'Infinity' },
  },
});

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
/** Seconds between two lines. */
const LINE_S = 10;
let said = 0;
const line = (r: FuzzReport) =>
  console.log(
    `${(r.ms / 1000).toFixed()} s: ${r.changed} changed frames (${((1000 * r.changed) / r.ms).toFixed()} a second), ` +
      `${r.plain} others, ${r.unheard} too late, ${r.sessions} sessions, ${r.garbage} strangers, ` +
      `${sum(r.answers)} answers, ` +
      `${sum(r.ended)} links ended, ${r.honest} honest runs and asks right, ` +
      `${r.published} models published, MiB ${JSON.stringify(r.residentMiB)}, ` +
      `not let in ${JSON.stringify(r.refused)}`,
  );

try {
  const report = await fuzz({
    seed: Number(values.seed),
    frames: Number(values.frames),
    every: Number(values.every),
    from: Number(values.from),
    seconds: Number(values.seconds),
    tell: (r) => {
      if (r.ms < said + 1000 * LINE_S) return;
      said = r.ms;
      line(r);
    },
  });
  line(report);
  console.log(`Answers: ${JSON.stringify(report.answers)}`);
  console.log(`Carried out: ${JSON.stringify(report.carriedOut)}`);
  console.log('Links ended, by reason:');
  for (const [why, n] of Object.entries(report.ended).sort(([, a], [, b]) => b - a)) console.log(`${n}  ${why}`);
} catch (error) {
  if (!(error instanceof Found)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
process.exit();
