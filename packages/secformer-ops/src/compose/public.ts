/**
 * Products and sums with public tensors. A party computes them on its share, so there is nothing to open for them, and
 * no truncation follows: the scale is carried to the next opening, which every value meets anyway. Low bits that a
 * product has no room for are dropped by each party of its own share, which costs nothing.
 *
 * View: no instruction here sends anything.
 */
import { check, describe, PUBLIC_BITS, type PublicType } from '../instruction/types.js';
import type { Emitter } from './emitter.js';
import { FRAC_BITS, MAGNITUDE } from './formats.js';

/** log2 of what a product has room for at least: rows of a norm, scores and inputs of functions are within it. */
const ROOM = 12;
/** Fewest fractional bits of an operand whose others are dropped. */
const LEAST_BITS = 16;
/** Fractional bits at which a finer side of a sum is as good as it was. */
const SUM_BITS = 30;

const publicOf = (e: Emitter, p: number): PublicType => {
  const t = e.type(p);
  check(t.kind === 'public', () => `expected a public tensor, got ${describe(t)}`);
  return t;
};

/** An operand of a product with a public tensor, and the modulus and range of the product. */
interface Operand {
  x: number;
  bits: number;
  magnitude: number;
}

const dropped = (e: Emitter, v: number, shift: number) => (shift === 0 ? v : e.emit('drop', [v], { shift }));

/** @param most log2 of the largest product that there may be, however large the range that is claimed */
function operandFor(e: Emitter, v: number, p: PublicType, most: number): Operand {
  const t = e.share(v);
  const room = Math.min(most, e.limit > MAGNITUDE ? e.limit : ROOM);
  // No room at this scale: one truncation, for all products of the value
  if (t.bits <= room + t.fracBits + p.fracBits && (t.bits < 64 || t.fracBits > FRAC_BITS))
    return operandFor(e, e.wide(v), p, most);
  // Modulo 2^49, if the value keeps enough bits for that
  const fine = PUBLIC_BITS - 1 - room - p.fracBits;
  const shift = fine >= LEAST_BITS ? Math.max(0, t.fracBits - fine) : 0;
  const fracBits = t.fracBits - shift;
  const bits = fracBits <= fine ? Math.min(PUBLIC_BITS, t.bits - shift) : t.bits;
  const magnitude = Math.min(most, e.limit, bits - 1 - fracBits - p.fracBits);
  return { x: dropped(e, v, shift), bits, magnitude };
}

function noted(e: Emitter, out: number): number {
  e.carried.add(out);
  return out;
}

/**
 * Matrix product of a share and a public tensor, batched, with the fractional bits of both.
 * @param left whether the public tensor is the left operand
 * @throws ProgramError where `p` is no public tensor, or the shapes do not fit
 */
export function weighed(
  e: Emitter,
  v: number,
  p: number,
  { transposeA, transposeB, left = false }: { transposeA: boolean; transposeB: boolean; left?: boolean },
): number {
  const { x, ...how } = operandFor(e, v, publicOf(e, p), Number.POSITIVE_INFINITY);
  return noted(e, e.emit('matMulPublic', left ? [p, x] : [x, p], { transposeA, transposeB, ...how }));
}

/** Elementwise product with a public tensor, broadcast. */
export function timesPublic(e: Emitter, v: number, p: number): number {
  const t = publicOf(e, p);
  const { x, magnitude } = operandFor(e, v, t, e.share(v).magnitude + t.magnitude);
  return noted(e, e.emit('timesPublic', [x, p], { magnitude }));
}

function sumWith(e: Emitter, v: number, p: number, negative: boolean): number {
  const t = publicOf(e, p);
  const x = e.share(v).fracBits < t.fracBits ? e.atScale(v, t.fracBits) : v;
  const { fracBits, bits, magnitude } = e.share(x);
  const room = bits - 1 - fracBits;
  if (t.magnitude > room && fracBits > FRAC_BITS) return sumWith(e, e.truncated(x), p, negative);
  const more = magnitude < ROOM - 1 ? 1 : 0;
  const out = e.emit('addPublic', [x, p], {
    negative,
    magnitude: Math.min(Math.max(magnitude, t.magnitude) + more, Math.max(e.limit, magnitude), room),
  });
  return noted(e, e.reach.follow(out, x));
}

/** v + p for a public tensor p, broadcast. */
export const plusPublic = (e: Emitter, v: number, p: number): number => sumWith(e, v, p, false);

/** v − p for a public tensor p, broadcast. */
export const minusPublic = (e: Emitter, v: number, p: number): number => sumWith(e, v, p, true);

/**
 * A sum of which one side at least is carried, whose takers need room for 2^least: the finer side drops bits that the
 * other does not have, and where that has few, it is brought to the finer scale.
 * @returns undefined where there is no such room
 */
export function carriedSum(e: Emitter, op: 'add' | 'sub', a: number, b: number, least: number): number | undefined {
  if (!e.carried.has(a) && !e.carried.has(b)) return undefined;
  const [ta, tb] = [e.share(a), e.share(b)];
  const scale = Math.min(Math.max(Math.min(ta.fracBits, tb.fracBits), SUM_BITS), Math.max(ta.fracBits, tb.fracBits));
  const at = (v: number) => {
    const { fracBits, bits, magnitude } = e.share(v);
    if (fracBits >= scale)
      return { bits: bits - (fracBits - scale), magnitude, make: () => dropped(e, v, fracBits - scale) };
    const all = Math.min(64, bits + scale - fracBits);
    const claimed = Math.min(magnitude, all - 1 - scale);
    return { bits: all, magnitude: claimed, make: () => e.atScale(e.claim(v, claimed), scale) };
  };
  const [x, y] = [at(a), at(b)];
  const room = Math.min(x.bits, y.bits) - 1 - scale;
  if (room < least) return undefined;
  const magnitude = Math.min(Math.max(x.magnitude, y.magnitude) + 1, Math.max(least, ROOM - 1), room);
  return noted(e, e.emit(op, [x.make(), y.make()], { magnitude }));
}
