import type { ShareType } from '../instruction/types.js';

/** What differences are made with. */
interface Arithmetic {
  share(v: number): ShareType;
  sub(a: number, b: number): number;
  aligned(a: number, b: number): [number, number];
  reinterpret(v: number, fracBits: number, magnitude: number): number;
  emit(op: string, ins: number[], attributes: Record<string, unknown>): number;
}

/**
 * How far differences reach. A model's tensors are taken to stay below 2^14, its sums and differences too: that is its
 * stated domain, and what products rely on. But a function that selects by a comparison is meant for differences of
 * values from either end of the domain, max(x, y) = relu(x − y) + y: these reach 2^15, and an opening of fewer bits
 * would now and then return another value, off by its modulus. So what a difference and what is linear in it can be is
 * noted beside its claimed range, for those functions alone: a bit more an element there, and none elsewhere.
 */
export class Reach {
  readonly #emitter: Arithmetic;
  /** log2 of it, by value, where it is more than the claimed range */
  readonly #known = new Map<number, number>();

  constructor(emitter: Arithmetic) {
    this.#emitter = emitter;
  }

  #of(v: number): number {
    return this.#known.get(v) ?? this.#emitter.share(v).magnitude;
  }

  /** Notes that `out`, linear in `v`, reaches as far, or 2^more times that. @returns out */
  follow(out: number, v: number, more = 0): number {
    const known = this.#known.get(v);
    if (known !== undefined) this.#note(out, known + more);
    return out;
  }

  #note(v: number, reach: number): void {
    if (reach > this.#of(v)) this.#known.set(v, reach);
  }

  /** Notes that values are known to stay below 2^magnitude. */
  limit(v: number, magnitude: number): void {
    if (magnitude < this.#of(v)) this.#known.set(v, magnitude);
  }

  /**
   * a − b of a model, claimed to stay in its domain.
   * @param sameSign neither has values below 0: then it reaches no further than they do
   */
  difference(a: number, b: number, sameSign: boolean): number {
    const out = this.#emitter.sub(a, b);
    this.#note(out, Math.max(this.#of(a), this.#of(b)) + (sameSign ? 0 : 1));
    return out;
  }

  /** a − b with all of its reach as its range: what a composition compares itself. */
  whole(a: number, b: number, sameSign: boolean): number {
    const [x, y] = this.#emitter.aligned(a, b);
    const [tx, ty] = [this.#emitter.share(x), this.#emitter.share(y)];
    const room = Math.min(tx.bits, ty.bits) - 1 - tx.fracBits;
    const reach = Math.max(tx.magnitude, ty.magnitude) + (sameSign ? 0 : 1);
    return this.#emitter.emit('sub', [x, y], { magnitude: Math.min(reach, room) });
  }

  /** f of all that v reaches. What is made of the result has the model's domain again, but for the next comparison. */
  over(v: number, f: (v: number) => number): number {
    const e = this.#emitter;
    const t = e.share(v);
    const reach = Math.min(this.#of(v), t.bits - 1 - t.fracBits);
    if (reach <= t.magnitude) return f(v);
    const out = f(e.reinterpret(v, t.fracBits, reach));
    const made = e.share(out);
    if (made.magnitude <= t.magnitude) return out;
    const claimed = e.reinterpret(out, made.fracBits, t.magnitude);
    this.#note(claimed, made.magnitude);
    return claimed;
  }
}
