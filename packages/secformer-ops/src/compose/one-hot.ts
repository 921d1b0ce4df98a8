import type { Bounds } from '../graph/bounds.js';
import type { Elementwise } from './elementwise.js';
import type { Emitter } from './emitter.js';

/** What it needs of a suite. */
interface Clipping {
  readonly elementwise: Readonly<Record<'clip', Elementwise>>;
}

/** Least modulus of an opening. */
const LEAST_WIDTH = 2;

/**
 * Zeros, and a one in each row where a secret whole number says; a row of zeros where it is none of 0 to depth − 1.
 *
 *   1. clip the index to −1 … depth, where what it is made of does not say that it is there
 *   2. open it modulo a power of two that takes −1 and depth apart from the others, then rotate the dealer's row
 *
 * Exact. Cost 1 round, and a clip's where nothing bounds the index. Source: see rotate.
 */
export function oneHotOf(e: Emitter, suite: Clipping, x: number, depth: number, bounds: Bounds | undefined): number {
  // What lies within, or beyond by so little that the padding has a place of its own for it
  const reach = bounds && Math.max(bounds[1] + 1, depth) - Math.min(bounds[0], 0);
  const known = reach !== undefined && reach <= 2 * depth;
  const index = known ? x : suite.elementwise.clip.emit(e, x, { low: -1, high: depth });
  const width = Math.max(LEAST_WIDTH, Math.ceil(Math.log2(known ? reach : depth + 1)));
  const { fracBits } = e.share(index);
  const whole = fracBits < 0 ? e.atScale(index, 0) : index;
  const t = e.share(whole);
  const from = t.bits < width + t.fracBits ? e.wide(whole) : whole;
  const shift = e.share(from).fracBits;
  const opened = e.emit('open', [from], { shift, width, offsetLog: -1, share: 'modular', bits: width });
  return e.emit('rotate', [opened], { depth, bits: 64 });
}
