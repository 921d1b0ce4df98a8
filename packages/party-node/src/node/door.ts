import { createServer as createPlain, type IncomingMessage } from 'node:http';
import { createServer as createTls } from 'node:https';
import { type AddressInfo, createServer, type Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { CROWDED } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { type Socket, SocketLink } from '../wire/socket-link.js';
import type { WireRole } from '../wire/tokens.js';
import { isDataPreamble } from './data/preamble.js';
import type { Log } from './log.js';
import { bindingOf } from './sockets.js';

export interface DoorOptions {
  host: string;
  port: number;
  tls?: { cert: string; key: string };
  /** connections come through a proxy that ends TLS: what this side could export is not what the other end has */
  behindTlsProxy?: boolean | undefined;
  /** takes a WebSocket, and calls `proven` once whoever is at its other end has shown who it is */
  enter: (link: Link, proven: (role: WireRole) => void) => void;
  /** takes a connection that began as one for data, with all that has been read of it; none is taken if absent */
  data?: (socket: NetSocket, bytes: Uint8Array) => void;
  log: Log;
}

/** A connection whose other end has proved nothing yet. */
interface Stranger {
  /** remote address and port, which no two open connections share */
  name: string;
  socket: NetSocket;
  /** what its bytes are counted by: the same, or the TLS socket over it */
  over: NetSocket;
  web?: WebSocket;
  late: ReturnType<typeof setTimeout>;
}

/** How often it is looked how much strangers have sent. */
const LOOK_MS = 50;
/** How long a connection that had to make room has to take the reason. */
const FAREWELL_MS = 200;
/** Sockets beyond those that are counted: some that are being closed. */
const SLACK = 64;

/**
 * Where connections arrive. Whatever a stranger sends, whole, broken or not at all, costs a bounded amount of memory
 * and time and ends with its own connection: everything that has not proved who it is stands in one list, from the
 * moment that TCP accepts it, with a time limit, a limit of bytes, and a length beyond which the oldest goes.
 */
export class Door {
  readonly #o: DoorOptions;
  readonly #server = createServer();
  /** what begins as TLS or HTTP, and no data connection, goes on here */
  readonly #web;
  readonly #sockets: WebSocketServer;
  /** by name; oldest first */
  readonly #strangers = new Map<string, Stranger>();
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(options: DoorOptions) {
    this.#o = options;
    const times = {
      headersTimeout: limits.handshakeMs,
      requestTimeout: limits.handshakeMs,
      keepAliveTimeout: 1,
      connectionsCheckingInterval: 1_000,
    };
    this.#web = options.tls
      ? createTls({ ...options.tls, ...times, handshakeTimeout: limits.handshakeMs })
      : createPlain(times);
    this.#server.maxConnections = limits.unprovenConnections + limits.clients + SLACK;
    this.#sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: limits.frameBytes });
    this.#server.on('connection', (socket: NetSocket) => this.#arrived(socket));
    this.#web.on('request', (_, response) => {
      response.writeHead(426, { Connection: 'close', Upgrade: 'websocket', 'Content-Type': 'text/plain' });
      response.end('This is a node of a private inference; it speaks WebSocket.\n');
    });
    this.#web.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => {});
      this.#sockets.handleUpgrade(request, socket, head, (web) => this.#upgraded(web, request.socket));
    });
    this.#web.on('clientError', (_, socket) => socket.destroy());
    this.#web.on('tlsClientError', (_: Error, socket: NetSocket) => socket.destroy());
  }

  /** @returns the port. @throws NodeError BAD_CONFIGURATION where the address is taken or not this machine's */
  async open(): Promise<number> {
    const { host, port, log } = this.#o;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => reject(cannotListen(host, port, cause)));
      this.#server.listen(port, host.replace(/^\[|\]$/g, ''), resolve);
    });
    this.#server.on('error', (error) => log('listener', { why: error.message }));
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    for (const { socket } of this.#strangers.values()) socket.destroy();
    for (const web of this.#sockets.clients) web.terminate();
    this.#web.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #arrived(socket: NetSocket): void {
    socket.on('error', () => {});
    // It was reset before it was looked at, and has no address any more
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    // The port was used again, and the end of the connection that had it is not read yet
    const before = this.#strangers.get(name);
    if (before) this.#turnAway(before, 'was replaced');
    const late = setTimeout(() => this.#turnAway(stranger, 'did not prove who it is in time'), limits.handshakeMs);
    const stranger: Stranger = { name, socket, over: socket, late };
    this.#strangers.set(name, stranger);
    socket.once('close', () => this.#forget(stranger));
    if (this.#strangers.size > limits.unprovenConnections)
      this.#turnAway(this.#strangers.values().next().value!, `${CROWDED}: try again`);
    socket.once('readable', () => this.#began(stranger));
  }

  /** The first bytes of a connection say what it is for; TLS and HTTP find them where they were. */
  #began(stranger: Stranger): void {
    const { socket } = stranger;
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    if (isDataPreamble(bytes)) {
      this.#forget(stranger);
      if (this.#o.data) this.#o.data(socket, bytes);
      else socket.destroy();
      return;
    }
    socket.unshift(bytes);
    this.#web.emit('connection', socket);
  }

  #upgraded(web: WebSocket, over: NetSocket): void {
    // First of all: an invalid frame is an event of this socket
    web.on('error', () => {});
    const stranger = this.#strangers.get(nameOf(over));
    if (!stranger) {
      web.terminate();
      return;
    }
    Object.assign(stranger, { web, over });
    const channel = this.#o.behindTlsProxy ? {} : { binding: bindingOf(over) };
    const link = new SocketLink(web as unknown as Socket, channel);
    this.#o.enter(link, (role) => {
      this.#forget(stranger);
      link.keepAlive(role === 'client' ? limits.clientPongMs : limits.pongMs);
    });
  }

  /** May be said of one that is forgotten already, whose name another has by now. */
  #forget(stranger: Stranger): void {
    clearTimeout(stranger.late);
    if (this.#strangers.get(stranger.name) === stranger) this.#strangers.delete(stranger.name);
  }

  #turnAway(stranger: Stranger, why: string): void {
    const { socket, web } = stranger;
    this.#forget(stranger);
    if (!web) {
      socket.destroy();
      return;
    }
    web.close(1013, why);
    setTimeout(() => web.terminate(), FAREWELL_MS);
  }

  #look(): void {
    for (const stranger of this.#strangers.values())
      if (stranger.over.bytesRead > limits.unprovenBytes)
        this.#turnAway(stranger, 'sent too much before it proved who it is');
  }
}

/** What to do about an address that the system does not give. */
const REMEDIES: Record<string, string> = {
  EADDRINUSE: 'another process listens there; stop it, or take another port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'ports below 1024 need privileges; take another',
  ENOTFOUND: 'there is no host of that name',
};

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): NodeError {
  const remedy = REMEDIES[cause.code ?? ''];
  return new NodeError(
    'client',
    'BAD_CONFIGURATION',
    `cannot listen on ${host}:${port} (${cause.message})${remedy ? `; ${remedy}` : ''}`,
    { cause },
  );
}

function nameOf({
  remoteAddress,
  remotePort,
}: {
  remoteAddress?: string | undefined;
  remotePort?: number | undefined;
}): string {
  return `${remoteAddress} ${remotePort}`;
}
