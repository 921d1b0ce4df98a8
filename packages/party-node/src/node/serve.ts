/// <reference lib="esnext.disposable" preserve="true" />
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { frameChannel } from '@secformer/ring';
import { Deferred } from '../deferred.js';
import { asyncDispose } from '../disposing.js';
import { NodeError } from '../errors.js';
import { Operation } from '../operation/operation.js';
import { nodeName, type Proven } from '../wire/handshake.js';
import { publicKeyText } from '../wire/keys.js';
import type { Link } from '../wire/link.js';
import { PortLink } from '../wire/port-link.js';
import { loadBetween } from './between.js';
import { defaultMemory } from './budget.js';
import { DataConnections } from './data/data-connections.js';
import { Door } from './door.js';
import { drainNode } from './drain-node.js';
import { engineFile } from './engine-file.js';
import type { EngineQuestion, EngineWorkerData, FromEngine, ToEngine } from './engine-worker.js';
import { giveUpMemory } from './garbage.js';
import { Gate } from './gate.js';
import { quiet } from './log.js';
import { isBetweenParties, leastRoundTrip } from './round-trip.js';
import { type SetupOptions, setUp } from './setup.js';
import { RELEASE } from './thread-file.js';
import { threadsAlone } from './threads.js';

/** What a node is, and what it may take. */
export interface ServeOptions extends SetupOptions {
  port: number;
  /** that a large kernel, such as a matrix product, may take; all that the machine has if absent */
  threads?: number;
  /** bytes that tensors and runs of all clients may take together; a part of what the machine has if absent */
  memory?: number;
  /** bytes that prepared runs of published models may take; a part of the memory if absent */
  poolBytes?: number;
  /** where this node's operator watches it */
  admin?: { host: string; port: number };
  /** file that gets a line a run */
  runLog?: string;
  /** address of a module that stands between this node and whoever it is connected with: see `Between` */
  between?: string;
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

/** A node that listens, until the end of a block with `await using` or until it is stopped. */
export interface ServedNode extends AsyncDisposable {
  host: string;
  port: number;
  /** URL of its admin port, where it has one */
  admin?: string;
  /**
   * Lets nobody in any more, begins no run, and waits for those under way, `limits.drainMs` at most. @returns whether
   * all of them have ended
   */
  drain(): Promise<boolean>;
  /**
   * Reads the network and access files again, ends the connections of whoever is not let in any more, and goes on in a
   * new run log where the old one was renamed.
   */
  reload(): void;
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
  const { tls, known, tokens, models, unboundNodes, dialled, urlOf, dial } = setUp(o, true);
  const { host, port: wanted, admin, runLog } = o;
  const between = await loadBetween(o.between);
  const drained = new Deferred<void>();
  const ask = (what: EngineQuestion) => worker.postMessage({ ask: what } satisfies ToEngine);
  const operation = new Operation({
    node: nodeName[o.role],
    release: RELEASE,
    log: o.log,
    ...(admin && { admin }),
    ...(runLog !== undefined && { runLog }),
    ask: () => ask('state'),
    askPlan: (plan) => worker.postMessage({ plan } satisfies ToEngine),
  });
  const log = operation.observing(quiet(o.log));
  const workerData: EngineWorkerData = {
    role: o.role,
    threads: o.threads ?? threadsAlone(),
    memory: o.memory ?? defaultMemory(o.role),
    ...(o.poolBytes !== undefined && { pool: o.poolBytes }),
    ...(models && { models }),
    ...(o.between !== undefined && { between: o.between }),
  };
  const worker = new Worker(engineFile(), {
    workerData,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  const data = new DataConnections(
    { role: o.role, dialled, urlOf, give: (c) => worker.postMessage({ data: c } satisfies ToEngine), log },
    frameChannel(),
  );
  const welcome = (proven: Proven, left: (why: string) => void) => {
    const { role, principal, seed, link } = proven;
    const { port1, port2 } = new MessageChannel();
    const message: ToEngine = { proven: role, principal, seed: seed.bytes, port: port2 };
    worker.postMessage(message, [port2]);
    const closed = data.met(proven);
    // A socket still reads a frame when its `send` has resolved
    bridge(operation.counted(link, nodeName[role]), new PortLink(port1, true), (why) => {
      closed();
      left(why);
    });
    if (isBetweenParties(o.role, role))
      void leastRoundTrip(link).then((roundTripMs) => worker.postMessage({ roundTripMs } satisfies ToEngine));
  };
  const dials = Object.fromEntries(dialled.map((role) => [role, () => dial(role)]));
  const gate = new Gate({ role: o.role, tokens, identities: known, unboundNodes, dial: dials, welcome, log });
  const door = new Door({
    host,
    port: wanted,
    ...(tls && { tls }),
    behindTlsProxy: o.behindTlsProxy ?? false,
    enter: (link, proven) => gate.accept(between?.accepted(link) ?? link, proven, link.channel),
    data: (socket, bytes) => data.accept(socket, bytes),
    log,
  });
  let port: number;
  let watched: string | undefined;
  try {
    port = await door.open();
    watched = await operation.open();
    if (o.dataDir !== undefined) writeAddress(o.dataDir, `${host}:${port}`);
  } catch (error) {
    await worker.terminate();
    await door.close();
    await operation.close();
    throw error;
  }
  worker.on('message', (m: FromEngine) => {
    if ('log' in m) log(m.log, m.fields);
    // The thread of the connections has garbage of its own
    else if ('tidied' in m) giveUpMemory();
    else if ('event' in m) operation.event(m.event);
    else if ('state' in m) operation.engine(m.state);
    else if ('planned' in m) operation.planned(m.planned);
    else if ('opened' in m) data.opened(m.opened);
    else if ('drained' in m) drained.resolve();
  });
  const failed = (error: Error) => {
    log('failed', { why: error.message });
    process.exit(1);
  };
  worker.on('error', failed);
  const fingerprint = known && { key: publicKeyText(known.key.public) };
  log('listening', {
    address: `${tls ? 'wss' : 'ws'}://${host}:${port}`,
    memory: workerData.memory,
    ...fingerprint,
    ...(watched && { admin: watched }),
  });
  gate.start();
  const stop = async () => {
    worker.off('error', failed);
    gate.stop();
    data.stop();
    await worker.terminate();
    await door.close();
    await operation.close();
  };
  return {
    host,
    port,
    ...(watched && { admin: watched }),
    drain: () => drainNode({ gate, ask, drained: drained.promise, log }),
    reload() {
      operation.reopen();
      if (known?.reload()) gate.checkAgain();
    },
    stop,
    [asyncDispose]: stop,
  };
}
