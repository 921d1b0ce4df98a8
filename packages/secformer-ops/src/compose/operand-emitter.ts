/**
 * The emitter's openings: operands of products and of comparisons, each opened in the cheapest form that it can have,
 * and truncations, which are openings too.
 */
import { type Shape, sizeOf } from '../instruction/types.js';
import { watchLift } from './domain.js';
import { FOLDED_BITS, FRAC_BITS, PRODUCT_BITS } from './formats.js';
import { ValueEmitter } from './value-emitter.js';

/** Fewest bits of an opening, such as of a value that is known to be zero. */
const LEAST_WIDTH = 2;

/** A product of two openings, x·y, whatever else it is read as. */
interface Dropped {
  x: number;
  y: number;
  magnitude: number;
}

/** log2 of the most that an operand by `mulDrop` is off by. */
const DROPPED_ERROR = -18;

/** The view that a layout instruction takes of its operand. */
interface View {
  source: number;
  shape: Shape;
  strides: number[];
  offset: number;
}

/**
 * Opens operands, and where it can no value twice: the opening of a truncation, of a tensor of the session, or of the
 * value behind a view is used again.
 */
export abstract class OperandEmitter extends ValueEmitter {
  readonly #views = new Map<number, View>();
  /** stored openings of input tensors, by the share's number: width → value */
  readonly #stored = new Map<number, Map<number, number>>();
  /** the last operand of matrix products made of each value */
  readonly #operands = new Map<number, number>();
  /** of products, the same with fewer fractional bits, of which an operand is one opening */
  readonly #dropped = new Map<number, Dropped>();
  /** the opened value behind each unwrapped share */
  readonly #wrapped = new Map<number, number>();
  /** openings of input tensors made by this program, to be kept: share number → width → value */
  readonly fresh = new Map<number, Map<number, number>>();

  /** Declares that input `v` is a tensor of the session that already has the openings given. */
  persistent(v: number, stored: Map<number, number>): void {
    this.#stored.set(v, stored);
  }

  override emit(op: string, ins: number[], attributes: Record<string, unknown> = {}): number {
    const out = super.emit(op, ins, attributes);
    if (op === 'unwrap') this.#wrapped.set(out, ins[0]!);
    return out;
  }

  override view(v: number, shape: Shape, strides: number[], offset = 0): number {
    const out = super.view(v, shape, strides, offset);
    if (out !== v) this.#views.set(out, { source: v, shape, strides, offset });
    return out;
  }

  /** A truncation's result as a share. */
  truncated(v: number, fracBits = FRAC_BITS): number {
    return this.share(v).fracBits <= fracBits ? v : this.emit('unwrap', [this.factor(v, fracBits)]);
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
      // It may have been opened where nothing was watched
      if (o.bits === 64 && o.fracBits <= fracBits) return o.modular ? before : watchLift(this, before, v);
    }
    return this.lifted(v, fracBits);
  }

  /** Like `factor`, but always an opening of its own with a wrap, never a modular one. */
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
   * The variable of a windowed function: opened at exactly `fracBits`, its claimed range at least ±reach so
   * that comparisons with thresholds up to there and a series of a period beyond them fit the opening, and no more than
   * 2^most where nothing beyond is right anyway.
   */
  variable(v: number, reach: number, most = 63, fracBits = FRAC_BITS): number {
    const least = Math.ceil(Math.log2(reach)) + 1;
    let x = this.share(v).fracBits < fracBits ? this.atScale(this.share(v).bits < 64 ? this.wide(v) : v, fracBits) : v;
    const t = this.share(x);
    if (t.magnitude < least)
      x = this.reinterpret(
        t.bits < 64 && least + t.fracBits > t.bits - 1 ? this.wide(x) : x,
        this.share(x).fracBits,
        least,
      );
    const opened = this.factor(this.claim(x, most), fracBits);
    return this.opened(opened).fracBits === fracBits ? opened : this.lifted(x, fracBits);
  }

  #persistentOperand(v: number, width: number): number | undefined {
    const stored = this.#stored.get(v);
    // A tensor that a run left at the scale of a product is truncated instead
    if (!stored || this.share(v).fracBits > FOLDED_BITS || this.share(v).bits < width) return undefined;
    for (const [w, opened] of stored) if (w >= width) return opened;
    const made = this.emit('open', [v], { shift: 0, width, offsetLog: -1, share: 'kept', bits: width });
    const fresh = this.fresh.get(v) ?? new Map<number, number>();
    fresh.set(width, made);
    this.fresh.set(v, fresh);
    return made;
  }

  /**
   * An operand of matrix products: a modular opening of `width` bits at `fracBits` or fewer. Openings go to the source
   * of a permutation, so that all its views share one. A tensor of the session keeps the fractional bits that it has.
   */
  operand(v: number, width = PRODUCT_BITS, fracBits = this.format.bits): number {
    const made = this.#operand(v, width, fracBits);
    this.#operands.set(v, made);
    return made;
  }

  /**
   * A value that is the product of two openings with a wrap, y broadcast: an operand is opened of it in one round, by
   * `mulDrop`.
   */
  protected ofProduct(v: number, x: number, y: number): number {
    this.#dropped.set(v, { x, y, magnitude: this.share(v).magnitude });
    return v;
  }

  override claim(v: number, magnitude: number): number {
    const out = super.claim(v, magnitude);
    const dropped = this.#dropped.get(v);
    if (dropped) this.#dropped.set(out, { ...dropped, magnitude: this.share(out).magnitude });
    return out;
  }

  /**
   * Whether a value is such a product, or a view of one. A graph computes no more of it than somebody reads: what one
   * takes a part of is opened whole for another.
   */
  #isProduct(v: number): boolean {
    const view = this.#views.get(v);
    return this.#dropped.has(v) || (view !== undefined && this.#isProduct(view.source));
  }

  /** The product with as many fractional bits as leave `width` of its 64 to an operand, if that is right enough. */
  #productFor(v: number, width: number, fracBits: number): number | undefined {
    const dropped = this.#dropped.get(v);
    if (!dropped) return undefined;
    const { x, y, magnitude } = dropped;
    const wanted = fracBits + 64 - width;
    const shift = this.share(v).fracBits - wanted;
    if (shift < 1 || shift - wanted > DROPPED_ERROR || magnitude + wanted > 62) return undefined;
    return this.emit('mulDrop', [x, y], { shift, magnitude });
  }

  /** Fractional bits that an operand will have. */
  operandBits(v: number, fracBits = this.format.bits): number {
    const of = (x: number): boolean => {
      const view = this.#views.get(x);
      return this.#stored.has(x) || (view !== undefined && of(view.source));
    };
    const own = this.type(v).kind === 'opened' ? this.opened(v).fracBits : this.share(v).fracBits;
    return of(v) ? own : Math.min(own, fracBits);
  }

  #operand(v: number, width: number, fracBits: number): number {
    const stored = this.#persistentOperand(v, width);
    if (stored !== undefined) return stored;
    const view = this.#views.get(v);
    if (view && this.type(view.source).kind === 'share') {
      // Overlapping windows are windows of one opening
      const whole = sizeOf(view.shape) >= sizeOf(this.type(view.source).shape) || this.#isProduct(view.source);
      if (whole || this.#persistentOperand(view.source, width) !== undefined)
        return this.view(this.operand(view.source, width, fracBits), view.shape, view.strides, view.offset);
    }
    const from = this.#productFor(v, width, fracBits) ?? v;
    const t = this.share(from);
    const shift = Math.max(0, t.fracBits - fracBits);
    if (t.bits - shift >= width)
      return this.emit('open', [from], { shift, width, offsetLog: -1, share: 'modular', bits: width });
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

  /** What a matrix product has opened of v already, if it has. */
  protected operandOf(v: number): number | undefined {
    return this.#operands.get(v);
  }
}
