import { halvesOf, planeWords, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, primitive } from '../instruction/primitive.js';
import { type BitsType, check, describeAll, type OpenedType, sizeOf } from '../instruction/types.js';

/** log2 of the entries in a word, and the entries in half of one. */
const WORD_BITS = 6;
const HALF = 32;

/** Bits position to position + window − 1 of the word at i. */
function cut(halves: Uint32Array, i: number, position: number, window: number): number {
  const [low, high] = [halves[2 * i] as number, halves[2 * i + 1] as number];
  const mask = 2 ** window - 1;
  if (position >= HALF) return (high >>> (position - HALF)) & mask;
  if (position + window <= HALF) return (low >>> position) & mask;
  return ((low >>> position) | (high << (HALF - position))) & mask;
}

/**
 * Comparison with public thresholds on a window that is narrow enough for one table: no product of bits, so no round
 * but that in which its result is opened.
 *
 *   With μ, ρ the window's bits of m and r, y = μ − ρ mod 2^w is ⌊x/2^p⌋ modulo 2^w, or one more where the bits below
 *   borrow.
 *   1. T xor-shares [ρ ≤ t] for every t of w bits
 *   2. [y < τ] says that ρ is one of μ, μ − 1, …, μ − τ + 1 modulo 2^w:
 *      [ρ ≤ μ] ⊕ [ρ ≤ μ − τ mod 2^w] ⊕ [μ < τ]                    (local, for any number of thresholds)
 *
 * Domain 0 ≤ x < 2^(position + window) less one unit of the window; of other x the bits are those of x modulo that.
 *        Values in [τ − 1, τ) units may say 'not less', never the other way.
 * Cost   no round; dealer 2^window bits an element.
 * View   P1 sees a table masked by P0's stream; the parties send nothing.
 * Source Ishai, Kushilevitz, Meldgaard, Orlandi and Paskin-Cherniavsky 2013 (one-time truth tables); protocols section
 *        5, its thresholds.
 */
export const compareTable = primitive({
  name: 'compareTable',
  attributes: z.object({
    position: int(0, 62),
    window: int(WORD_BITS, 13),
    /** rising, in units of the window */
    thresholds: z
      .array(int(1, 2 ** 13 - 1))
      .min(1)
      .max(64),
  }),
  infer(ins, a): BitsType {
    const [x] = ins;
    const ok = ins.length === 1 && x?.kind === 'opened' && x.offsetLog < 0 && a.position + a.window <= x.width;
    check(ok, () => `bits ${a.position} to ${a.position + a.window - 1} of ${describeAll(ins)}, without an offset`);
    check(
      a.thresholds.every((t, i) => t < 2 ** a.window && (i === 0 || t > a.thresholds[i - 1]!)),
      () => `thresholds ${a.thresholds} of a window of ${a.window} bits`,
    );
    return { kind: 'bits', shape: x.shape, planes: a.thresholds.length };
  },
  needs: () => [0],
  material: (ins, a) => [{ count: sizeOf(ins[0]!.shape) * 2 ** (a.window - WORD_BITS), bits: 64, xor: true }],
  deal({ a, ins }) {
    const r = halvesOf(ins[0]!.r!);
    const n = r.length / 2;
    const words = zeros(n * 2 ** (a.window - WORD_BITS));
    const to = halvesOf(words);
    const row = 2 ** a.window / HALF;
    for (let i = 0; i < n; i++) {
      const rho = cut(r, i, a.position, a.window);
      const at = i * row + Math.floor(rho / HALF);
      to[at] = 0xffff_ffff << (rho % HALF);
      to.fill(0xffff_ffff, at + 1, (i + 1) * row);
    }
    return { value: {}, material: [words] };
  },
  finish({ role, a, ins, material: [tables] }) {
    const m = halvesOf(ins[0]!.m!);
    const [n, size] = [m.length / 2, 2 ** a.window];
    const words = planeWords(n);
    const planes = zeros(a.thresholds.length * words);
    const [from, to] = [halvesOf(tables!), halvesOf(planes)];
    const row = size / HALF;
    const [thresholds, first] = [Int32Array.from(a.thresholds), role === 0 ? 1 : 0];
    const entry = (i: number, t: number) => ((from[i * row + (t >> 5)] as number) >>> (t & 31)) & 1;
    for (let i = 0; i < n; i++) {
      const at = cut(m, i, a.position, a.window);
      const upTo = entry(i, at);
      for (let plane = 0; plane < thresholds.length; plane++) {
        const tau = thresholds[plane]!;
        const wraps = at < tau;
        const bit = upTo ^ entry(i, wraps ? at - tau + size : at - tau) ^ (wraps ? first : 0);
        to[2 * plane * words + (i >> 5)]! |= bit << (i & 31);
      }
    }
    return { planes };
  },
  holds(ins, a) {
    const unit = 2 ** (a.position - (ins[0] as OpenedType).fracBits);
    return [0, (2 ** a.window - 1) * unit];
  },
  plain({ a, ins, types }) {
    const [scale, size] = [2 ** ((types[0] as OpenedType).fracBits - a.position), 2 ** a.window];
    const y = ins[0]!.map((x) => {
      const whole = Math.floor(x * scale);
      return whole - size * Math.floor(whole / size);
    });
    const out = new Float64Array(y.length * a.thresholds.length);
    a.thresholds.forEach((tau, t) => {
      for (let i = 0; i < y.length; i++) out[t * y.length + i] = y[i]! < tau ? 1 : 0;
    });
    return out;
  },
});
