/**
 * Where a value leaves the domain of its protocol. While an operation is written, bits are collected that say so, each
 * of some opened value; a digest of them, for each operation, goes to the client beside the results. Every function
 * here does nothing where nobody watches, and none adds a round.
 */
import type { OpenedType } from '../instruction/types.js';

/** What emits the bits that are collected. */
interface Watching {
  readonly builder: { readonly guarded: boolean };
  readonly watch: Watch | undefined;
  opened(v: number): OpenedType;
  emit(op: string, ins: number[], attributes: Record<string, unknown>): number;
  unwatched<T>(body: () => T): T;
}

/** What is watched of a graph's operations. */
export class Watch {
  /** the operation that bits are added to */
  node = 0;
  readonly #bits = new Map<number, Set<number>>();
  readonly #seen = new Set<number>();
  readonly #safe = new Set<number>();

  /** Adds bits to the operation that is being written, each value of bits once. */
  add(bits: number): void {
    if (this.#seen.has(bits)) return;
    this.#seen.add(bits);
    const of = this.#bits.get(this.node);
    if (of) of.add(bits);
    else this.#bits.set(this.node, new Set([bits]));
  }

  /** Says of a value that it stays in its range wherever its operands stay in theirs. */
  safe(v: number): void {
    this.#safe.add(v);
  }

  /** Whether `safe` was said of a value. */
  isSafe(v: number): boolean {
    return this.#safe.has(v);
  }

  /** @returns the bits of each operation that has some */
  get operations(): [node: number, bits: number[]][] {
    return [...this.#bits].map(([node, bits]) => [node, [...bits]]);
  }
}

/** Bits by which an interval is told: at four the dealer sends 2 bytes an element, at three 1. */
const FINE = 4;
const COARSE = 3;

/**
 * Watches an opened value's interval, in units of its last place: [origin, origin + count·2^position). One unit of
 * 2^position more on either side may be let pass; beyond that nothing is, modulo 2^(position + bits).
 */
export function watchInterval(
  e: Watching,
  opened: number,
  position: number,
  bits: number,
  origin: number,
  count: number,
): void {
  if (!e.watch || e.builder.guarded) return;
  e.watch.add(e.emit('outside', [opened], { position, bits, origin: String(origin), count }));
}

/**
 * Watches the range that an opening of v with an offset lifts: what it lifts wrongly is reported, up to 2.5 times the
 * range.
 * @returns the opening
 */
export function watchLift(e: Watching, opened: number, v: number): number {
  const { width, offsetLog } = e.opened(opened);
  const position = width - COARSE;
  if (position > 0 && !e.watch?.isSafe(v))
    watchInterval(e, opened, position, COARSE, -(2 ** offsetLog), 2 ** (COARSE - 1));
  return opened;
}

/** Watches one of the intervals between rising thresholds, as `intervals` has them. Exact. */
export function watchPlane(e: Watching, hot: number, from: number): void {
  if (e.watch && !e.builder.guarded) e.watch.add(e.emit('planes', [hot], { from, count: 1 }));
}

/** Bits more that an opening has where a bound is watched, so that what lies beyond is told from what lies within. */
const MORE = 2;

/**
 * The opening of a value that a protocol takes up to ±2^magnitude. Where it is watched, it has two bits more, and what
 * lies beyond the bound is reported: from twice the bound on, where the type of the value lets it go that far.
 * @param open makes the opening of a value that is claimed to stay below 2^most
 */
export function bounded(e: Watching, magnitude: number, open: (most: number) => number): number {
  if (!e.watch) return open(magnitude);
  const opened = e.unwatched(() => open(magnitude + MORE));
  const { width, fracBits, magnitude: claimed } = e.opened(opened);
  const position = Math.min(width - FINE, magnitude + 1 + fracBits);
  const count = Math.min(2 ** (FINE - 1), 2 ** (magnitude + 1 + fracBits - position));
  watchInterval(e, opened, position, FINE, -(2 ** Math.min(magnitude, claimed)) * 2 ** fracBits, count);
  return opened;
}
