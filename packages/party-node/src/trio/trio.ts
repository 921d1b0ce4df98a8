/// <reference lib="esnext.disposable" preserve="true" />
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { randomBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';
import type { Dial } from '../client/node-links.js';
import { asyncDispose } from '../disposing.js';
import { defaultMemory } from '../node/budget.js';
import { engineFile } from '../node/engine-file.js';
import type { EngineWorkerData, FromEngine, ToEngine } from '../node/engine-worker.js';
import { threadsBeside } from '../node/threads.js';
import { PortLink } from '../wire/port-link.js';
import { DIALS, NODES, type NodeRole } from '../wire/tokens.js';

/**
 * Both parties and the dealer as three threads of this process: the real protocols, and no privacy from whoever runs
 * the process. At the end of a block with `await using` they end.
 */
export interface Trio extends AsyncDisposable {
  dial: Dial;
  token: Secret;
  /** Ends the three threads. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded trio.
 * @param onFailure called if one of the threads dies
 * @throws NodeError BAD_CONFIGURATION in a bundle that has no file for them
 */
export function startTrio(onFailure: (why: string) => void = () => {}): Trio {
  const token = new Secret(randomBytes(32));
  const workers = new Map<NodeRole, Worker>();
  const connect = (to: NodeRole): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    const message: ToEngine = { accept: port2 };
    workers.get(to)!.postMessage(message, [port2]);
    return port1;
  };
  // One secret for each pair, as between organisations
  const pairs = new Map([
    ['dealer party0', randomBytes(32)],
    ['dealer party1', randomBytes(32)],
    ['party0 party1', randomBytes(32)],
  ]);
  const pairsOf = (role: NodeRole) =>
    Object.fromEntries(NODES.filter((r) => r !== role).map((r) => [r, pairs.get([role, r].sort().join(' '))!]));
  const file = engineFile();
  for (const role of ['dealer', 'party0', 'party1'] as const) {
    const gate = { nodes: pairsOf(role), client: token.bytes, dials: DIALS[role] };
    const workerData: EngineWorkerData = { role, gate, threads: threadsBeside(role), memory: defaultMemory(role) };
    const worker = new Worker(file, { workerData, execArgv: [] });
    workers.set(role, worker);
    worker.on('message', (m: FromEngine) => {
      if (!('dial' in m)) return;
      const port = connect(m.dial);
      const answer: ToEngine = { dialled: m.dial, port };
      worker.postMessage(answer, [port]);
    });
    worker.on('error', (error) => onFailure(`${role}: ${error.message}`));
  }
  const stop = async () => {
    await Promise.all([...workers.values()].map((w) => w.terminate()));
  };
  return { token, dial: async (role) => new PortLink(connect(role)), stop, [asyncDispose]: stop };
}
