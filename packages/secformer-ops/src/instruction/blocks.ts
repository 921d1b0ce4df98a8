import { bytesOf, type Kernels, packedBytes, planeWords, scratch, type Words } from '@secformer/ring';

/** `count` words of `bits` bits each. */
export interface Block {
  count: number;
  bits: number;
  /** shared by xor instead of addition */
  xor?: boolean;
  /**
   * the words are planes of so many bits, each padded to whole words in memory and to whole bytes on the wire; a block
   * of 64-bit words
   */
  plane?: number;
}

/** Planes of `n` bits, xor-shared. */
export const planeBlock = (planes: number, n: number): Block => ({
  count: planes * planeWords(n),
  bits: 64,
  xor: true,
  plane: n,
});

/** Bytes of a block on the wire. */
export function blockBytes({ count, bits, plane }: Block): number {
  return plane === undefined || plane === 0
    ? packedBytes(count, bits)
    : (count / planeWords(plane)) * Math.ceil(plane / 8);
}

/** Writes a block as it travels: `bytes` has `blockBytes(b)` bytes, `words` b.count words. */
export function packBlock(kernels: Kernels, bytes: Uint8Array, words: Words, b: Block): void {
  eachPlane(b, bytes, words, (wire, memory) => wire.set(memory.subarray(0, wire.length))) ||
    kernels.pack(bytes, words, b.bits);
}

/** Reads a block that `packBlock` has written. */
export function unpackBlock(kernels: Kernels, words: Words, bytes: Uint8Array, b: Block): void {
  eachPlane(b, bytes, words, (wire, memory) => memory.set(wire)) || kernels.unpack(words, bytes, b.bits);
}

/** @returns false for a block that is not of planes */
function eachPlane(
  { count, plane }: Block,
  bytes: Uint8Array,
  words: Words,
  each: (wire: Uint8Array, memory: Uint8Array) => void,
): boolean {
  if (plane === undefined || plane === 0) return false;
  const [size, length] = [planeWords(plane) * 8, Math.ceil(plane / 8)];
  const memory = bytesOf(words);
  for (let p = 0; p < count / planeWords(plane); p++)
    each(bytes.subarray(p * length, (p + 1) * length), memory.subarray(p * size, (p + 1) * size));
  return true;
}

/** Blocks as one array: without a copy where they lie one behind the other, as drawn material does. */
export function joined(blocks: Words[]): Words {
  const [first] = blocks as [Words];
  const n = first.length;
  if (blocks.every((b, i) => b.buffer === first.buffer && b.byteOffset === first.byteOffset + 8 * n * i)) {
    return new BigUint64Array(first.buffer, first.byteOffset, blocks.length * n);
  }
  const out = scratch(blocks.length * n);
  blocks.forEach((b, i) => {
    out.set(b, i * n);
  });
  return out;
}
