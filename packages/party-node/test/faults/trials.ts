/**
 * Trials of many seeds: `npm run faults -- --seeds 200 --from 0`, with `--tls` behind TLS, with `--changed` of frames
 * that are lost, repeated, exchanged and changed without TLS; with `--service` of publishing and asking at nodes that
 * know one another by keys, in the place of an owner's session. Each seed's link and script are its own, so that one
 * which failed is made again with `--from SEED --seeds 1`.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type ProxiedNodes, startProxiedNodes } from './nodes.js';
import { ownerSession } from './owner.js';
import { CHANGED } from './script.js';
import { serviceTrials, startProxiedService } from './service.js';
import { faultsOf, passed, survived, type Trial, told, trial } from './trial.js';

/** How long a trial of changed frames is waited for: what is lost without TLS is missed much later. */
const CHANGED_MS = 17_500;

/**
 * One after another, since nodes have one link to each other.
 * @param tell is told of each when it is over
 * @param changed whether frames are changed, and nothing else
 */
export async function ownerTrials(
  nodes: ProxiedNodes,
  seeds: readonly number[],
  tell: (t: Trial) => void = () => {},
  changed = false,
): Promise<Trial[]> {
  await nodes.ready();
  const all: Trial[] = [];
  for (const seed of seeds) {
    const act = () => ownerSession(nodes.connect);
    const t = changed
      ? await trial(nodes, seed, act, faultsOf(seed, CHANGED, false), CHANGED_MS)
      : await trial(nodes, seed, act);
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
      changed: { type: 'boolean', default: false },
      service: { type: 'boolean', default: false },
    },
  });
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.from) + i);
  const good = values.changed ? survived : passed;
  const tell = (t: Trial) => console.log(`${good(t) ? 'ok' : 'NOT OK'}  ${told(t)}`);
  const service = values.service ? await startProxiedService(values.tls) : undefined;
  const owners = service ? undefined : await startProxiedNodes(values.tls);
  try {
    const trials = service
      ? await serviceTrials(service, seeds, tell)
      : await ownerTrials(owners!, seeds, tell, values.changed);
    const failed = trials.filter((t) => !good(t));
    console.log(`${trials.length} trials: ${JSON.stringify(tallyOf(trials))}, ${failed.length} not as they should be`);
    process.exitCode = failed.length > 0 ? 1 : 0;
  } finally {
    service?.stop();
    owners?.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await command();
