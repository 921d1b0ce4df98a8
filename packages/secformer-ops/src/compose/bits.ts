import type { Emitter } from './emitter.js';

/** Bits [x < τ] for rising thresholds, from an opened value: tables, then rounds of four chunks. Thresholds in units of the window. */
export function lessThan(e: Emitter, opened: number, position: number, window: number, thresholds: (number | bigint)[]): number {
  let v = e.emit('compare', [opened], { position, window, thresholds: thresholds.map(String) });
  do v = e.emit('combine', [v]);
  while (e.type(v).kind === 'chunks');
  return v;
}

/** Opened bits that say in which of the intervals between rising thresholds a value lies; `from`, `count` pick some of them. */
export function intervals(e: Emitter, opened: number, position: number, window: number, thresholds: (number | bigint)[], from = 0, count = thresholds.length + 1): number {
  const hot = e.emit('oneHot', [lessThan(e, opened, position, window, thresholds)]);
  return e.emit('openBits', [e.emit('planes', [hot], { from, count })]);
}

/** Window of the coarse comparisons on 16 fractional bits: bits 12 to 27, that is ±2048 at a resolution of 2^−4. */
export const COARSE = { position: 12, window: 16, perUnit: 16 } as const;
