/**
 * Fixed-point iterations as the published systems have them: every product is truncated to a number of fractional bits,
 * whose opening is the operand of the next one. They know their ranges, and are not watched. Cost one opening of
 * magnitude + fracBits + 2 bits each way for every product, a round for each.
 */
import { encodeConstant } from '@secformer/ring';
import type { Emitter } from './emitter.js';
import { FRAC_BITS } from './formats.js';

/** Fractional bits of an iteration, where nothing else is said: 2^8 roundings still leave 16 good ones. */
export const ITERATION_BITS = 24;

/** x·y at `fracBits`, broadcast. */
export function product(e: Emitter, x: number, y: number, magnitude: number, fracBits = ITERATION_BITS): number {
  if (x === y) return squared(e, x, magnitude, fracBits);
  return e.unwatched(() => e.truncated(e.times(e.factor(x, fracBits), e.factor(y, fracBits), magnitude), fracBits));
}

/** x² at `fracBits`. */
export function squared(e: Emitter, x: number, magnitude: number, fracBits = ITERATION_BITS): number {
  return e.unwatched(() => e.truncated(e.emit('square', [e.factor(x, fracBits)], { magnitude }), fracBits));
}

/** c − x. */
export const from = (e: Emitter, c: number, x: number): number => e.addConstant(e.negate(x), c);

/**
 * Σ c_i·t_i/2^halvings at `fracBits` for small whole c_i, where a t_i is a product of two values or one value: the
 * products are not truncated one by one, and the opening of the truncated sum is the operand of the next step.
 */
export function polynomial(
  e: Emitter,
  terms: readonly { by: number; of: readonly [number, number] | readonly [number] }[],
  magnitude: number,
  fracBits = ITERATION_BITS,
  halvings = 0,
): number {
  const whole = terms.map(({ by, of }) => {
    const factors = e.unwatched(() => of.map((v) => e.factor(v, fracBits)));
    const [x, y] = factors as [number, number?];
    const share =
      y === undefined
        ? e.emit('unwrap', [x])
        : x === y
          ? e.emit('square', [x], { magnitude })
          : e.times(x, y, magnitude);
    return { by, share };
  });
  const scale = Math.max(...whole.map(({ share }) => e.share(share).fracBits));
  const parts = whole.map(({ by, share }) => {
    const up = 1n << BigInt(scale - e.share(share).fracBits);
    return e.emit('affine', [share], {
      scale: String(BigInt(by) * up),
      offset: '0',
      fracBits: scale,
      bits: 64,
      magnitude: Math.min(63 - scale, magnitude + 4),
    });
  });
  const total = parts.reduce((x, y) => e.emit('add', [x, y], { magnitude: Math.min(63 - scale, magnitude + 4) }));
  return e.unwatched(() => e.truncated(e.reinterpret(total, scale + halvings, magnitude - halvings), fracBits));
}

/** x·(c − y)/2^halvings, c whole. */
export const timesRest = (
  e: Emitter,
  x: number,
  c: number,
  y: number,
  magnitude: number,
  fracBits = ITERATION_BITS,
  halvings = 0,
): number =>
  polynomial(
    e,
    [
      { by: c, of: [x] },
      { by: -1, of: [x, y] },
    ],
    magnitude,
    fracBits,
    halvings,
  );

/** x·c at `fracBits` for a public real. */
export const scaled = (e: Emitter, x: number, c: number, fracBits = ITERATION_BITS): number =>
  e.unwatched(() => e.truncated(e.scale(x, c), fracBits));

/**
 * Σ c_i·x_i + constant for public reals at `constantBits`, not truncated; all x_i are brought to the finest scale among
 * them.
 */
export function combination(
  e: Emitter,
  terms: readonly (readonly [number, number])[],
  constant: number,
  constantBits: number,
  magnitude: number,
): number {
  const finest = Math.max(...terms.map(([, x]) => e.share(x).fracBits));
  const fracBits = finest + constantBits;
  const parts = terms.map(([c, x]) => {
    const scale = String(BigInt.asIntN(64, encodeConstant(c, constantBits)));
    return e.emit('affine', [e.atScale(x, finest)], { scale, offset: '0', fracBits, bits: 64, magnitude });
  });
  const total = parts.reduce((a, b) => e.emit('add', [a, b], { magnitude }));
  return e.addConstant(total, constant);
}

/** (1 + x/2^n)^(2^n), the limit exponential: n squarings. Domain −2^(n+1) < x ≤ 1. Error about x²·e^x/2^(n+1). */
export function limitExponential(e: Emitter, x: number, n: number): number {
  const t = e.share(e.truncated(x));
  let y = e.addConstant(e.reinterpret(e.truncated(x), t.fracBits + n, Math.max(1, t.magnitude - n)), 1);
  for (let i = 0; i < n; i++) y = squared(e, y, 2);
  return y;
}

/** The plaintext of `limitExponential`. */
export const limitExponentialOf = (x: number, n: number): number => (1 + x / 2 ** n) ** (2 ** n);

/**
 * 1/x by Newton's y ← y(2 − xy) from y = 3·e^(½−x) + 0.003, ten steps: CrypTen's. Domain x in [0.002, 500]: there the
 * start converges.
 * Cost 20 rounds after the exponential's 8. Source Knott et al. 2021, section 4.
 */
export function newtonReciprocal(e: Emitter, x: number, steps = 10): number {
  const v = e.truncated(x);
  let y = e.addConstant(scaled(e, limitExponential(e, from(e, 0.5, v), 8), 3), 0.003);
  for (let i = 0; i < steps; i++) y = timesRest(e, y, 2, product(e, v, y, 2), 9);
  return y;
}

export function newtonReciprocalOf(x: number, steps = 10): number {
  let y = 3 * limitExponentialOf(0.5 - x, 8) + 0.003;
  for (let i = 0; i < steps; i++) y *= 2 - x * y;
  return y;
}

/** x less its row mean, at 16 fractional bits, and the sum of the squares of that, at 32. */
export function centred(e: Emitter, x: number): { difference: number; squares: number } {
  const v = e.truncated(x);
  const { shape } = e.share(v);
  const last = shape.length - 1;
  const mean = e.truncated(e.scale(e.sum(v, [last]), 1 / shape[last]!));
  const difference = e.sub(v, e.broadcast(mean, shape));
  const square = e.emit('square', [e.factor(difference)], { magnitude: 31 - Math.ceil(Math.log2(shape[last]!)) });
  return { difference, squares: e.sum(square, [last]) };
}

/** Σd²·c, c public, from squares at 32 fractional bits, at `fracBits`. */
export const scaledSquares = (e: Emitter, squares: number, c: number, fracBits: number): number =>
  scaled(e, e.truncated(squares, FRAC_BITS), c, fracBits);
