import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { NodeError } from '../errors.js';
import { nodeName, type Proven } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { PortLink } from '../wire/port-link.js';
import { defaultMemory } from './budget.js';
import { type IdentityFiles, readAuthority, readIdentity } from './certificates.js';
import { Door } from './door.js';
import { engineFile } from './engine-file.js';
import type { EngineWorkerData, FromEngine, ToEngine } from './engine-worker.js';
import { giveUpMemory } from './garbage.js';
import { Gate } from './gate.js';
import { type Log, quiet } from './log.js';
import type { NodeRole } from './run.js';
import { checkUrl, dialSocket, isLoopback } from './sockets.js';
import { threadsAlone } from './threads.js';
import { readTokens, type TokenFiles } from './token-files.js';

/** What a node is: its role, its address, whom it dials and by which tokens and certificates. */
export interface ServeOptions extends TokenFiles, IdentityFiles {
  role: NodeRole;
  host: string;
  port: number;
  /** nodes that this one dials */
  dials: Partial<Record<NodeRole, string>>;
  dataDir?: string;
  /** that a large kernel, such as a matrix product, may take; all that the machine has if absent */
  threads?: number;
  /** bytes that tensors and runs of all clients may take together; a part of what the machine has if absent */
  memory?: number;
  /** authority to trust besides those that Node trusts, when this node dials */
  tlsCa?: string;
  log: Log;
  /** what stands between this node and whoever connects to it, such as an emulated network */
  through?: (link: Link) => Link;
}

/**
 * The engine's short-lived objects are headers and views; V8 would let them grow to three times this before it looks.
 */
const YOUNG_MIB = 16;

/** Passes frames between two links, each side's backpressure included. @param closed told when they end */
export function bridge(a: Link, b: Link, closed: (why: string) => void = () => {}): void {
  let open = true;
  const one = (from: Link, to: Link) => {
    from.onFrame = (frame) => to.send(frame).catch(() => {});
    from.onClose = (why) => {
      to.close(why);
      if (open) closed(why);
      open = false;
    };
  };
  one(a, b);
  one(b, a);
}

/** Writes the address that a node listens on into a file. @throws NodeError BAD_CONFIGURATION */
function writeAddress(folder: string, address: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Renamed into place, so that whoever waits for it reads all of it
    writeFileSync(join(folder, 'address.new'), `${address}\n`);
    renameSync(join(folder, 'address.new'), join(folder, 'address'));
  } catch (cause) {
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `cannot write into the folder ${folder} of --data-dir (${(cause as Error).message})`,
      { cause },
    );
  }
}

/** A node that listens. */
export interface ServedNode {
  host: string;
  port: number;
  /** Ends the node and its connections. */
  stop(): Promise<void>;
}

/**
 * A node as a process: this thread holds the connections and authenticates whoever connects, so that pings and new
 * connections are answered while the engine's thread computes.
 * @returns the address it listens on, and how to stop it
 * @throws NodeError BAD_CONFIGURATION
 */
export async function serve(o: ServeOptions): Promise<ServedNode> {
  const tls = readIdentity(o);
  if (!tls && !isLoopback(o.host)) {
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `without --tls-cert and --tls-key a node listens on loopback only, not on ${o.host}: ` +
        `the dealer's masks and the parties' openings together are the plaintext`,
    );
  }
  const ca = o.tlsCa === undefined ? undefined : readAuthority(o.tlsCa);
  const urls = Object.entries(o.dials).map(([role, url]) => checkUrl(url, nodeName[role as NodeRole]));
  const local = isLoopback(o.host) && urls.every(({ hostname }) => isLoopback(hostname));
  const tokens = readTokens(o.role, o, local);
  const log = quiet(o.log);
  const data: EngineWorkerData = {
    role: o.role,
    threads: o.threads ?? threadsAlone(),
    memory: o.memory ?? defaultMemory(o.role),
  };
  const worker = new Worker(engineFile(), {
    workerData: data,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  const welcome = ({ role, principal, seed, link }: Proven, left: (why: string) => void) => {
    const { port1, port2 } = new MessageChannel();
    // A socket still reads a frame when its `send` has resolved
    bridge(link, new PortLink(port1, true), left);
    const message: ToEngine = { proven: role, principal, seed: seed.bytes, port: port2 };
    worker.postMessage(message, [port2]);
  };
  const dial = Object.fromEntries(
    Object.entries(o.dials).map(([role, url]) => [role, () => dialSocket(url, nodeName[role as NodeRole], ca)]),
  );
  const gate = new Gate({ role: o.role, tokens, dial, welcome, log });
  const { host, port: wanted, through } = o;
  const door = new Door({
    host,
    port: wanted,
    ...(tls && { tls }),
    enter: (link, proven) => gate.accept(through?.(link) ?? link, proven),
    log,
  });
  let port: number;
  try {
    port = await door.open();
    if (o.dataDir !== undefined) writeAddress(o.dataDir, `${host}:${port}`);
  } catch (error) {
    await worker.terminate();
    await door.close();
    throw error;
  }
  worker.on('message', (m: FromEngine) => {
    if ('log' in m) log(m.log, m.fields);
    // The thread of the connections has garbage of its own
    else if ('tidied' in m) giveUpMemory();
  });
  const failed = (error: Error) => {
    log('failed', { why: error.message });
    process.exit(1);
  };
  worker.on('error', failed);
  log('listening', { address: `${tls ? 'wss' : 'ws'}://${host}:${port}`, memory: data.memory });
  gate.start();
  return {
    host,
    port,
    async stop() {
      worker.off('error', failed);
      gate.stop();
      await worker.terminate();
      await door.close();
    },
  };
}
