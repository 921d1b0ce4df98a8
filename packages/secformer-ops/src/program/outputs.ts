/** The end of a run: what the parties send the client, and how it puts that together. */
import { type Kernels, Purpose, packedBytes, type RunStreams, type Words, zeros } from '@secformer/ring';
import type { Role } from '../instruction/primitive.js';

/**
 * Re-shares an output under a stream that P0 and P1 alone know: P0 adds it, P1 subtracts it. Without it the dealer and
 * the client together could undo masks.
 */
export function reshareOutput(
  kernels: Kernels,
  role: Role,
  share: Words,
  bits: number,
  pairStreams: RunStreams,
  output: number,
): Uint8Array {
  const noise = pairStreams.claim(Purpose.output, output, 0).words(share.length, bits);
  if (role === 0) kernels.add(noise, share, noise);
  else kernels.sub(noise, share, noise);
  const bytes = new Uint8Array(packedBytes(share.length, bits));
  kernels.pack(bytes, noise, bits);
  return bytes;
}

/** The client's end of `reshareOutput`: words of the value modulo 2^bits. */
export function combineOutput(
  kernels: Kernels,
  fromP0: Uint8Array,
  fromP1: Uint8Array,
  count: number,
  bits: number,
): Words {
  const [a, b] = [zeros(count), zeros(count)];
  kernels.unpack(a, fromP0, bits);
  kernels.unpack(b, fromP1, bits);
  kernels.add(a, a, b);
  kernels.affine(a, a, 1n, 0n, bits);
  return a;
}
