import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer as createTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { WebSocketServer } from 'ws';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName, tokenFrom } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { PortLink } from '../wire/port-link.js';
import { type Socket, SocketLink } from '../wire/socket-link.js';
import type { EngineWorkerData, FromEngine, ToEngine } from './engine-worker.js';
import type { NodeRole } from './run.js';
import { checkUrl, dialSocket, isLoopback, keepAlive } from './sockets.js';
import { threadsAlone } from './threads.js';

export interface ServeOptions {
  role: NodeRole;
  host: string;
  port: number;
  nodeTokenFile: string;
  clientTokenFile: string;
  /** nodes that this one dials */
  dials: Partial<Record<NodeRole, string>>;
  dataDir?: string;
  /** that a large kernel, such as a matrix product, may take; all that the machine has if absent */
  threads?: number;
  tlsCert?: string;
  tlsKey?: string;
  tlsCa?: string;
  log: (event: string, fields?: Record<string, unknown>) => void;
  /** what stands between this node and whoever connects to it, such as an emulated network */
  through?: (link: Link) => Link;
}

/** Shortest token: 16 characters of base64 are 96 bits. */
const TOKEN_LENGTH = 16;

function readToken(file: string): Uint8Array {
  const text = read(file, 'token').trim();
  if (text.length < TOKEN_LENGTH)
    throw new NodeError('client', 'BAD_CONFIGURATION', `the token in ${file} has ${text.length} characters; make one with: head -c 32 /dev/urandom | base64 > ${file}`);
  return tokenFrom(text).bytes;
}

function read(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new NodeError('client', 'BAD_CONFIGURATION', `cannot read the ${what} file ${file} (${(cause as Error).message})`, { cause });
  }
}

/** Passes frames between two links, each side's backpressure included. */
export function bridge(a: Link, b: Link): void {
  const one = (from: Link, to: Link) => {
    from.onFrame = (frame) => to.send(frame).catch(() => {});
    from.onClose = (why) => to.close(why);
  };
  one(a, b);
  one(b, a);
}

/**
 * A node as a process: this thread holds the connections, so that pings are answered while the engine's thread computes.
 * @returns the address it listens on, and how to stop it
 */
export async function serve(o: ServeOptions): Promise<{ host: string; port: number; stop(): Promise<void> }> {
  const secure = o.tlsCert !== undefined && o.tlsKey !== undefined;
  if (!secure && !isLoopback(o.host)) {
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `without --tls-cert and --tls-key a node listens on loopback only, not on ${o.host}: the dealer's masks and the parties' openings together are the plaintext`,
    );
  }
  const ca = o.tlsCa === undefined ? undefined : read(o.tlsCa, 'CA');
  for (const [role, url] of Object.entries(o.dials)) checkUrl(url, nodeName[role as NodeRole]);
  const data: EngineWorkerData = {
    role: o.role,
    nodeToken: readToken(o.nodeTokenFile),
    clientToken: readToken(o.clientTokenFile),
    dials: Object.keys(o.dials) as NodeRole[],
    threads: o.threads ?? threadsAlone(),
  };
  const server = secure ? createTls({ cert: read(o.tlsCert!, 'certificate'), key: read(o.tlsKey!, 'key') }) : createPlain();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: limits.frameBytes });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new NodeError('client', 'BAD_CONFIGURATION', `cannot listen on ${o.host}:${o.port} (${cause.message})`, { cause })));
    server.listen(o.port, o.host.replace(/^\[|\]$/g, ''), resolve);
  });
  const { port } = server.address() as AddressInfo;

  const worker = new Worker(new URL('./engine-worker.js', import.meta.url), { workerData: data });
  const toEngine = (m: ToEngine, link: Link | undefined) => {
    if (!link) {
      worker.postMessage(m);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    // A socket still reads a frame when its `send` has resolved
    bridge(link, new PortLink(port1, true));
    worker.postMessage({ ...m, ...('accept' in m ? { accept: port2 } : { port: port2 }) }, [port2]);
  };
  sockets.on('connection', (socket) => {
    if (sockets.clients.size > limits.connections) {
      socket.close(1013, 'too many connections');
      return;
    }
    keepAlive(socket);
    const link = new SocketLink(socket as unknown as Socket);
    toEngine({ accept: undefined as never }, o.through?.(link) ?? link);
  });
  worker.on('message', (m: FromEngine) => {
    if ('log' in m) {
      o.log(m.log, m.fields);
      return;
    }
    dialSocket(o.dials[m.dial]!, nodeName[m.dial], ca).then(
      (link) => toEngine({ dialled: m.dial, port: undefined as never }, link),
      (error: Error) => toEngine({ dialled: m.dial, failed: error.message }, undefined),
    );
  });
  const failed = (error: Error) => {
    o.log('failed', { why: error.message });
    process.exit(1);
  };
  worker.on('error', failed);
  if (o.dataDir !== undefined) {
    mkdirSync(o.dataDir, { recursive: true });
    // Renamed into place, so that whoever waits for it reads all of it
    writeFileSync(join(o.dataDir, 'address.new'), `${o.host}:${port}\n`);
    renameSync(join(o.dataDir, 'address.new'), join(o.dataDir, 'address'));
  }
  o.log('listening', { address: `${secure ? 'wss' : 'ws'}://${o.host}:${port}` });
  return {
    host: o.host,
    port,
    async stop() {
      worker.off('error', failed);
      await worker.terminate();
      for (const s of sockets.clients) s.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
