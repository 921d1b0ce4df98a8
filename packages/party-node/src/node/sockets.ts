import { WebSocket } from 'ws';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Link } from '../wire/link.js';
import { SocketLink, type Socket as SocketType } from '../wire/socket-link.js';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

/** Is this a host that traffic does not leave the machine for? */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** Nothing leaves the machine unencrypted. */
export function checkUrl(url: string, node: NodeName): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new NodeError(node, 'BAD_CONFIGURATION', `'${url}' is not a URL; expected ws://127.0.0.1:PORT or wss://HOST:PORT`, { cause });
  }
  if (parsed.protocol !== 'wss:' && !(parsed.protocol === 'ws:' && isLoopback(parsed.hostname))) {
    throw new NodeError(node, 'BAD_CONFIGURATION', `'${url}' would carry shares unencrypted; use wss:// for anything but this machine`);
  }
  return parsed;
}

/** Pings an open socket; one that does not answer is closed. Runs on a thread that no kernel blocks. */
export function keepAlive(socket: WebSocket): void {
  let last = performance.now();
  socket.on('pong', () => {
    last = performance.now();
  });
  const timer = setInterval(() => {
    if (performance.now() - last > limits.pongMs) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, limits.pingMs);
  socket.on('close', () => clearInterval(timer));
}

/** Opens a WebSocket in Node. @param ca certificates that are trusted besides the system's */
export function dialSocket(url: string, node: NodeName, ca?: string): Promise<Link> {
  checkUrl(url, node);
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: limits.frameBytes,
      handshakeTimeout: limits.connectMs,
      // Masking keeps scripts in browsers from writing what a proxy takes for HTTP; these frames go through TLS or stay on this machine, and a zero key saves two passes over each
      generateMask: (mask) => void mask.fill(0),
      ...(ca && { ca }),
    });
    socket.on('open', () => {
      keepAlive(socket);
      resolve(new SocketLink(socket as unknown as SocketType));
    });
    socket.on('error', (cause) => reject(new NodeError(node, 'UNREACHABLE', `no connection to ${url} (${cause.message}); is it running?`, { cause })));
  });
}
