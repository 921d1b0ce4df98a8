/** What the two sides of a handshake prove: over which bytes, and by a token or a key. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import type { KeyPair } from './keys.js';
import type { MessageOf } from './messages.js';

type Hello = MessageOf<'hello'>;
/** The side that dialled, and the one that accepted: so that neither's proof is one of the other. */
export type Side = 'a' | 'b';

/** Prefixed to what is signed, so that no signature of another kind can be taken for one. */
const CONTEXT = utf8ToBytes('secformer handshake 1\n');

/** Compares in constant time. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}

/** No field has a space or a line's end in it, and a line has five fields or eight. */
function line(h: Hello): string {
  const own = `${h.version} ${h.role} ${h.nonce} ${h.key} ${h.process}`;
  if (h.public === undefined && h.grant === undefined && !h.bound) return own;
  return `${own} ${h.public ?? '-'} ${h.bound ? 'bound' : '-'} ${h.grant ?? '-'}`;
}

/**
 * SHA-256 of both hellos, and of the TLS connection's own secret where both say that they have it.
 * @param binding keying material that this side's end of the TLS connection exports
 */
export function transcriptOf(a: Hello, b: Hello, binding?: Uint8Array): Uint8Array {
  const bound = a.bound && b.bound && binding ? `\n${bytesToHex(binding)}` : '';
  return sha256(utf8ToBytes(`${line(a)}\n${line(b)}${bound}`));
}

export function macOf(token: Secret, side: Side, transcript: Uint8Array): string {
  return bytesToHex(hmac(sha256, token.bytes, concatBytes(utf8ToBytes(side), transcript)));
}

export function isMac(mac: string, token: Secret, side: Side, transcript: Uint8Array): boolean {
  return equalBytes(hexToBytes(mac), hexToBytes(macOf(token, side, transcript)));
}

const signed = (side: Side, transcript: Uint8Array) => concatBytes(CONTEXT, utf8ToBytes(side), transcript);

export function signatureOf(key: KeyPair, side: Side, transcript: Uint8Array): string {
  return bytesToHex(ed25519.sign(signed(side, transcript), key.secret.bytes));
}

/** By the rules of RFC 8032 alone (not ZIP 215). @param key public key in hex */
export function isSignature(signature: string, key: string, side: Side, transcript: Uint8Array): boolean {
  try {
    const strict = { zip215: false };
    return ed25519.verify(hexToBytes(signature), signed(side, transcript), hexToBytes(key), strict);
  } catch {
    return false;
  }
}
