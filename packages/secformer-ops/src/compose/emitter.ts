import { encodeConstant, stridesOf } from '@secformer/ring';
import { programLimits } from '../limits.js';
import type { ProgramBuilder } from '../program/builder.js';
import {
  check,
  describe,
  type OpenedType,
  type Shape,
  type ShareType,
  sizeOf,
  type ValueType,
} from '../program/types.js';
import { type Watch, watchLift } from './domain.js';
import { Reach } from './reach.js';

/** Fractional bits of an encoded tensor. */
export const FRAC_BITS = 16;
/**
 * Fractional bits of weights that a gain is folded into: three more than others, for a gain below 1 makes them smaller
 * and their operand larger. A product modulo 2^48 then still holds ±2^11.
 */
export const FOLDED_BITS = 19;
/** Claimed range of what nothing narrower is known of: |v| < 2^14, what a truncation to 16 bits in 32 can carry. */
export const MAGNITUDE = 14;
/** Modulus of matrix products that go into a truncation by 16 bits into 32. */
export const PRODUCT_BITS = 48;

/**
 * Significant bits of an encoded public real: 1/768 at 16 fractional bits would be 0.4 % wrong. Fewer only where the
 * range leaves no room.
 */
const SIGNIFICANT_BITS = 20;
const LEAST_SIGNIFICANT_BITS = 14;

/** Bits of an opening at least, such as of what is known to be zero. */
const LEAST_WIDTH = 2;

/** The view that a layout instruction takes of its operand. */
interface View {
  source: number;
  shape: Shape;
  strides: number[];
  offset: number;
}

/**
 * Emits instructions for arithmetic on secret tensors: keeps scales aligned, puts truncations where a product needs
 * them and opens an operand in the cheapest form that it can have. Values are numbers of the builder.
 */
export class Emitter {
  readonly builder: ProgramBuilder;
  readonly #views = new Map<number, View>();
  /** stored openings of input tensors, by the share's number: width → value */
  readonly #stored = new Map<number, Map<number, number>>();
  /** the last operand of matrix products made of each value */
  readonly #operands = new Map<number, number>();
  /** the opened value behind each unwrapped share */
  readonly #wrapped = new Map<number, number>();
  readonly reach = new Reach(this);
  /** openings of input tensors made by this program, to be kept: share number → width → value */
  readonly fresh = new Map<number, Map<number, number>>();

  /** what is told of values that leave their protocol's domain; nothing if absent */
  watch: Watch | undefined;

  /** log2 of the range that sums and products claim where nothing narrower follows from their operands */
  limit = MAGNITUDE;

  constructor(builder: ProgramBuilder) {
    this.builder = builder;
  }

  type(v: number): ValueType {
    return this.builder.types[v]!;
  }

  share(v: number): ShareType {
    const t = this.type(v);
    check(t.kind === 'share', () => `expected a share, got ${describe(t)}`);
    return t;
  }

  opened(v: number): OpenedType {
    const t = this.type(v);
    check(t.kind === 'opened', () => `expected an opened value, got ${describe(t)}`);
    return t;
  }

  /** Declares that input `v` is a tensor of the session that already has the openings given. */
  persistent(v: number, stored: Map<number, number>): void {
    this.#stored.set(v, stored);
  }

  emit(op: string, ins: number[], attributes: Record<string, unknown> = {}): number {
    const out = this.builder.emit(op, ins, attributes);
    if (op === 'unwrap') this.#wrapped.set(out, ins[0]!);
    return out;
  }

  /**
   * Emits values that may leave their claimed range, because an exact zero multiplies them later, or the excess
   * cancels.
   */
  guarded<T>(body: () => T): T {
    const before = this.builder.guarded;
    this.builder.guarded = true;
    try {
      return body();
    } finally {
      this.builder.guarded = before;
    }
  }

  /** Emits values of which nothing is told. */
  unwatched<T>(body: () => T): T {
    const before = this.watch;
    this.watch = undefined;
    try {
      return body();
    } finally {
      this.watch = before;
    }
  }

  /** x·n for a whole n, modulo 2^64, whatever its range. */
  times64(v: number, n: number): number {
    const t = this.share(v);
    return this.emit('affine', [v], {
      scale: String(n),
      offset: '0',
      fracBits: t.fracBits,
      bits: t.bits,
      magnitude: t.magnitude,
    });
  }

  // ---- layout

  view(v: number, shape: Shape, strides: number[], offset = 0): number {
    const t = this.type(v);
    const own = stridesOf(t.shape);
    if (offset === 0 && shape.join() === t.shape.join() && strides.every((s, i) => s === own[i] || shape[i] === 1))
      return v;
    const out = this.emit('layout', [v], { shape: [...shape], strides, offset });
    this.#views.set(out, { source: v, shape, strides, offset });
    return this.reach.follow(out, v);
  }

  reshape(v: number, shape: Shape): number {
    check(sizeOf(shape) === sizeOf(this.type(v).shape), () => `reshape of [${this.type(v).shape}] to [${shape}]`);
    return this.view(v, shape, stridesOf(shape));
  }

  transpose(v: number, perm: readonly number[]): number {
    const { shape } = this.type(v);
    const strides = stridesOf(shape);
    return this.view(
      v,
      perm.map((p) => shape[p]!),
      perm.map((p) => strides[p]!),
    );
  }

  slice(v: number, begin: readonly number[], size: Shape, step: readonly number[] = begin.map(() => 1)): number {
    const strides = stridesOf(this.type(v).shape);
    return this.view(
      v,
      size,
      strides.map((s, i) => s * step[i]!),
      begin.reduce((at, b, i) => at + b * strides[i]!, 0),
    );
  }

  broadcast(v: number, shape: Shape): number {
    const own = this.type(v).shape;
    const strides = stridesOf(own);
    const lead = shape.length - own.length;
    return this.view(
      v,
      shape,
      shape.map((_, i) => (i < lead || own[i - lead] === 1 ? 0 : strides[i - lead]!)),
    );
  }

  /** Elements by public index, −1 for a zero. */
  pick(v: number, indices: readonly number[], shape: Shape): number {
    const out = this.emit('pick', [v], {
      constant: this.builder.constant([...indices], 0),
      constantBits: 0,
      shape: [...shape],
    });
    return this.reach.follow(out, v);
  }

  /** A tensor with `axis` moved to the front. */
  axisFirst(v: number, axis: number): number {
    const rank = this.type(v).shape.length;
    return this.transpose(v, [axis, ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis)]);
  }

  /** Parts at the finest scale of them; a product whose scale the parts beside it do not fit is truncated first. */
  #atOneScale(values: number[]): number[] {
    const finest = (parts: number[]) => Math.max(...parts.map((v) => this.share(v).fracBits));
    const fit = (parts: number[]) => {
      const types = parts.map((v) => this.share(v));
      const bits = Math.min(...types.map((t) => Math.min(64, t.bits + finest(parts) - t.fracBits)));
      return Math.max(...types.map((t) => t.magnitude)) + finest(parts) < bits;
    };
    const parts = fit(values) ? values : values.map((v) => this.truncated(v));
    const top = finest(parts);
    return parts.map((v) => this.atScale(v, top));
  }

  concat(values: number[], axis: number): number {
    const moved = this.#atOneScale(values).map((v) => this.axisFirst(v, axis));
    const most = programLimits.operands;
    let parts = moved;
    // What one instruction does not take is joined in stretches first
    while (parts.length > most) {
      const of = parts;
      parts = Array.from({ length: Math.ceil(of.length / most) }, (_, i) =>
        this.emit('concat', of.slice(i * most, (i + 1) * most)),
      );
    }
    const joined = moved.reduce((out, v) => this.reach.follow(out, v), this.emit('concat', parts));
    const rank = this.type(joined).shape.length;
    const back = Array.from({ length: rank }, (_, i) => (i === axis ? 0 : i < axis ? i + 1 : i));
    return this.transpose(joined, back);
  }

  // ---- scales

  /** The same value with `fracBits` ≥ its own: a public shift to the left. */
  atScale(v: number, fracBits: number): number {
    const t = this.share(v);
    const up = fracBits - t.fracBits;
    if (up === 0) return v;
    check(
      up > 0,
      () => `a share of ${t.fracBits} fractional bits cannot be brought to ${fracBits} without a truncation`,
    );
    const bits = Math.min(64, t.bits + up);
    const out = this.emit('affine', [v], {
      scale: String(1n << BigInt(up)),
      offset: '0',
      fracBits,
      bits,
      magnitude: t.magnitude,
    });
    return this.reach.follow(out, v);
  }

  /** A share whose values are known to stay below 2^magnitude: openings of it are as narrow as that allows. */
  claim(v: number, magnitude: number): number {
    const t = this.share(v);
    if (magnitude < t.magnitude) return this.reinterpret(v, t.fracBits, magnitude);
    this.reach.limit(v, magnitude);
    return v;
  }

  /** The same words read with other fractional bits: a product with a power of two, for nothing. */
  reinterpret(v: number, fracBits: number, magnitude: number): number {
    const t = this.share(v);
    if (t.fracBits === fracBits && t.magnitude === magnitude) return v;
    return this.emit('affine', [v], { scale: '1', offset: '0', fracBits, bits: t.bits, magnitude });
  }

  constantShare(values: number[], shape: Shape, fracBits: number): number {
    const magnitude = magnitudeOf(values);
    return this.emit('constant', [], {
      constant: this.builder.constant(values, fracBits),
      shape: [...shape],
      fracBits,
      magnitude,
    });
  }

  /** Two shares at one scale, the finer one unless that does not fit. */
  aligned(a: number, b: number): [number, number] {
    const [ta, tb] = [this.share(a), this.share(b)];
    if (ta.fracBits === tb.fracBits) return [a, b];
    const [fine, coarse] = ta.fracBits > tb.fracBits ? [a, b] : [b, a];
    const target = this.share(fine).fracBits;
    const low = this.share(coarse);
    let pair: [number, number];
    if (
      low.magnitude + target <= Math.min(64, low.bits + target - low.fracBits) - 1 &&
      low.magnitude + 1 + target <= 63
    )
      pair = [fine, this.atScale(coarse, target)];
    else pair = [this.truncated(fine, Math.min(FRAC_BITS, low.fracBits)), coarse];
    if (this.share(pair[0]).fracBits !== this.share(pair[1]).fracBits) pair = this.aligned(...pair);
    return ta.fracBits > tb.fracBits ? pair : [pair[1], pair[0]];
  }

  /** A truncation's result as a share. */
  truncated(v: number, fracBits = FRAC_BITS): number {
    return this.share(v).fracBits <= fracBits ? v : this.emit('unwrap', [this.factor(v, fracBits)]);
  }

  // ---- linear

  #sum(op: 'add' | 'sub', a: number, b: number): number {
    const [x, y] = this.aligned(a, b);
    const [tx, ty] = [this.share(x), this.share(y)];
    const top = Math.max(tx.magnitude, ty.magnitude);
    const room = Math.min(tx.bits, ty.bits) - 1 - tx.fracBits;
    // Sums of tensors in the default range are claimed to stay in it: that is the stated domain of a model
    const wanted = top >= MAGNITUDE ? Math.max(top, this.limit) : top + 1;
    // A fine scale that has no room for the sum, and for the bit that a truncation needs, is given up
    if (top < MAGNITUDE && wanted >= room && tx.fracBits > FRAC_BITS)
      return this.#sum(op, this.truncated(x), this.truncated(y));
    return this.emit(op, [x, y], { magnitude: Math.min(wanted, room) });
  }

  add(a: number, b: number): number {
    return this.#sum('add', a, b);
  }

  sub(a: number, b: number): number {
    return this.#sum('sub', a, b);
  }

  addConstant(v: number, c: number): number {
    if (c === 0) return v;
    const t = this.share(v);
    const wanted = Math.max(t.magnitude, magnitudeOf([c])) + (t.magnitude >= MAGNITUDE ? 0 : 1);
    const room = t.bits - 1 - t.fracBits;
    if (wanted >= room && t.magnitude < MAGNITUDE && t.fracBits > FRAC_BITS)
      return this.addConstant(this.truncated(v), c);
    const magnitude = Math.min(wanted, room);
    const out = this.emit('affine', [v], {
      scale: '1',
      offset: signedText(encodeConstant(c, t.fracBits)),
      fracBits: t.fracBits,
      bits: t.bits,
      magnitude,
    });
    return this.reach.follow(out, v);
  }

  /** x·c for a public real: powers of two move the point, others are encoded with at least 20 significant bits. */
  scale(v: number, c: number): number {
    const t = this.share(v);
    if (c === 0) return this.broadcast(this.constantShare([0], [], t.fracBits), t.shape);
    const log = Math.log2(Math.abs(c));
    if (Number.isInteger(log)) {
      if (t.fracBits - log >= -60 && t.fracBits - log <= 63) {
        const moved = this.reach.follow(this.reinterpret(v, t.fracBits - log, t.magnitude + log), v, log);
        return c > 0 ? moved : this.negate(moved);
      }
    }
    const wanted = Math.max(0, SIGNIFICANT_BITS - Math.floor(log));
    const magnitude = t.magnitude + Math.ceil(log);
    const room = t.bits - 1 - t.fracBits - magnitude;
    if (wanted > room && (t.fracBits > FRAC_BITS || t.bits < 64)) return this.scale(this.wide(v), c);
    // A value of a wide range leaves fewer bits for the constant
    const constantBits = Math.min(wanted, room);
    check(
      constantBits >= LEAST_SIGNIFICANT_BITS - Math.floor(log),
      () => `a product with ${c} of ${describe(t)} does not fit 64 bits`,
    );
    const fracBits = t.fracBits + constantBits;
    const out = this.emit('affine', [v], {
      scale: signedText(encodeConstant(c, constantBits)),
      offset: '0',
      fracBits,
      bits: t.bits,
      magnitude,
    });
    return this.reach.follow(out, v, Math.ceil(log));
  }

  negate(v: number): number {
    const t = this.share(v);
    return this.reach.follow(
      this.emit('affine', [v], {
        scale: '-1',
        offset: '0',
        fracBits: t.fracBits,
        bits: t.bits,
        magnitude: t.magnitude,
      }),
      v,
    );
  }

  mulConstant(v: number, values: number[], shape: Shape): number {
    const integers = values.every((c) => Number.isInteger(c));
    const constantBits = integers ? 0 : 20;
    const claimed = (of: number) => this.share(of).magnitude + Math.max(0, magnitudeOf(values));
    const room = (of: number) => this.share(of).bits - 1 - this.share(of).fracBits - constantBits;
    // A looked-up row is right modulo 2^32, which has no room for a constant's fractional bits
    const x = this.share(v).fracBits > FRAC_BITS || room(v) < Math.min(claimed(v), this.limit) ? this.wide(v) : v;
    const magnitude = Math.min(claimed(x), room(x));
    const out = this.emit('mulPublic', [x], {
      constant: this.builder.constant(values, constantBits),
      shape: [...shape],
      constantBits,
      magnitude,
    });
    return this.reach.follow(out, x, Math.max(0, magnitudeOf(values)));
  }

  /** Sum over axes; the axes stay with size 1. */
  sum(v: number, axes: readonly number[]): number {
    const { shape } = this.share(v);
    const rank = shape.length;
    const kept = Array.from({ length: rank }, (_, i) => i).filter((i) => !axes.includes(i));
    const n = sizeOf(axes.map((a) => shape[a]!));
    const rows = this.reshape(this.transpose(v, [...kept, ...axes]), [...kept.map((i) => shape[i]!), n]);
    const t = this.share(rows);
    const magnitude = Math.min(t.magnitude + Math.ceil(Math.log2(Math.max(1, n))), t.bits - 1 - t.fracBits);
    const total = this.reach.follow(
      this.emit('rowSum', [rows], { magnitude }),
      rows,
      Math.ceil(Math.log2(Math.max(1, n))),
    );
    return this.reshape(
      total,
      shape.map((d, i) => (axes.includes(i) ? 1 : d)),
    );
  }

  /** Running sums along the last axis. */
  cumSum(v: number, exclusive: boolean, reverse: boolean): number {
    const t = this.share(v);
    const magnitude = Math.min(
      t.magnitude + Math.ceil(Math.log2(Math.max(1, t.shape.at(-1)!))),
      t.bits - 1 - t.fracBits,
    );
    return this.emit('cumSum', [v], { exclusive, reverse, magnitude });
  }

  // ---- operands

  /** A share modulo 2^64 with at most 16 fractional bits. */
  wide(v: number): number {
    const t = this.share(v);
    return t.bits === 64 && t.fracBits <= FRAC_BITS ? v : this.emit('unwrap', [this.factor(v)]);
  }

  /**
   * An operand of elementwise products and selections: opened, with a 64-bit share, at `fracBits` or fewer. A
   * truncation's opening serves as it is;
   * a tensor of the session is opened once modulo 2^64 and kept.
   */
  factor(v: number, fracBits = FRAC_BITS): number {
    const stored = this.#persistentOperand(v, 64);
    if (stored !== undefined) return stored;
    const before = this.#wrapped.get(v);
    if (before !== undefined) {
      const o = this.opened(before);
      // It may have been opened for what is not watched
      if (o.bits === 64 && o.fracBits <= fracBits) return o.modular ? before : watchLift(this, before, v);
    }
    return this.lifted(v, fracBits);
  }

  /** As `factor`, an opening of its own with a wrap and never a modular one. */
  lifted(v: number, fracBits = FRAC_BITS): number {
    const t = this.share(v);
    // Values known to be below 1 keep as many significant bits
    const f = Math.min(fracBits + Math.max(0, -t.magnitude), t.fracBits);
    const shift = t.fracBits - f;
    const width = Math.min(Math.max(LEAST_WIDTH, t.magnitude + f + 2), t.bits - shift, 63);
    const magnitude = width - 2 - f;
    const claimed = magnitude < t.magnitude ? { within: [-(2 ** magnitude), 2 ** magnitude] } : {};
    const share = shift === 0 && t.bits === 64 ? 'source' : 'lift';
    return watchLift(
      this,
      this.emit('open', [v], { shift, width, offsetLog: width - 2, share, bits: 64, ...claimed }),
      v,
    );
  }

  /**
   * The variable of a windowed function: opened at exactly 16 fractional bits, its claimed range at least ±reach so
   * that comparisons with thresholds up to there and a series of a period beyond them fit the opening, and no more than
   * 2^most where nothing beyond is right anyway.
   */
  variable(v: number, reach: number, most = 63): number {
    const least = Math.ceil(Math.log2(reach)) + 1;
    let x =
      this.share(v).fracBits < FRAC_BITS ? this.atScale(this.share(v).bits < 64 ? this.wide(v) : v, FRAC_BITS) : v;
    const t = this.share(x);
    if (t.magnitude < least)
      x = this.reinterpret(
        t.bits < 64 && least + t.fracBits > t.bits - 1 ? this.wide(x) : x,
        this.share(x).fracBits,
        least,
      );
    const opened = this.factor(this.claim(x, most));
    return this.opened(opened).fracBits === FRAC_BITS ? opened : this.lifted(x);
  }

  #persistentOperand(v: number, width: number): number | undefined {
    const stored = this.#stored.get(v);
    // What a run left at the scale of a product is truncated anew instead
    if (!stored || this.share(v).fracBits > FOLDED_BITS || this.share(v).bits < width) return undefined;
    for (const [w, opened] of stored) if (w >= width) return opened;
    const made = this.emit('open', [v], { shift: 0, width, offsetLog: -1, share: 'kept', bits: width });
    const fresh = this.fresh.get(v) ?? new Map<number, number>();
    fresh.set(width, made);
    this.fresh.set(v, fresh);
    return made;
  }

  /**
   * An operand of matrix products: a modular opening of `width` bits at 16 fractional bits or fewer. Openings go to the
   * source of a permutation, so that all its views share one.
   */
  operand(v: number, width = PRODUCT_BITS): number {
    const made = this.#operand(v, width);
    this.#operands.set(v, made);
    return made;
  }

  #operand(v: number, width: number): number {
    const stored = this.#persistentOperand(v, width);
    if (stored !== undefined) return stored;
    const view = this.#views.get(v);
    if (view && this.type(view.source).kind === 'share') {
      // Overlapping windows are windows of one opening
      const whole = sizeOf(view.shape) >= sizeOf(this.type(view.source).shape);
      if (whole || this.#persistentOperand(view.source, width) !== undefined)
        return this.view(this.operand(view.source, width), view.shape, view.strides, view.offset);
    }
    const t = this.share(v);
    const shift = Math.max(0, t.fracBits - FRAC_BITS);
    if (t.bits - shift >= width)
      return this.emit('open', [v], { shift, width, offsetLog: -1, share: 'modular', bits: width });
    const k = Math.min(Math.max(LEAST_WIDTH, t.magnitude + t.fracBits - shift + 2), t.bits - shift);
    const magnitude = k - 2 - (t.fracBits - shift);
    const claimed = magnitude < t.magnitude ? { within: [-(2 ** magnitude), 2 ** magnitude] } : {};
    const lifted = this.emit('open', [v], {
      shift,
      width: k,
      offsetLog: k - 2,
      share: 'lift',
      bits: width,
      ...claimed,
    });
    return this.emit('extend', [watchLift(this, lifted, v)], { width });
  }

  matMul(a: number, b: number, transposeA = false, transposeB = false): number {
    return this.product(this.operand(a), this.operand(b), transposeA, transposeB);
  }

  /** Matrix product of opened operands. */
  product(x: number, y: number, transposeA = false, transposeB = false, magnitude = this.limit): number {
    const [tx, ty] = [this.opened(x), this.opened(y)];
    const room = Math.min(tx.width, ty.width) - 1 - tx.fracBits - ty.fracBits;
    return this.emit('matMul', [x, y], { transposeA, transposeB, magnitude: Math.min(magnitude, room) });
  }

  /** Elementwise product, broadcast. */
  mul(a: number, b: number): number {
    // What a matrix product has opened already serves here too, modulo what it was opened for
    const [x, y] = [a, b].map((v) => this.#operands.get(v) ?? this.factor(v)) as [number, number];
    const [tx, ty] = [this.opened(x), this.opened(y)];
    const fits =
      Math.min(tx.bits, ty.bits) - 1 - tx.fracBits - ty.fracBits >= Math.min(tx.magnitude + ty.magnitude, this.limit);
    return fits ? this.times(x, y) : this.times(this.factor(a), this.factor(b));
  }

  /** Elementwise product of opened operands with 64-bit shares. */
  times(x: number, y: number, magnitude?: number): number {
    const [tx, ty] = [this.opened(x), this.opened(y)];
    const room = Math.min(tx.bits, ty.bits) - 1 - tx.fracBits - ty.fracBits;
    const claim = magnitude ?? Math.min(tx.magnitude + ty.magnitude, this.limit);
    return this.emit('mul', [x, y], { magnitude: Math.min(claim, room) });
  }

  square(a: number): number {
    const x = this.factor(a);
    const t = this.opened(x);
    return this.emit('square', [x], { magnitude: Math.min(2 * t.magnitude, 63 - 2 * t.fracBits) });
  }
}

/** log2 of a bound of some public reals. */
export function magnitudeOf(values: readonly number[]): number {
  let top = 0;
  for (const v of values) top = Math.max(top, Math.abs(v));
  return top === 0 ? -40 : Math.max(-40, Math.ceil(Math.log2(top)));
}

function signedText(word: bigint): string {
  return String(BigInt.asIntN(64, word));
}
