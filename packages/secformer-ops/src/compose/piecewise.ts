/**
 * Functions that are linear on intervals, the comparisons at full resolution: exact.
 * Domain the range of the operand. Cost an opening of the operand (4 bytes in the default range, kept by all that use
 * it), 14 bits of tables' entries and 5 more a threshold, one bit an interval; 4 rounds. View: openings under masks of
 * their own. Source protocols section 5.
 */
import { check } from '../instruction/types.js';
import { below, exactIntervals, plane } from './bits.js';
import type { Emitter } from './emitter.js';

/** Bits of opened planes as shares of 0 and 1. */
const value = (e: Emitter, bit: number) => e.emit('bitValue', [bit], { bits: 64 });

const times = (e: Emitter, bit: number, opened: number) => e.emit('bitMultiply', [bit, opened]);

/** x − c·[x < 0]·x: 1 is max(x, 0), 2 is |x|, 1 − α the leaky form. */
export function belowZero(e: Emitter, x: number, c: number): number {
  const opened = e.factor(x);
  return e.sub(e.emit('unwrap', [opened]), e.scale(times(e, below(e, opened, 0), opened), c));
}

/** max(x, 0). */
export const relu = (e: Emitter, x: number): number => belowZero(e, x, 1);

/** max(x, 0) + α·min(x, 0) for a secret α. */
export function prelu(e: Emitter, x: number, alpha: number): number {
  const opened = e.factor(x);
  const negative = times(e, below(e, opened, 0), opened);
  return e.add(e.sub(e.emit('unwrap', [opened]), negative), e.mul(negative, alpha));
}

/** min(max(x, low), high); a bound beyond every value of the operand, such as Infinity, is none. */
export function clip(e: Emitter, x: number, low: number, high: number): number {
  const opened = e.factor(x);
  const top = 2 ** e.opened(opened).magnitude;
  const bounds = [low, high].filter((v) => Math.abs(v) < top);
  if (bounds.length === 2) {
    const bits = exactIntervals(e, opened, [low, high]);
    let out = times(e, plane(e, bits, 1), opened);
    if (low !== 0) out = e.add(out, e.scale(value(e, plane(e, bits, 0)), low));
    if (high !== 0) out = e.add(out, e.scale(value(e, plane(e, bits, 2)), high));
    return out;
  }
  const beyond = low >= top ? low : high <= -top ? high : undefined;
  check(
    beyond === undefined,
    () => `clip to ${low} to ${high}, which no value below 2^${e.opened(opened).magnitude} reaches`,
  );
  const [bound] = bounds;
  const whole = e.emit('unwrap', [opened]);
  if (bound === undefined) return whole;
  const bits = exactIntervals(e, opened, [bound]);
  const out = times(e, plane(e, bits, bound === low ? 1 : 0), opened);
  return bound === 0 ? out : e.add(out, e.scale(value(e, plane(e, bits, bound === low ? 0 : 1)), bound));
}

/** The spacing of a value's grid: x ≤ τ is x < τ + unit. */
const unitOf = (e: Emitter, opened: number) => 2 ** -e.opened(opened).fracBits;

/**
 * The opening that a comparison alone looks at: right for differences of any two values, so that a value beyond its
 * claimed range is no reason to report it.
 */
const compared = (e: Emitter, x: number) => e.unwatched(() => e.factor(x));

/** −1, 0 or 1. */
export function sign(e: Emitter, x: number): number {
  const opened = compared(e, x);
  const bits = exactIntervals(e, opened, [0, unitOf(e, opened)]);
  return e.sub(value(e, plane(e, bits, 2)), value(e, plane(e, bits, 0)));
}

/** [x < τ] as a share of 0 or 1. */
export function lessConstant(e: Emitter, x: number, tau: number): number {
  return value(e, below(e, compared(e, x), tau));
}

/** [x ≤ τ]. */
export function atMost(e: Emitter, x: number, tau: number): number {
  const opened = compared(e, x);
  const { fracBits } = e.opened(opened);
  return value(e, below(e, opened, (Math.floor(tau * 2 ** fracBits) + 1) / 2 ** fracBits));
}

/** [x = τ], τ rounded to the grid of x, or to 16 bits where x is whole. */
export function equalTo(e: Emitter, x: number, tau: number): number {
  const opened = compared(e, e.atScale(x, e.fracBitsBeside(x, [tau])));
  const unit = unitOf(e, opened);
  const at = Math.round(tau / unit) * unit;
  return value(e, exactIntervals(e, opened, [at, at + unit], 1, 1));
}
