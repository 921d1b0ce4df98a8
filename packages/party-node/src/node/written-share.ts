/** A party's share of a tensor that a client writes. */
import { type Kernels, KeyStream, packedBytes, Secret, sizeOf, type Words, zeros } from '@secformer/ring';
import { limits } from '../limits.js';
import type { MessageOf } from '../wire/messages.js';
import { breath } from './breath.js';

/** Of a share that P0 expands by itself. */
const SEED_BYTES = 32;

/** Bytes that the client sends for it. */
export function shareBytes({ seed, shape, bits }: MessageOf<'put'>): number {
  return seed ? SEED_BYTES : packedBytes(sizeOf(shape), bits);
}

/** A large share is expanded in slices, so that other clients need not wait for it. */
export async function writtenShare(kernels: Kernels, m: MessageOf<'put'>, payload: Uint8Array): Promise<Words> {
  const n = sizeOf(m.shape);
  const share = zeros(n);
  const stream = m.seed ? new KeyStream(kernels, new Secret(payload.slice())) : undefined;
  for (let at = 0; at < n; at += limits.expandWords) {
    const part = share.subarray(at, at + limits.expandWords);
    if (stream) stream.words(part.length, m.bits, part);
    else {
      // A slice is a multiple of 8 words, so that it begins at a byte for any width
      const from = packedBytes(at, m.bits);
      kernels.unpack(part, payload.subarray(from, from + packedBytes(part.length, m.bits)), m.bits);
    }
    if (at + limits.expandWords < n) await breath();
  }
  return share;
}
