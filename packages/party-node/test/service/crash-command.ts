/** `npm run crashes -- --seeds 200 --from 0`: one that failed is made again with `--from SEED --seeds 1`. */
import { parseArgs } from 'node:util';
import { Crashes, showTrial } from './crashes.js';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '200' }, from: { type: 'string', default: '0' } },
});
const crashes = await Crashes.start();
let failed = 0;
const outcomes: Record<string, number> = {};
try {
  for (let i = 0; i < Number(values.seeds); i++) {
    const trial = await crashes.trial(Number(values.from) + i);
    if (trial.wrong.length > 0) failed++;
    outcomes[trial.outcome] = (outcomes[trial.outcome] ?? 0) + 1;
    console.log(`${trial.wrong.length > 0 ? 'NOT OK' : 'ok'}  ${showTrial(trial)}`);
  }
  console.log(`${JSON.stringify(outcomes)}; ${JSON.stringify(crashes.counts())}; ${failed} not as they should be`);
} finally {
  crashes.stop();
}
process.exit(failed > 0 ? 1 : 0);
