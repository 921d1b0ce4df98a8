/**
 * How a data connection begins, and its keys. Both nodes have a proven WebSocket with a seed of their own:
 *
 *   1. A → B: magic, an id that follows from the seed, A's nonce
 *   2. B → A: B's nonce, and a sealed frame without content
 *   3. A → B: a sealed frame without content
 *
 * keys = HKDF-SHA256(seed, salt = A's nonce ‖ B's nonce), one for each direction. Who has heard 1 and says it again
 * gets other keys than anybody had, for B's nonce is fresh, and knows neither: nothing is sent before a frame of the
 * other end has been opened. The id names a WebSocket to whoever has its seed, and tells others nothing.
 */
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';

/** Of the first bytes of a connection none is that of a TLS record (22) or of an HTTP request. */
const MAGIC = Uint8Array.of(0, ...utf8ToBytes('SFDATA'), 1);
const ID_BYTES = 32;
export const NONCE_BYTES = 16;
export const PREAMBLE_BYTES = MAGIC.length + ID_BYTES + NONCE_BYTES;

export type DataSide = 'dial' | 'accept';

const derive = (seed: Secret, salt: Uint8Array | undefined, what: string) =>
  hkdf(sha256, seed.bytes, salt, utf8ToBytes(`secformer data ${what}`), 32);

/** Names the link that a data connection belongs to. */
export function dataId(seed: Secret): Uint8Array {
  return derive(seed, undefined, 'id');
}

/** The keys that one end seals and opens frames with. */
export function dataKeys(
  seed: Secret,
  side: DataSide,
  dialled: Uint8Array,
  accepted: Uint8Array,
): { seals: Uint8Array; opens: Uint8Array } {
  const salt = concatBytes(dialled, accepted);
  const [to, from] = [derive(seed, salt, 'from dialler'), derive(seed, salt, 'from acceptor')];
  return side === 'dial' ? { seals: to, opens: from } : { seals: from, opens: to };
}

/** What the side that dials says first. */
export function preambleOf(seed: Secret): { bytes: Uint8Array; nonce: Uint8Array } {
  const nonce = randomBytes(NONCE_BYTES);
  return { bytes: concatBytes(MAGIC, dataId(seed), nonce), nonce };
}

/** Does a connection that begins so carry data? `bytes` has one byte at least. */
export function isDataPreamble(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC[0];
}

/** @returns undefined where a connection begins otherwise */
export function readPreamble(bytes: Uint8Array): { id: Uint8Array; nonce: Uint8Array } | undefined {
  if (bytes.length !== PREAMBLE_BYTES || MAGIC.some((b, i) => bytes[i] !== b)) return undefined;
  const nonce = MAGIC.length + ID_BYTES;
  return { id: bytes.slice(MAGIC.length, nonce), nonce: bytes.slice(nonce) };
}
