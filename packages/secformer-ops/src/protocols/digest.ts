import {
  bytesOf,
  halvesOf,
  type Kernels,
  KeyStream,
  planeWords,
  Secret,
  scratch,
  type Words,
  zeros,
} from '@secformer/ring';
import { noAttributes, primitive } from '../instruction/primitive.js';
import { type BitsType, check, describeAll, type ShareType, shareType, sizeOf } from '../instruction/types.js';

/** Parities of a digest: bits that are not all zero are missed once in 2^40. */
export const DIGEST_BITS = 40;
/** Words of the key of their coefficients. */
const KEY_WORDS = 4;

/**
 * Are any of these shared bits set? Random parities of them, as shares modulo 2 that are a client's to combine.
 *
 *   1. T makes a sharing of zeros: P0's share is a stream s, P1's is −s; so both know s, and no client does
 *   2. ρ = ChaCha20 under s; parity j is ⊕_w b_w·ρ_(w+j) over the bits' words w, of each party's own bits   (local)
 *
 * Of the last word that is not zero, each parity meets a part of ρ that no parity before it met: they are independent
 * and uniform where a bit is set, and all zero where none is.
 * Domain any bits. Error none where no bit is set; else all parities are zero with probability 2^−40.
 * Cost   no round; dealer 32 bytes.
 * View   the parties send nothing; P1 sees −s. Whoever is given the result learns whether a bit is set, and nothing of
 *        which or how many, for it does not know ρ.
 * Source Carter and Wegman 1979, a Toeplitz matrix of words.
 */
export const digest = primitive({
  name: 'digest',
  attributes: noAttributes,
  infer(ins): ShareType {
    const ok = ins.length >= 1 && ins.every((x) => x.kind === 'bits');
    check(ok, () => `digest needs bits, got ${describeAll(ins)}`);
    return shareType([DIGEST_BITS], 0, 1, 0);
  },
  needs: (_bits, ins) => ins.map(() => 0),
  material: () => [{ count: KEY_WORDS, bits: 64 }],
  deal: () => ({ value: {}, material: [zeros(KEY_WORDS)] }),
  finish({ kernels, role, ins, types, material }) {
    const key = Uint8Array.from(bytesOf(role === 0 ? material[0]! : negated(material[0]!)));
    const bits = types as BitsType[];
    const words = bits.reduce((sum, t) => sum + t.planes * planeWords(sizeOf(t.shape)), 0);
    const drawn = new KeyStream(kernels, new Secret(key)).words(words + DIGEST_BITS / 2, 64);
    const coefficients = halvesOf(drawn);
    const sums = new Uint32Array(DIGEST_BITS);
    let at = 0;
    bits.forEach((t, i) => {
      const [n, size] = [sizeOf(t.shape), planeWords(sizeOf(t.shape))];
      for (let p = 0; p < t.planes; p++, at += 2 * size) {
        const plane = halvesOf(ins[i]!.planes!.subarray(p * size, (p + 1) * size));
        addParities(kernels, sums, plane, n, coefficients.subarray(at));
      }
    });
    const share = scratch(DIGEST_BITS);
    sums.forEach((s, j) => {
      share[j] = BigInt(parity(s));
    });
    return { share };
  },
  plain: ({ ins }) => (ins.some((b) => b.includes(1)) ? undefined : new Float64Array(DIGEST_BITS)),
  work: (ins) =>
    DIGEST_BITS * ins.reduce((sum, t) => sum + (t as BitsType).planes * Math.ceil(sizeOf(t.shape) / 32), 1),
});

const negated = (w: Words) => w.map((v) => BigInt.asUintN(64, -v));

/** Adds n bits to every parity. What pads a plane is not among them: it is of whoever made it. */
function addParities(k: Kernels, sums: Uint32Array, plane: Uint32Array, n: number, coefficients: Uint32Array): void {
  const whole = Math.floor(n / 32);
  k.parities(sums, plane.subarray(0, whole), coefficients);
  if (n % 32 === 0) return;
  const last = Uint32Array.of(plane[whole]! & (2 ** (n % 32) - 1));
  k.parities(sums, last, coefficients.subarray(whole));
}

function parity(v: number): number {
  let x = v ^ (v >>> 16);
  x ^= x >>> 8;
  x ^= x >>> 4;
  x ^= x >>> 2;
  return (x ^ (x >>> 1)) & 1;
}
