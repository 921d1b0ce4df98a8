import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';
import { NodeError, type NodeName } from '../errors.js';
import { limits, WIRE_VERSION } from '../limits.js';
import { MessageLink } from './framing.js';
import type { Link } from './link.js';
import type { Message, MessageOf } from './messages.js';

export type WireRole = 'party0' | 'party1' | 'dealer' | 'client';

export const nodeName: Record<WireRole, NodeName> = { party0: 'party 0', party1: 'party 1', dealer: 'dealer', client: 'client' };

/** Tokens as 32-byte keys. Nodes have both; a client has one, so it can't pose as a node. */
export interface Tokens {
  node?: Secret;
  client: Secret;
}

/** Compares without telling, by its time, where the difference is. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}

/** A token from its text: any length, hashed. */
export function tokenFrom(text: string): Secret {
  return new Secret(sha256(utf8ToBytes(`secformer token ${text.trim()}`)));
}

/** An authenticated link: who is at the other end, and a seed that only the two of them know. */
export interface Peer {
  role: WireRole;
  seed: Secret;
  link: MessageLink;
}

/**
 * Three messages that prove to each side that the other knows the token, without sending it, and agree a seed:
 *
 *   1. A → B: role, nonce, X25519 key
 *   2. B → A: role, nonce, X25519 key, HMAC-SHA256(token, 'b' ‖ transcript)
 *   3. A → B: HMAC-SHA256(token, 'a' ‖ transcript)
 *
 * transcript = SHA-256 of everything in 1 and 2 but the proof; seed = HKDF(X25519 secret, transcript). Between nodes it is the node token, where
 * one side is a client the client token. Whoever does not know the token learns neither it nor the seed; the seed is never sent.
 * @param expect the role that must be at the other end, if that is known
 * @param ready called with the peer in the same tick as its last handshake message, so that its handlers are set before another frame is read
 */
export function handshake(link: Link, mine: WireRole, tokens: Tokens, side: 'dial' | 'accept', expect?: WireRole, ready?: (peer: Peer) => void): Promise<Peer> {
  const nonce = randomBytes(32);
  const secret = x25519.utils.randomSecretKey();
  const key = x25519.getPublicKey(secret);
  const hello: MessageOf<'hello'> = { t: 'hello', version: WIRE_VERSION, role: mine, nonce: bytesToHex(nonce), key: bytesToHex(key) };
  let other: MessageOf<'hello'> | undefined;
  const name = (): NodeName => (other ? nodeName[other.role] : expect ? nodeName[expect] : 'client');
  const channel = new MessageLink(link, name);
  channel.frameLimit = limits.handshakeFrameBytes;

  return new Promise<Peer>((resolve, reject) => {
    const timer = setTimeout(() => fail(new NodeError(name(), 'NOT_AUTHENTICATED', `did not finish the handshake in ${limits.handshakeMs} ms`)), limits.handshakeMs);
    const fail = (error: NodeError) => {
      clearTimeout(timer);
      channel.send({ t: 'refused', code: error.code, message: error.message }).catch(() => {});
      channel.close(error.message);
      reject(error);
    };
    const keyOf = (role: WireRole): Secret => {
      const token = role === 'client' || mine === 'client' ? tokens.client : tokens.node;
      if (!token) throw new NodeError(name(), 'NOT_AUTHENTICATED', 'has no token for this link');
      return token;
    };
    const transcript = (a: MessageOf<'hello'>, b: MessageOf<'hello'>) => sha256(utf8ToBytes([a, b].map((h) => `${h.version} ${h.role} ${h.nonce} ${h.key}`).join('\n')));
    const proof = (who: 'a' | 'b', role: WireRole, hash: Uint8Array) => hmac(sha256, keyOf(role).bytes, new Uint8Array([who.charCodeAt(0), ...hash]));
    const finish = (hash: Uint8Array) => {
      clearTimeout(timer);
      const shared = x25519.getSharedSecret(secret, hexToBytes(other!.key));
      const peer: Peer = { role: other!.role, seed: new Secret(hkdf(sha256, shared, hash, utf8ToBytes('secformer seed'), 32)), link: channel };
      channel.frameLimit = limits.frameBytes;
      ready?.(peer);
      resolve(peer);
    };
    const meet = (h: MessageOf<'hello'>) => {
      other = h;
      if (h.version !== WIRE_VERSION)
        throw new NodeError(name(), 'VERSION_MISMATCH', `speaks version ${h.version} of the protocol, this side speaks ${WIRE_VERSION}; run the same release everywhere`);
      if (h.role === mine || (expect && h.role !== expect))
        throw new NodeError(name(), 'NOT_AUTHENTICATED', `expected ${expect ?? 'another role'} at the other end, found ${h.role}; check the addresses`);
    };
    const receive = async (m: Message) => {
      if (m.t === 'refused') throw new NodeError(name(), m.code === 'VERSION_MISMATCH' ? 'VERSION_MISMATCH' : 'NOT_AUTHENTICATED', `refused the connection: ${m.message}`);
      if (m.t === 'hello' && !other) {
        meet(m);
        const hash = side === 'dial' ? transcript(hello, m) : transcript(m, hello);
        if (side === 'dial') {
          if (!m.mac || !equalBytes(hexToBytes(m.mac), proof('b', m.role, hash)))
            throw new NodeError(name(), 'NOT_AUTHENTICATED', 'does not know the token that this side was given');
          await channel.send({ t: 'proof', mac: bytesToHex(proof('a', m.role, hash)) });
          finish(hash);
        } else {
          await channel.send({ ...hello, mac: bytesToHex(proof('b', m.role, hash)) });
        }
        return;
      }
      if (m.t === 'proof' && side === 'accept' && other) {
        const hash = transcript(other, hello);
        if (!equalBytes(hexToBytes(m.mac), proof('a', other.role, hash))) throw new NodeError(name(), 'NOT_AUTHENTICATED', 'does not know the token');
        finish(hash);
        return;
      }
      throw new NodeError(name(), 'NOT_AUTHENTICATED', `sent '${m.t}' in the middle of the handshake`);
    };
    channel.accept = () => 0;
    channel.onMessage = (m) => receive(m).catch((error) => fail(error instanceof NodeError ? error : new NodeError(name(), 'NOT_AUTHENTICATED', String(error))));
    channel.onClose = (why) => {
      clearTimeout(timer);
      reject(new NodeError(name(), 'LINK_CLOSED', `closed the connection during the handshake (${why}); is the token right?`));
    };
    if (side === 'dial') channel.send(hello).catch((error) => fail(new NodeError(name(), 'LINK_CLOSED', String(error))));
  });
}
