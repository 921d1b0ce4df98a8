/**
 * The lowest layer of the emitter: single instructions whose result has the values of its operand (views, other scales
 * of the same words) and public constants. None of them opens anything.
 */
import { stridesOf } from '@secformer/ring';
import { OPERAND_FORMATS, type OperandFormat } from '../graph/operand-format.js';
import {
  check,
  describe,
  type OpenedType,
  type Shape,
  type ShareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';
import type { ProgramBuilder } from '../program/builder.js';
import type { Watch } from './domain.js';
import { FRAC_BITS, MAGNITUDE, magnitudeOf } from './formats.js';
import type { Reach } from './reach.js';

/** Emits instructions and says what type their results have. Values are numbers of the builder. */
export abstract class ValueEmitter {
  readonly builder: ProgramBuilder;
  abstract readonly reach: Reach;

  /** collects where values leave their protocol's domain; absent if that is not watched */
  watch: Watch | undefined;

  /**
   * Values that public tensors have made, and views of them: at a fine scale modulo few bits, to be truncated by
   * whoever opens them
   */
  readonly carried = new Set<number>();

  /** log2 of the range that sums and products claim where nothing narrower follows from their operands */
  limit = MAGNITUDE;

  /** what matrix products take */
  format: OperandFormat = OPERAND_FORMATS[FRAC_BITS];

  constructor(builder: ProgramBuilder) {
    this.builder = builder;
  }

  /** Type of a value. */
  type(v: number): ValueType {
    return this.builder.types[v]!;
  }

  /** Type of a share. @throws ProgramError where the value is none */
  share(v: number): ShareType {
    const t = this.type(v);
    check(t.kind === 'share', () => `expected a share, got ${describe(t)}`);
    return t;
  }

  /** Type of an opened value. @throws ProgramError where the value is none */
  opened(v: number): OpenedType {
    const t = this.type(v);
    check(t.kind === 'opened', () => `expected an opened value, got ${describe(t)}`);
    return t;
  }

  /** Appends an instruction, or finds an equal one. @throws ProgramError where the operands do not fit */
  emit(op: string, ins: number[], attributes: Record<string, unknown> = {}): number {
    return this.builder.emit(op, ins, attributes);
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

  /** Emits values that are not watched. */
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

  /** The elements of v at offset + Σ i·strides[i], v itself if these are all of them in their order. */
  view(v: number, shape: Shape, strides: number[], offset = 0): number {
    const t = this.type(v);
    const own = stridesOf(t.shape);
    if (offset === 0 && shape.join() === t.shape.join() && strides.every((s, i) => s === own[i] || shape[i] === 1))
      return v;
    const out = this.reach.follow(this.emit('layout', [v], { shape: [...shape], strides, offset }), v);
    if (this.carried.has(v)) this.carried.add(out);
    return out;
  }

  /** The same elements in another shape. @throws ProgramError where it has not as many */
  reshape(v: number, shape: Shape): number {
    check(sizeOf(shape) === sizeOf(this.type(v).shape), () => `reshape of [${this.type(v).shape}] to [${shape}]`);
    return this.view(v, shape, stridesOf(shape));
  }

  /** Axes in another order: axis i of the result is axis perm[i] of v. */
  transpose(v: number, perm: readonly number[]): number {
    const { shape } = this.type(v);
    const strides = stridesOf(shape);
    return this.view(
      v,
      perm.map((p) => shape[p]!),
      perm.map((p) => strides[p]!),
    );
  }

  /** `size` elements of every axis from `begin` on, each `step` after the one before. */
  slice(v: number, begin: readonly number[], size: Shape, step: readonly number[] = begin.map(() => 1)): number {
    const strides = stridesOf(this.type(v).shape);
    return this.view(
      v,
      size,
      strides.map((s, i) => s * step[i]!),
      begin.reduce((at, b, i) => at + b * strides[i]!, 0),
    );
  }

  /** v repeated to `shape`, as TensorFlow.js broadcasts: axes of one, and axes that v does not have in front. */
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

  /** The same words read with other fractional bits: a product with a power of two, at no cost. */
  reinterpret(v: number, fracBits: number, magnitude: number): number {
    const t = this.share(v);
    if (t.fracBits === fracBits && t.magnitude === magnitude) return v;
    return this.emit('affine', [v], { scale: '1', offset: '0', fracBits, bits: t.bits, magnitude });
  }

  /** Public reals as a share, rounded to `fracBits`: as many as the shape has elements, in row-major order. */
  constantShare(values: number[], shape: Shape, fracBits: number): number {
    const magnitude = magnitudeOf(values);
    return this.emit('constant', [], {
      constant: this.builder.constant(values, fracBits),
      shape: [...shape],
      fracBits,
      magnitude,
    });
  }
}
