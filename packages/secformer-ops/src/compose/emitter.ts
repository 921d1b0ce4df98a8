/** The emitter: arithmetic on secret tensors as compositions are written in it. */
import { encodeConstant } from '@secformer/ring';
import { check, describe, type Shape, sizeOf } from '../instruction/types.js';
import { programLimits } from '../limits.js';
import { FRAC_BITS, MAGNITUDE, magnitudeOf, productBits } from './formats.js';
import { OperandEmitter } from './operand-emitter.js';
import { Reach } from './reach.js';

/**
 * Significant bits of an encoded public real: 1/768 at 16 fractional bits would be 0.4 % wrong. Fewer only where the
 * range leaves no room.
 */
const SIGNIFICANT_BITS = 20;
const LEAST_SIGNIFICANT_BITS = 14;

/**
 * Emits instructions for arithmetic on secret tensors: keeps scales aligned, puts truncations where a product needs
 * them and opens an operand in the cheapest form that it can have. Values are numbers of the builder.
 */
export class Emitter extends OperandEmitter {
  readonly reach = new Reach(this);

  // ---- linear

  #sum(op: 'add' | 'sub', a: number, b: number): number {
    const [x, y] = this.aligned(a, b);
    const [tx, ty] = [this.share(x), this.share(y)];
    const top = Math.max(tx.magnitude, ty.magnitude);
    const room = Math.min(tx.bits, ty.bits) - 1 - tx.fracBits;
    // Sums of tensors in the default range are claimed to stay in it: that is the stated domain of a model
    const wanted = top >= this.format.room ? Math.max(top, this.limit) : top + 1;
    // A fine scale that has no room for the sum, and for the bit that a truncation needs, is given up
    if (top < this.format.room && wanted >= room && tx.fracBits > FRAC_BITS)
      return this.#sum(op, this.truncated(x), this.truncated(y));
    return this.emit(op, [x, y], { magnitude: Math.min(wanted, room) });
  }

  /** Sum of two shares, broadcast: local. */
  add(a: number, b: number): number {
    return this.#sum('add', a, b);
  }

  /** Difference of two shares, broadcast: local. */
  sub(a: number, b: number): number {
    return this.#sum('sub', a, b);
  }

  /**
   * Fractional bits of v that hold public numbers beside it: its own, or as many more as these take, up to 16, where
   * there is room. Bits and whole numbers have none, and times 2 one less.
   */
  fracBitsBeside(v: number, values: readonly number[]): number {
    const { fracBits, magnitude } = this.share(v);
    // A sum has a bit more, and one is its sign
    const most = Math.min(FRAC_BITS, 62 - Math.max(magnitude, magnitudeOf(values)));
    let needed = fracBits;
    while (needed < most && values.some((c) => !Number.isInteger(c * 2 ** needed))) needed++;
    return needed;
  }

  /** v + c, c public: local. */
  addConstant(x: number, c: number): number {
    if (c === 0) return x;
    const v = this.atScale(x, this.fracBitsBeside(x, [c]));
    const t = this.share(v);
    const wanted = Math.max(t.magnitude, magnitudeOf([c])) + (t.magnitude >= this.format.room ? 0 : 1);
    const room = t.bits - 1 - t.fracBits;
    if (wanted >= room && t.magnitude < this.format.room && t.fracBits > FRAC_BITS)
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

  /** −v: local. */
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

  /** Elementwise product with public reals of a shape that broadcasts with v's: local, with more fractional bits. */
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

  // ---- concatenation

  /** Parts at the finest of their scales; where some do not fit that, products are truncated first. */
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

  /** Shares one after another along an axis, at the finest scale that all of them fit. */
  concat(values: number[], axis: number): number {
    const moved = this.#atOneScale(values).map((v) => this.axisFirst(v, axis));
    const most = programLimits.operands;
    let parts = moved;
    // More parts than one instruction takes are joined in stretches first
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

  // ---- products

  /**
   * Matrix product [.., m, k]·[.., k, n] of shares, both opened as operands; the result keeps the fractional bits of
   * both.
   */
  matMul(a: number, b: number, transposeA = false, transposeB = false): number {
    const width = this.productBits(a, b, 0);
    return this.product(this.operand(a, width), this.operand(b, width), transposeA, transposeB);
  }

  /** Modulus of a matrix product of shares as `operand` opens them. */
  productBits(a: number, b: number, columns: number): number {
    return productBits(this.format, this.operandBits(a), this.operandBits(b), columns);
  }

  /** Matrix product of opened operands. */
  product(x: number, y: number, transposeA = false, transposeB = false, magnitude = this.limit): number {
    const [tx, ty] = [this.opened(x), this.opened(y)];
    const room = Math.min(tx.width, ty.width) - 1 - tx.fracBits - ty.fracBits;
    return this.emit('matMul', [x, y], { transposeA, transposeB, magnitude: Math.min(magnitude, room) });
  }

  /** Elementwise product, broadcast. */
  mul(a: number, b: number): number {
    // An operand that a matrix product has opened serves here too, modulo what it was opened for
    const [x, y] = [a, b].map((v) => this.operandOf(v) ?? this.factor(v)) as [number, number];
    const [tx, ty] = [this.opened(x), this.opened(y)];
    const wanted = Math.min(tx.magnitude + ty.magnitude, this.limit + this.format.room - MAGNITUDE);
    const fits = Math.min(tx.bits, ty.bits) - 1 - tx.fracBits - ty.fracBits >= wanted;
    return fits ? this.times(x, y) : this.times(this.factor(a), this.factor(b));
  }

  /** Elementwise product of opened operands with 64-bit shares. */
  times(x: number, y: number, magnitude?: number): number {
    const [tx, ty] = [this.opened(x), this.opened(y)];
    const room = Math.min(tx.bits, ty.bits) - 1 - tx.fracBits - ty.fracBits;
    const claim = magnitude ?? Math.min(tx.magnitude + ty.magnitude, this.limit);
    return this.emit('mul', [x, y], { magnitude: Math.min(claim, room) });
  }

  /**
   * The same of two openings with a wrap, y broadcast to x: an operand of it is opened in one round, for as much of the
   * dealer as the product takes. Of those that are read otherwise too, both products are made.
   */
  scaled(x: number, y: number, magnitude: number): number {
    const out = this.times(x, y, magnitude);
    return this.ofProduct(out, x, y);
  }

  /** Square of a share, element by element, with twice its fractional bits at most. */
  square(a: number): number {
    const x = this.factor(a);
    const t = this.opened(x);
    return this.emit('square', [x], { magnitude: Math.min(2 * t.magnitude, 63 - 2 * t.fracBits) });
  }
}

function signedText(word: bigint): string {
  return String(BigInt.asIntN(64, word));
}
