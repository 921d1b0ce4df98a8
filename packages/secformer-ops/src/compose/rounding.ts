import { lessThan } from './bits.js';
import type { Emitter } from './emitter.js';

/**
 * ⌊(x − τ)/2^s⌋, x and τ in units of x's last place, by the public and the masked high bits and the borrow between
 * them.
 */
function quotient(e: Emitter, opened: number, tau: number, shift: number, magnitude: number): number {
  const borrow = e.emit('openBits', [lessThan(e, opened, 0, shift + 1, [tau], { borrow: true })]);
  return e.emit('quotient', [opened, borrow], { shift, tau: String(tau), magnitude });
}

/**
 * ⌊x⌋ of a value with fractional bits, as a whole number. Exact.
 * Domain the range of the operand. Cost an opening of the operand (4 bytes), 3 bytes and a bit more; 3 rounds. View:
 * openings under masks of their own.
 */
export function floor(e: Emitter, x: number): number {
  const t = e.share(x);
  if (t.fracBits <= 0) return x;
  const opened = e.lifted(x);
  const { fracBits, magnitude } = e.opened(opened);
  return quotient(e, opened, 0, fracBits, magnitude);
}

/** ⌈x⌉ = −⌊−x⌋. */
export function ceil(e: Emitter, x: number): number {
  return e.share(x).fracBits <= 0 ? x : e.negate(floor(e, e.negate(x)));
}

/**
 * x rounded, halves to the even neighbour: ⌊x + ½⌋, less one where x − ½ is an even number, which is where ⌊(x − ½)/2⌋
 * falls when one unit is taken away.
 */
export function round(e: Emitter, x: number): number {
  const t = e.share(x);
  if (t.fracBits <= 0) return x;
  const opened = e.lifted(x);
  const { fracBits, magnitude } = e.opened(opened);
  const half = 2 ** (fracBits - 1);
  const nearest = quotient(e, opened, -half, fracBits, magnitude);
  const tie = e.sub(
    quotient(e, opened, half, fracBits + 1, magnitude),
    quotient(e, opened, half + 1, fracBits + 1, magnitude),
  );
  return e.sub(nearest, tie);
}
