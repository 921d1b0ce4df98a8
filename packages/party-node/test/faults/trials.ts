/**
 * Trials of many seeds: `npm run faults -- --seeds 200 --from 0 --tls`. Each seed's link and script are its own, so
 * that one which failed is made again with `--from SEED --seeds 1`.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type ProxiedNodes, startProxiedNodes } from './nodes.js';
import { ownerSession } from './owner.js';
import { passed, type Trial, told, trial } from './trial.js';

/** One after another, since nodes have one link to each other. @param tell is told of each when it is over */
export async function ownerTrials(
  nodes: ProxiedNodes,
  seeds: readonly number[],
  tell: (t: Trial) => void = () => {},
): Promise<Trial[]> {
  await nodes.ready();
  const all: Trial[] = [];
  for (const seed of seeds) {
    const t = await trial(nodes, seed, () => ownerSession(nodes.connect));
    all.push(t);
    tell(t);
  }
  return all;
}

/** Verdicts by their number. */
export function tallyOf(trials: readonly Trial[]): Record<string, number> {
  const tally: Record<string, number> = {};
  for (const { verdict } of trials) tally[verdict] = (tally[verdict] ?? 0) + 1;
  return tally;
}

async function command(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '200' },
      from: { type: 'string', default: '0' },
      tls: { type: 'boolean', default: false },
    },
  });
  const nodes = await startProxiedNodes(values.tls);
  try {
    const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.from) + i);
    const trials = await ownerTrials(nodes, seeds, (t) => console.log(`${passed(t) ? 'ok' : 'NOT OK'}  ${told(t)}`));
    const failed = trials.filter((t) => !passed(t));
    console.log(`${trials.length} trials: ${JSON.stringify(tallyOf(trials))}, ${failed.length} not as they should be`);
    process.exitCode = failed.length > 0 ? 1 : 0;
  } finally {
    nodes.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await command();
