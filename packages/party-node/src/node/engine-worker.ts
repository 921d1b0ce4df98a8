/** The thread of a node that computes. Its parent opens connections and hands them over as message ports; the parent is a process or the trio. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Secret } from '@secformer/ring';
import { Deferred } from '../deferred.js';
import type { Link } from '../wire/link.js';
import { PortLink } from '../wire/port-link.js';
import { Dealer } from './dealer.js';
import { Party } from './party.js';
import type { NodeRole } from './run.js';

export interface EngineWorkerData {
  role: NodeRole;
  nodeToken: Uint8Array;
  clientToken: Uint8Array;
  /** the nodes that this one dials */
  dials: NodeRole[];
  /** that a large kernel, such as a matrix product, may take */
  threads: number;
}

export type ToEngine = { accept: MessagePort } | { dialled: NodeRole; port: MessagePort } | { dialled: NodeRole; failed: string };
export type FromEngine = { dial: NodeRole } | { log: string; fields: Record<string, unknown> | undefined };

const { role, nodeToken, clientToken, dials, threads } = workerData as EngineWorkerData;
const parent = parentPort!;
const dialling = new Map<NodeRole, Deferred<Link>>();
const post = (m: FromEngine) => parent.postMessage(m);

const options = {
  threads,
  tokens: { node: new Secret(nodeToken), client: new Secret(clientToken) },
  dial: Object.fromEntries(
    dials.map((to) => [
      to,
      () => {
        const link = new Deferred<Link>();
        dialling.set(to, link);
        post({ dial: to });
        return link.promise;
      },
    ]),
  ),
  log: (log: string, fields?: Record<string, unknown>) => post({ log, fields }),
};
const engine = role === 'dealer' ? new Dealer({ ...options, role }) : new Party(role === 'party0' ? 0 : 1, options);
// Connections that arrive while the kernels load wait here
const early: MessagePort[] = [];
let started = false;

parent.on('message', (m: ToEngine) => {
  if ('accept' in m) {
    if (started) engine.accept(new PortLink(m.accept));
    else early.push(m.accept);
    return;
  }
  const waiting = dialling.get(m.dialled);
  dialling.delete(m.dialled);
  if ('port' in m) waiting?.resolve(new PortLink(m.port));
  else waiting?.reject(new Error(m.failed));
});

await engine.start();
started = true;
for (const port of early) engine.accept(new PortLink(port));
