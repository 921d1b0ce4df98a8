import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { bad } from '../identity/files.js';
import { nodeKey } from '../identity/key-files.js';
import { Known } from '../identity/known.js';
import { Operation } from '../operation/operation.js';
import { nodeName, type Proven } from '../wire/handshake.js';
import { publicKeyText } from '../wire/keys.js';
import type { Link } from '../wire/link.js';
import { PortLink } from '../wire/port-link.js';
import { DIALS, type Tokens } from '../wire/tokens.js';
import { defaultMemory } from './budget.js';
import { type IdentityFiles, readAuthority, readIdentity } from './certificates.js';
import { Door } from './door.js';
import { drainNode } from './drain-node.js';
import { engineFile } from './engine-file.js';
import type { EngineQuestion, EngineWorkerData, FromEngine, ToEngine } from './engine-worker.js';
import { giveUpMemory } from './garbage.js';
import { Gate } from './gate.js';
import { type Log, quiet } from './log.js';
import type { NodeRole } from './run.js';
import { checkUrl, dialSocket, isLoopback } from './sockets.js';
import { readStoreKey } from './store-key.js';
import { RELEASE } from './thread-file.js';
import { threadsAlone } from './threads.js';
import { readTokens, type TokenFiles } from './token-files.js';

/** What a node is: its role, its address, whom it dials and by which tokens and certificates. */
export interface ServeOptions extends TokenFiles, IdentityFiles {
  role: NodeRole;
  host: string;
  port: number;
  /** where the nodes are that this one dials, if the network file does not say so or they are elsewhere for it */
  dials: Partial<Record<NodeRole, string>>;
  /** where the node keeps its key and writes its address */
  dataDir?: string;
  /** network file with the keys and addresses of the three nodes: they know one another by these and not by tokens */
  peers?: string;
  /** access file with the publishers whose models and grants count here */
  access?: string;
  /** whether whoever has the clients' token is let in; true if absent */
  ownerSessions?: boolean;
  /** what connects comes through a proxy of this node's operator that ends TLS */
  behindTlsProxy?: boolean;
  /** that a large kernel, such as a matrix product, may take; all that the machine has if absent */
  threads?: number;
  /** bytes that tensors and runs of all clients may take together; a part of what the machine has if absent */
  memory?: number;
  /** bytes that prepared runs of published models may take; a part of the memory if absent */
  poolBytes?: number;
  /** key that published models are encrypted with in `dataDir` */
  dataKeyFile?: string;
  /** authority to trust besides those that Node trusts, when this node dials */
  tlsCa?: string;
  /** where this node's operator watches it */
  admin?: { host: string; port: number };
  /** file that gets a line a run */
  runLog?: string;
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

/** Whom a node knows by their keys, itself among them; nothing where it has no folder for its own. */
function readKnown({ role, dataDir, peers, access, log }: ServeOptions): Known | undefined {
  if (dataDir !== undefined) return new Known({ role, key: nodeKey(dataDir), peers, access, log });
  const flag = peers === undefined ? '--access' : '--peers';
  if (peers === undefined && access === undefined) return undefined;
  throw bad(`${flag} needs --data-dir, the folder that this node's key is in`);
}

/** Somebody has to be able to connect. @throws NodeError BAD_CONFIGURATION */
function checkClients({ ownerSessions = true, access, clientTokenFile }: ServeOptions): void {
  if (access !== undefined) return;
  if (clientTokenFile === undefined) throw bad('needs --client-token-file, or --access for clients that hold a grant');
  if (!ownerSessions) throw bad('--no-owner-sessions leaves nobody to connect without --access');
}

/** Where published models are kept: where nobody may publish there are none. @throws NodeError BAD_CONFIGURATION */
function modelsOf({ access, dataDir, dataKeyFile }: ServeOptions): EngineWorkerData['models'] {
  if (dataKeyFile !== undefined && (access === undefined || dataDir === undefined))
    throw bad('--data-key-file is for published models: it needs --access and --data-dir');
  if (access === undefined || dataDir === undefined) return undefined;
  const key = dataKeyFile === undefined ? undefined : readStoreKey(dataKeyFile).bytes;
  return { folder: resolve(dataDir, 'models'), ...(key && { key }) };
}

/** A node that listens. */
export interface ServedNode {
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
   * new run log, after the old one was renamed.
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
  const tls = readIdentity(o);
  const { behindTlsProxy = false } = o;
  if (!tls && !behindTlsProxy && !isLoopback(o.host)) {
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `without --tls-cert and --tls-key a node listens on loopback only, not on ${o.host}: ` +
        `the dealer's masks and the parties' openings together are the plaintext ` +
        '(a TLS proxy in front of it is named with --behind-tls-proxy)',
    );
  }
  const ca = o.tlsCa === undefined ? undefined : readAuthority(o.tlsCa);
  checkClients(o);
  const known = readKnown(o);
  const dials = DIALS[o.role].flatMap((role) => {
    const url = o.dials[role] ?? known?.urlOf(role);
    return url === undefined ? [] : [{ role, url: checkUrl(url, nodeName[role]) }];
  });
  const local = isLoopback(o.host) && dials.every(({ url }) => isLoopback(url.hostname));
  const { client, ...nodes } = readTokens(o.role, o, local, known?.pins() !== undefined);
  const tokens: Tokens = client && (o.ownerSessions ?? true) ? { ...nodes, client } : nodes;
  const { host, port: wanted, through, admin, runLog } = o;
  const models = modelsOf(o);
  const drained = new Deferred<void>();
  const ask = (what: EngineQuestion) => worker.postMessage({ ask: what } satisfies ToEngine);
  const operation = new Operation({
    node: nodeName[o.role],
    release: RELEASE,
    log: o.log,
    ...(admin && { admin }),
    ...(runLog !== undefined && { runLog }),
    ask: () => ask('state'),
  });
  const log = operation.observing(quiet(o.log));
  const data: EngineWorkerData = {
    role: o.role,
    threads: o.threads ?? threadsAlone(),
    memory: o.memory ?? defaultMemory(o.role),
    ...(o.poolBytes !== undefined && { pool: o.poolBytes }),
    ...(models && { models }),
  };
  const worker = new Worker(engineFile(), {
    workerData: data,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  const welcome = ({ role, principal, seed, link }: Proven, left: (why: string) => void) => {
    const { port1, port2 } = new MessageChannel();
    // A socket still reads a frame when its `send` has resolved
    bridge(operation.counted(link, nodeName[role]), new PortLink(port1, true), left);
    const message: ToEngine = { proven: role, principal, seed: seed.bytes, port: port2 };
    worker.postMessage(message, [port2]);
  };
  const dial = Object.fromEntries(
    dials.map(({ role }) => {
      const url = () => o.dials[role] ?? known!.urlOf(role)!;
      return [role, () => dialSocket(url(), nodeName[role], { ca, pinned: known?.pins() !== undefined })];
    }),
  );
  const unboundNodes = behindTlsProxy || isLoopback(o.host);
  const gate = new Gate({ role: o.role, tokens, identities: known, unboundNodes, dial, welcome, log });
  const door = new Door({
    host,
    port: wanted,
    ...(tls && { tls }),
    behindTlsProxy,
    enter: (link, proven) => gate.accept(through?.(link) ?? link, proven, link.channel),
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
    else if ('drained' in m) drained.resolve();
  });
  const failed = (error: Error) => {
    log('failed', { why: error.message });
    process.exit(1);
  };
  worker.on('error', failed);
  log('listening', {
    address: `${tls ? 'wss' : 'ws'}://${host}:${port}`,
    memory: data.memory,
    ...(known && { key: publicKeyText(known.key.public) }),
    ...(watched && { admin: watched }),
  });
  gate.start();
  return {
    host,
    port,
    ...(watched && { admin: watched }),
    drain: () => drainNode({ gate, ask, drained: drained.promise, log }),
    reload() {
      operation.reopen();
      if (known?.reload()) gate.checkAgain();
    },
    async stop() {
      worker.off('error', failed);
      gate.stop();
      await worker.terminate();
      await door.close();
      await operation.close();
    },
  };
}
