/** Ed25519 keys of nodes, publishers and clients: their text forms, thumbprints, and a network's id. Browser-safe. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';
import { NODES, type NodeRole } from './tokens.js';

const PUBLIC = 'ed25519:';
const SECRET = 'ed25519-secret:';
/** 32 bytes in base64url without padding. */
const BODY = /^[A-Za-z0-9_-]{43}$/;

/** A secret key and its public one, in hex, as it travels. */
export interface KeyPair {
  /** the 32-byte seed (RFC 8032, section 5.1.5) */
  secret: Secret;
  public: string;
}

/** The pair of a secret key, as `secretKeyFrom` reads one. */
export function keyPairFrom(secret: Secret): KeyPair {
  return { secret, public: bytesToHex(ed25519.getPublicKey(secret.bytes)) };
}

/** A new key, of 32 random bytes. */
export function freshKeyPair(): KeyPair {
  return keyPairFrom(new Secret(ed25519.utils.randomSecretKey()));
}

export function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** What `base64url` has written, a character for each byte. @throws DOMException where it is not that */
export function fromBase64url(text: string): string {
  return atob(text.replaceAll('-', '+').replaceAll('_', '/'));
}

/** The 32 bytes behind a prefix; undefined where it is not that, or not the one way to write those bytes. */
function bytesBehind(prefix: string, text: string): Uint8Array | undefined {
  const body = text.slice(prefix.length);
  if (!text.startsWith(prefix) || !BODY.test(body)) return undefined;
  const bytes = Uint8Array.from(fromBase64url(body), (c) => c.charCodeAt(0));
  return base64url(bytes) === body ? bytes : undefined;
}

/** Text form of a public key. @param key in hex */
export function publicKeyText(key: string): string {
  return PUBLIC + base64url(hexToBytes(key));
}

/**
 * A public key in hex from its text form. A point of small order is none: signatures of anything verify by it.
 * @returns undefined where it is not a public key
 */
export function publicKeyFrom(text: string): string | undefined {
  const bytes = bytesBehind(PUBLIC, text);
  if (!bytes) return undefined;
  try {
    if (ed25519.Point.fromBytes(bytes).isSmallOrder()) return undefined;
  } catch {
    return undefined;
  }
  return bytesToHex(bytes);
}

/** Text form of a secret key: to be written into a file that nobody else can read, and nowhere else. */
export function secretKeyText(secret: Secret): string {
  return SECRET + base64url(secret.bytes);
}

/** @returns undefined where the text is not a secret key */
export function secretKeyFrom(text: string): Secret | undefined {
  const bytes = bytesBehind(SECRET, text.trim());
  return bytes && new Secret(bytes);
}

/** Thumbprint of a public key (RFC 7638 and RFC 8037, section 2), base64url. @param key in hex */
export function thumbprint(key: string): string {
  const jwk = `{"crv":"Ed25519","kty":"OKP","x":"${base64url(hexToBytes(key))}"}`;
  return base64url(sha256(utf8ToBytes(jwk)));
}

/** What a grant names as its audience: 16 bytes, in hex, that follow from the three nodes' keys. @param keys in hex */
export function networkId(keys: Readonly<Record<NodeRole, string>>): string {
  const order: NodeRole[] = ['party0', 'party1', 'dealer'];
  return bytesToHex(sha256(concatBytes(...order.map((role) => hexToBytes(keys[role])))).subarray(0, 16));
}

/** Whether no two nodes have the same key. */
export function areDistinct(keys: Readonly<Record<NodeRole, string>>): boolean {
  return new Set(NODES.map((role) => keys[role])).size === NODES.length;
}
