/**
 * The thread of a node that computes. Its parent hands it links as message ports: proven ones in a process of its own,
 * new ones in the trio, which it proves itself.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Secret } from '@secformer/ring';
import { Deferred } from '../deferred.js';
import type { PlanAnswer, PlanQuestion } from '../operation/dashboard/plans.js';
import type { EngineState, NodeEvent } from '../operation/events.js';
import type { Link } from '../wire/link.js';
import { PortLink } from '../wire/port-link.js';
import type { Principal } from '../wire/principal.js';
import type { NodeRole, WireRole } from '../wire/tokens.js';
import { loadBetween } from './between.js';
import type { DataConnection } from './data/data-connections.js';
import { Dealer } from './dealer.js';
import { Gate } from './gate.js';
import { Party } from './party.js';

export interface EngineWorkerData {
  role: NodeRole;
  /** that a large kernel, such as a matrix product, may take */
  threads: number;
  /** bytes that tensors and runs of all clients may take together */
  memory: number;
  /** bytes that prepared runs of published models may take */
  pool?: number;
  /** folder of published models, and the key that they are encrypted with there */
  models?: { folder: string; key?: Uint8Array } | undefined;
  /** address of a module: see `Between` */
  between?: string;
  /** of a thread that proves links itself */
  gate?: { nodes: Partial<Record<NodeRole, Uint8Array>>; client: Uint8Array; dials: readonly NodeRole[] };
}

/** How it does; that it begins no run and says when none is left; that it ends those that are. */
export type EngineQuestion = 'state' | 'drain' | 'stop';
export type ToEngine =
  | { proven: WireRole; principal: Principal; seed: Uint8Array; port: MessagePort }
  | { accept: MessagePort }
  | { dialled: NodeRole; port: MessagePort }
  | { dialled: NodeRole; failed: string }
  | { ask: EngineQuestion }
  | { plan: PlanQuestion }
  | { data: DataConnection }
  /** between the parties, as far as it could be measured */
  | { roundTripMs: number | undefined };
export type FromEngine =
  | { dial: NodeRole }
  /** it was proved */
  | { opened: DataConnection }
  | { tidied: true }
  | { event: NodeEvent }
  | { state: EngineState }
  | { planned: PlanAnswer }
  | { drained: true }
  | { log: string; fields: Record<string, unknown> | undefined };

const { role, threads, memory, pool, models, between, gate: proves } = workerData as EngineWorkerData;
const parent = parentPort!;
const dialling = new Map<NodeRole, Deferred<Link>>();
const post = (m: FromEngine) => parent.postMessage(m);
const log = (event: string, fields?: Record<string, unknown>) => post({ log: event, fields });
const options = {
  threads,
  memory,
  ...(pool !== undefined && { pool }),
  ...(models && { models: { folder: models.folder, ...(models.key && { key: new Secret(models.key) }) } }),
  log,
  // In the trio nobody watches
  ...(proves ? {} : { report: (event: NodeEvent) => post({ event }) }),
  tidied: () => post({ tidied: true }),
  between: await loadBetween(between),
  // Of a thread among others it cannot be told what is its own
  ...(proves ? {} : { ownMemory: process.memoryUsage.rss() }),
};
const engine = role === 'dealer' ? new Dealer(options) : new Party(role === 'party0' ? 0 : 1, options);

function dial(to: NodeRole): Promise<Link> {
  const link = new Deferred<Link>();
  dialling.set(to, link);
  post({ dial: to });
  return link.promise;
}

const secret = (bytes: Uint8Array) => new Secret(bytes);
const gate =
  proves &&
  new Gate({
    role,
    tokens: {
      nodes: Object.fromEntries(Object.entries(proves.nodes).map(([r, bytes]) => [r, secret(bytes)])),
      client: secret(proves.client),
    },
    dial: Object.fromEntries(proves.dials.map((to) => [to, () => dial(to)])),
    welcome: (proven, left) => engine.welcome({ ...proven, left }),
    log,
  });

// Connections that arrive while the kernels load wait here
const early: ToEngine[] = [];
let started = false;

function take(m: ToEngine): void {
  if ('accept' in m) {
    gate?.accept(new PortLink(m.accept));
  } else if ('proven' in m) {
    const { proven, principal, seed, port } = m;
    engine.welcome({ role: proven, principal, seed: secret(seed), link: new PortLink(port), left: () => {} });
  } else if ('ask' in m) {
    if (m.ask === 'state') post({ state: engine.state() });
    else if (m.ask === 'drain') void engine.drain().then(() => post({ drained: true }));
    else void engine.stop();
  } else if ('data' in m) {
    engine.connect(m.data, () => post({ opened: m.data }));
  } else if ('roundTripMs' in m) {
    engine.roundTripMs = m.roundTripMs;
  } else if ('plan' in m) {
    const { model, program } = m.plan;
    post({ planned: { ...m.plan, plan: engine.plan(model, program) } });
  } else {
    const waiting = dialling.get(m.dialled);
    dialling.delete(m.dialled);
    if ('port' in m) waiting?.resolve(new PortLink(m.port));
    else waiting?.reject(new Error(m.failed));
  }
}

parent.on('message', (m: ToEngine) => {
  if (started) take(m);
  else early.push(m);
});

// A last line of defence: every handler answers for its own link, and what slips through ends no other's work
process.on('unhandledRejection', (reason) => log('failed', { why: String((reason as Error)?.stack ?? reason) }));

await engine.start();
started = true;
gate?.start();
for (const m of early) take(m);
