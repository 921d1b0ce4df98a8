import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Channel, Link } from '../wire/link.js';
import { SocketLink, type Socket as SocketType } from '../wire/socket-link.js';
import { checkUrl } from '../wire/url.js';
import { trusting } from './authorities.js';
import { type Failure, reasonOf } from './unreachable.js';

export { checkUrl, isLoopback } from '../wire/url.js';

/** Names what is exported; no other protocol over the same connection exports the same. */
const BINDING = 'EXPORTER-secformer';

/**
 * Keying material that the two ends of a TLS connection alone have (RFC 8446, section 7.5). Before TLS 1.3 somebody in
 * the middle could arrange for two connections to have the same.
 * @returns undefined where the connection has none
 */
export function bindingOf(socket: Duplex): Uint8Array | undefined {
  if (!(socket instanceof TLSSocket) || socket.getProtocol() !== 'TLSv1.3') return undefined;
  try {
    return new Uint8Array(socket.exportKeyingMaterial(32, BINDING, Buffer.alloc(0)));
  } catch {
    // It was closed by now
    return undefined;
  }
}

/** How a node is dialled in Node. */
export interface DialOptions {
  /** certificate authority (PEM) to trust besides those that Node trusts */
  ca?: string | undefined;
  /**
   * The handshake will prove the other end's key, which the network file has: a certificate that cannot be verified is
   * no reason to end the connection, and the link says so to the handshake.
   */
  pinned?: boolean | undefined;
}

/**
 * Opens a WebSocket in Node.
 * @param options a string is the certificate authority (PEM) to trust besides those that Node trusts
 * @throws NodeError BAD_CONFIGURATION, UNREACHABLE with what is wrong and what to do
 */
export function dialSocket(url: string, node: NodeName, options: string | DialOptions = {}): Promise<Link> {
  const { ca, pinned = false } = typeof options === 'string' ? { ca: options } : options;
  const tls = checkUrl(url, node).protocol === 'wss:';
  const trust = tls && ca !== undefined ? { secureContext: trusting(ca) } : {};
  return new Promise((resolve, reject) => {
    let channel: Channel | undefined;
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: limits.frameBytes,
      handshakeTimeout: limits.connectMs,
      // Masking keeps scripts in browsers from writing what a proxy takes for HTTP; these frames go through TLS or stay
      // on this machine, and a zero key saves two passes over each
      generateMask: (mask) => void mask.fill(0),
      ...trust,
      ...(pinned && { rejectUnauthorized: false }),
    });
    socket.on('upgrade', ({ socket: below }: IncomingMessage) => {
      if (below instanceof TLSSocket) channel = { binding: bindingOf(below), unverified: whyUnverified(below) };
    });
    socket.on('open', () => {
      const link = new SocketLink(socket as unknown as SocketType, channel);
      link.keepAlive(limits.pongMs);
      resolve(link);
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

/** Why a certificate is not to be trusted, its name and its time included; undefined where it is. */
function whyUnverified(socket: TLSSocket): string | undefined {
  if (socket.authorized) return undefined;
  const { code, message } = (socket.authorizationError ?? {}) as Partial<NodeJS.ErrnoException>;
  return String(code ?? message ?? socket.authorizationError ?? 'not verified');
}
