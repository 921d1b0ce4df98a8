/** What tests of handshakes have in common: tokens, and two sides that meet over a message port. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { PortLink, tokenFrom } from '../src/index.js';
import { type HandshakeOptions, handshake } from '../src/wire/handshake.js';
import { NODES, type NodeRole, type Tokens, type WireRole } from '../src/wire/tokens.js';

export const client = tokenFrom('the token of the clients');
export const pair = (a: NodeRole, b: NodeRole) => tokenFrom(`the token of ${[a, b].sort()}`);
export const tokensOf = (mine: NodeRole): Tokens => ({
  client,
  nodes: Object.fromEntries(NODES.filter((r) => r !== mine).map((r) => [r, pair(mine, r)])),
});

const open: PortLink[] = [];
export const linkOf = (port: MessagePort): PortLink => {
  const link = new PortLink(port);
  open.push(link);
  return link;
};
/** Ends the connections of all handshakes. */
export function closeAll(): void {
  for (const link of open) link.close('the tests are over');
}

export const side = (mine: WireRole, tokens: Tokens, more: Partial<HandshakeOptions>): HandshakeOptions => ({
  mine,
  tokens,
  process: bytesToHex(randomBytes(16)),
  side: 'dial',
  ...more,
});

/** Both sides of a handshake, and the frames that went between them. */
export function meet(a: HandshakeOptions, b: HandshakeOptions) {
  const { port1, port2 } = new MessageChannel();
  const frames: Uint8Array[] = [];
  const [left, right] = [linkOf(port1), linkOf(port2)];
  for (const link of [left, right]) {
    const send = link.send.bind(link);
    link.send = (f) => {
      frames.push(f.slice());
      return send(f);
    };
  }
  const both = Promise.allSettled([
    handshake(left, { ...a, side: 'dial' }),
    handshake(right, { ...b, side: 'accept' }),
  ]);
  return { both, frames };
}
