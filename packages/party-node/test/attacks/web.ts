import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { rawSocket, type Target } from './kit.js';

/** The request that opens a WebSocket, written by hand, so that what follows may be wrong. */
export function upgradeRequest({ host, port }: Target, wrong: Record<string, string> = {}): string {
  const headers = {
    Host: `${host}:${port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    'Sec-WebSocket-Version': '13',
    ...wrong,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/**
 * A socket on which a WebSocket is open; what the node sends is read and dropped. Undefined where it was closed before.
 */
export async function openWeb(target: Target): Promise<Socket | undefined> {
  const socket = rawSocket(target);
  await once(socket, target.tls ? 'secureConnect' : 'connect').catch(() => {});
  socket.write(upgradeRequest(target));
  return new Promise((resolve) => {
    socket.once('data', () => {
      socket.resume();
      resolve(socket);
    });
    socket.once('close', () => resolve(undefined));
    if (socket.destroyed) resolve(undefined);
  });
}

export interface FrameOptions {
  fin?: boolean;
  /** three bits that nothing uses */
  reserved?: number;
  masked?: boolean;
  /** the length that is said, if not the payload's */
  length?: number;
}

/** A frame of RFC 6455, with whatever is wrong about it. Its mask is zero. */
export function webFrame(
  opcode: number,
  payload: Uint8Array,
  { fin = true, reserved = 0, masked = true, length = payload.length }: FrameOptions = {},
): Buffer {
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const bit = masked ? 0x80 : 0;
  let head: Buffer;
  if (length < 126) {
    head = Buffer.from([first, bit | length]);
  } else if (length < 65_536) {
    head = Buffer.from([first, bit | 126, length >> 8, length & 255]);
  } else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = bit | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, ...(masked ? [Buffer.alloc(4)] : []), payload]);
}
