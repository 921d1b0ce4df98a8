/**
 * How a model's tensors lie in a file: of each its share, then its openings, each after the key of its mask; words
 * packed at their own bits. The file is cut into chunks at whole bytes of words, where no word lies across two: writer
 * and reader follow the same plan, piece by piece, so that neither needs a second copy of the model.
 */
import { type Kernels, packedBytes, type Words } from '@secformer/ring';

/** What the file holds of a tensor. */
export interface TensorLayout {
  /** words of the share, and of each opening */
  length: number;
  /** bits of the share; undefined where there is none */
  share: number | undefined;
  openings: readonly { width: number; bits: number }[];
}

/** Bytes of the key of an opening's mask. */
export const KEY_BYTES = 32;

/** A part of one tensor in one chunk. */
interface Piece {
  tensor: number;
  /** −1 is the share */
  opening: number;
  /** of words, undefined of a key */
  words: { from: number; to: number; bits: number } | undefined;
  /** where it lies in its chunk */
  at: number;
  bytes: number;
}

/** One chunk's pieces and length. */
export interface ChunkPlan {
  pieces: Piece[];
  bytes: number;
}

/** Bytes of the whole file. */
export function tensorBytes(layout: readonly TensorLayout[]): number {
  let total = 0;
  for (const { length, share, openings } of layout) {
    if (share !== undefined) total += packedBytes(length, share);
    for (const { bits } of openings) total += KEY_BYTES + packedBytes(length, bits);
  }
  return total;
}

/** @param chunkBytes a chunk's most bytes, 64 and more */
export function* planChunks(layout: readonly TensorLayout[], chunkBytes: number): Iterable<ChunkPlan> {
  let chunk: ChunkPlan = { pieces: [], bytes: 0 };
  const add = (piece: Omit<Piece, 'at'>) => {
    chunk.pieces.push({ ...piece, at: chunk.bytes });
    chunk.bytes += piece.bytes;
  };
  for (const [tensor, { length, share, openings }] of layout.entries()) {
    const parts = openings.map(({ bits }, opening) => ({ opening, bits }));
    if (share !== undefined) parts.unshift({ opening: -1, bits: share });
    for (const { opening, bits } of parts) {
      if (opening >= 0) {
        if (chunk.bytes + KEY_BYTES > chunkBytes) {
          yield chunk;
          chunk = { pieces: [], bytes: 0 };
        }
        add({ tensor, opening, words: undefined, bytes: KEY_BYTES });
      }
      for (let from = 0; from < length; ) {
        const room = Math.floor(((chunkBytes - chunk.bytes) * 8) / bits);
        // Eight words end at a whole byte, whatever their bits
        const n = length - from <= room ? length - from : room - (room % 8);
        if (n === 0) {
          yield chunk;
          chunk = { pieces: [], bytes: 0 };
          continue;
        }
        add({ tensor, opening, words: { from, to: from + n, bits }, bytes: packedBytes(n, bits) });
        from += n;
      }
    }
  }
  if (chunk.bytes > 0) yield chunk;
}

/** Where the writer takes a tensor's arrays from, or the reader puts them. */
export interface TensorArrays {
  words(tensor: number, opening: number): Words;
  key(tensor: number, opening: number): Uint8Array;
}

/** The file's chunks. Two buffers serve in turn: a chunk stands until the next but one is asked for. */
export function* packChunks(
  kernels: Kernels,
  layout: readonly TensorLayout[],
  from: TensorArrays,
  chunkBytes: number,
): Iterable<Uint8Array> {
  const most = Math.min(chunkBytes, tensorBytes(layout));
  const buffers = [new Uint8Array(most), new Uint8Array(most)];
  let open: { tensor: number; opening: number; words: Words } | undefined;
  for (const { pieces, bytes } of planChunks(layout, chunkBytes)) {
    const buffer = buffers.shift()!;
    buffers.push(buffer);
    for (const { tensor, opening, words, at, bytes } of pieces) {
      const out = buffer.subarray(at, at + bytes);
      if (!words) {
        out.set(from.key(tensor, opening));
        continue;
      }
      if (open?.tensor !== tensor || open.opening !== opening) {
        // Before another is made, what was made of this one may go
        open = undefined;
        open = { tensor, opening, words: from.words(tensor, opening) };
      }
      kernels.pack(out, open.words.subarray(words.from, words.to), words.bits);
    }
    yield buffer.subarray(0, bytes);
  }
}

/** Writes what one chunk holds into the tensors' arrays. */
export function unpackChunk(kernels: Kernels, { pieces }: ChunkPlan, chunk: Uint8Array, into: TensorArrays): void {
  for (const { tensor, opening, words, at, bytes } of pieces) {
    const piece = chunk.subarray(at, at + bytes);
    if (words) kernels.unpack(into.words(tensor, opening).subarray(words.from, words.to), piece, words.bits);
    else into.key(tensor, opening).set(piece);
  }
}
