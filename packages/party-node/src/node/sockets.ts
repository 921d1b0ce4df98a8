import { WebSocket } from 'ws';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Link } from '../wire/link.js';
import { SocketLink, type Socket as SocketType } from '../wire/socket-link.js';
import { checkUrl } from '../wire/url.js';
import { trusting } from './authorities.js';
import { type Failure, reasonOf } from './unreachable.js';

export { checkUrl, isLoopback } from '../wire/url.js';

/**
 * Pings an open socket; one that does not answer for `pongMs` is closed. Runs on a thread that no kernel blocks; if it
 * was blocked or the machine slept all the same, the other end is given its time again, because its answers have not
 * been read.
 */
export function keepAlive(socket: WebSocket, pongMs: number = limits.pongMs): void {
  let last = performance.now();
  let looked = last;
  socket.on('pong', () => {
    last = performance.now();
  });
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - looked > 2 * limits.pingMs) last = now;
    looked = now;
    if (now - last > pongMs) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, limits.pingMs);
  socket.on('close', () => clearInterval(timer));
}

/**
 * Opens a WebSocket in Node.
 * @param ca certificate authority (PEM) to trust besides those that Node trusts
 * @throws NodeError BAD_CONFIGURATION, UNREACHABLE with what is wrong and what to do
 */
export function dialSocket(url: string, node: NodeName, ca?: string): Promise<Link> {
  const tls = checkUrl(url, node).protocol === 'wss:';
  const trust = tls && ca !== undefined ? { secureContext: trusting(ca) } : {};
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: limits.frameBytes,
      handshakeTimeout: limits.connectMs,
      // Masking keeps scripts in browsers from writing what a proxy takes for HTTP; these frames go through TLS or stay
      // on this machine, and a zero key saves two passes over each
      generateMask: (mask) => void mask.fill(0),
      ...trust,
    });
    socket.on('open', () => {
      keepAlive(socket);
      resolve(new SocketLink(socket as unknown as SocketType));
    });
    socket.on('error', (cause: Failure) => {
      // It was there and ended the connection: who has to make room before a WebSocket is open cannot be told so
      const after = cause.code === 'ECONNRESET' ? { retryAfterMs: limits.retryMs } : {};
      reject(
        new NodeError(node, 'UNREACHABLE', `no connection to ${url} (${reasonOf(cause, tls)})`, { cause, ...after }),
      );
    });
  });
}
