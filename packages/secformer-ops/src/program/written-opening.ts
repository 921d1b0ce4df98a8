/**
 * The opening of a tensor that its owner makes.
 *
 * Whoever knows y need not share it first and have the parties open it:
 *
 *   1. the owner draws two keys, for this y and this width alone; r_i is the stream of key i, n words modulo 2^k
 *   2. it sends both parties m = y + r_0 + r_1 mod 2^k, party i key i, and the dealer both keys
 *   3. each node stores what it would have, had the parties opened y (`StoredOpening`)
 *
 * Exact for any y modulo 2^k.
 * Cost   no round; 32 bytes and k bits an element to each party, 64 bytes to the dealer. Sharing y, to open it then,
 * takes 8 bytes an element to P1, and k bits an element each way between the parties.
 * View   a party sees m and its own r_i: m is uniform modulo 2^k whatever y is, for the party does not know the other
 * half. The dealer sees keys, which do not depend on y, and not m.
 * Source Beaver 1991: his opening under a random mask, made by who knows the value.
 */
import { type Kernels, KeyStream, lasting, packedBytes, Secret, type Words } from '@secformer/ring';
import type { Role } from '../instruction/primitive.js';
import { StoredOpening } from '../instruction/stored-opening.js';
import { programLimits } from '../limits.js';

const KEY_BYTES = 32;

/** Keys of both halves of a mask, drawn for one value at one width. */
export type MaskKeys = readonly [Secret, Secret];

/** Bytes that the owner sends a node for an opening of `n` elements. */
export function writtenBytes(role: Role | 'dealer', n: number, width: number): number {
  return role === 'dealer' ? 2 * KEY_BYTES : KEY_BYTES + packedBytes(n, width);
}

/** Called between slices of some milliseconds: lets the event loop breathe, or throws to give it up. */
export type Breath = () => Promise<void>;

/**
 * The owner's part: m, packed.
 * @param encode writes y from an element on, as words modulo 2^64
 */
export async function writtenOpening(
  kernels: Kernels,
  n: number,
  width: number,
  keys: MaskKeys,
  encode: (to: Words, from: number) => void,
  breath: Breath,
): Promise<Uint8Array> {
  const packed = new Uint8Array(packedBytes(n, width));
  const streams = keys.map((key) => new KeyStream(kernels, key));
  const room = [words(n), words(n)] as const;
  await inSlices(n, breath, (from, length) => {
    const [y, half] = room.map((w) => w.subarray(0, length)) as [Words, Words];
    encode(y, from);
    for (const stream of streams) kernels.add(y, y, stream.words(length, width, half));
    kernels.pack(part(packed, from, length, width), y, width);
  });
  return packed;
}

/**
 * A party's part: m − 2r_i.
 * @param payload what the owner sent it, of the length that `writtenBytes` says
 */
export async function partyWritten(
  kernels: Kernels,
  n: number,
  width: number,
  payload: Uint8Array,
  breath: Breath,
): Promise<StoredOpening> {
  const key = new Secret(payload.slice(0, KEY_BYTES));
  const packed = payload.subarray(KEY_BYTES);
  const bits = Math.min(width + 1, 64);
  const own = new KeyStream(kernels, key);
  const [out, room] = [lasting(n), words(n)];
  await inSlices(n, breath, (from, length) => {
    const to = out.subarray(from, from + length);
    kernels.unpack(to, part(packed, from, length, width), width);
    kernels.lessTwice(to, to, own.words(length, width, room.subarray(0, length)));
    kernels.affine(to, to, 1n, 0n, bits);
  });
  return new StoredOpening(kernels, out, bits, width, key);
}

/** The dealer's part: r_1 − r_0. @param payload both keys */
export async function dealerWritten(
  kernels: Kernels,
  n: number,
  width: number,
  payload: Uint8Array,
  breath: Breath,
): Promise<StoredOpening> {
  const keys = [0, 1].map((i) => new Secret(payload.slice(i * KEY_BYTES, (i + 1) * KEY_BYTES))) as [Secret, Secret];
  const [first, second] = keys.map((key) => new KeyStream(kernels, key)) as [KeyStream, KeyStream];
  const [out, room] = [lasting(n), words(n)];
  await inSlices(n, breath, (from, length) => {
    const to = out.subarray(from, from + length);
    second.words(length, width, to);
    kernels.sub(to, to, first.words(length, width, room.subarray(0, length)));
    kernels.affine(to, to, 1n, 0n, width);
  });
  return new StoredOpening(kernels, out, width, width, keys[0]);
}

/** Room for the words of a slice. */
const words = (n: number): Words => new BigUint64Array(Math.min(n, programLimits.sliceWords));

/** A slice's packed words: slices are whole blocks of a stream, so that they begin at a byte, and where a draw does. */
function part(packed: Uint8Array, from: number, length: number, width: number): Uint8Array {
  const at = packedBytes(from, width);
  return packed.subarray(at, at + packedBytes(length, width));
}

async function inSlices(n: number, breath: Breath, each: (from: number, length: number) => void): Promise<void> {
  for (let from = 0; from < n; from += programLimits.sliceWords) {
    if (from > 0) await breath();
    each(from, Math.min(programLimits.sliceWords, n - from));
  }
}
