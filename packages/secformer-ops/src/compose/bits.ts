import type { Emitter } from './emitter.js';

/** How a comparison is made. */
export interface Comparing {
  /** the borrow below the window's top, for `quotient` */
  borrow?: boolean;
  /** in chunks of five bits where these are fewer: fewer bits are opened, and the dealer sends more */
  wide?: boolean;
}

/** Bits of the chunks of a window, the top bit apart: five where that makes fewer of them than four. */
const chunkOf = (window: number) => (Math.ceil((window - 1) / 5) < Math.ceil((window - 1) / 4) ? 5 : 4);

/**
 * Bits [x < τ] for rising thresholds, from an opened value: tables, then rounds of four chunks. Thresholds in units of
 * the window.
 */
export function lessThan(
  e: Emitter,
  opened: number,
  position: number,
  window: number,
  thresholds: (number | bigint)[],
  { borrow = false, wide = false }: Comparing = {},
): number {
  const chunk = wide ? chunkOf(window) : 4;
  let v = e.emit('compare', [opened], {
    position,
    window,
    thresholds: thresholds.map(String),
    ...(chunk !== 4 && { chunk }),
    ...(borrow && { borrow }),
  });
  do v = e.emit('combine', [v]);
  while (e.type(v).kind === 'chunks');
  return v;
}

/**
 * Opened bits that say in which of the intervals between rising thresholds a value lies; `from`, `count` pick some of
 * them.
 */
export function intervals(
  e: Emitter,
  opened: number,
  position: number,
  window: number,
  thresholds: (number | bigint)[],
  from = 0,
  count = thresholds.length + 1,
  how: Comparing = {},
): number {
  const hot = e.emit('oneHot', [lessThan(e, opened, position, window, thresholds, how)]);
  return e.emit('openBits', [e.emit('planes', [hot], { from, count })]);
}

/**
 * Window of the coarse comparisons on 16 fractional bits: from bit 12 up to bit 27, that is ±2048 at a resolution of
 * 2^−4.
 */
export const COARSE = { position: 12, window: 16, perUnit: 16 } as const;

/** log2 of the largest value that the coarse window holds. */
export const COARSE_MAGNITUDE = 11;

/** The coarse window of an opened value: as many bits from bit 12 up as its claimed range needs. */
export function coarseWindow(e: Emitter, opened: number): number {
  // A bit more costs no round and no byte between the parties
  return Math.min(COARSE.window + (e.watch ? 1 : 0), e.opened(opened).width - COARSE.position);
}

/**
 * As `intervals` at a resolution of 2^−4, which must not matter: both branches agree there. Thresholds in units of the
 * value.
 */
export function coarseIntervals(
  e: Emitter,
  opened: number,
  thresholds: number[],
  from?: number,
  count?: number,
): number {
  const units = thresholds.map((t) => Math.round(t * COARSE.perUnit));
  return intervals(e, opened, COARSE.position, coarseWindow(e, opened), units, from, count);
}

/**
 * Thresholds on the grid of an opened value, so that [x < τ] is exact; beyond its range the answer is known and any
 * threshold there will do.
 */
export function onGrid(e: Emitter, opened: number, thresholds: number[]): number[] {
  const { fracBits, magnitude } = e.opened(opened);
  const top = Math.max(1, 2 ** (fracBits + magnitude));
  return thresholds.map((t) => Math.max(-top, Math.min(top, Math.ceil(t * 2 ** fracBits))));
}

/** As `intervals` at full resolution, thresholds in units of the value. */
export function exactIntervals(
  e: Emitter,
  opened: number,
  thresholds: number[],
  from?: number,
  count?: number,
): number {
  return intervals(e, opened, 0, e.opened(opened).width, onGrid(e, opened, thresholds), from, count);
}

/** The opened bit [x < τ] at full resolution. */
export function below(e: Emitter, opened: number, tau: number): number {
  return e.emit('openBits', [lessThan(e, opened, 0, e.opened(opened).width, onGrid(e, opened, [tau]))]);
}

/** One of several opened bits. */
export function plane(e: Emitter, bits: number, from: number): number {
  return e.emit('planes', [bits], { from, count: 1 });
}
