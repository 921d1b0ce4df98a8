/** Functions of angles and hyperbolas, written with those that have protocols. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SecretNode } from '../node-values.js';
import { truncated } from './integers.js';
import type { KernelCall, SecretKernel } from './kernel.js';
import { applied, combined, constant, constants, plus, times } from './nodes.js';

function of(f: (x: SecretNode) => SecretNode): SecretKernel {
  return ({ inputs, backend }) => {
    const x = inputs.x as TensorInfo;
    return backend.secret(f(backend.node(x)));
  };
}

const square = (x: SecretNode) => applied('square', x);
const root = (x: SecretNode) => applied('sqrt', x);
const inverse = (x: SecretNode) => applied('reciprocal', x);
/** e^x and e^(−x) */
const powers = (x: SecretNode): [SecretNode, SecretNode] => [applied('exp', x), applied('exp', applied('neg', x))];

/** t·Σ c_k t^(2k) on [−1, 1]: atan to 1e-5 (Abramowitz and Stegun 4.4.49). */
const ATAN = [0.999866, -0.3302995, 0.180141, -0.085133, 0.0208351];

function atanInside(t: SecretNode): SecretNode {
  const t2 = square(t);
  const [first, ...rest] = [...ATAN].reverse() as [number, ...number[]];
  const sum = rest.reduce<SecretNode | undefined>(
    (s, c) => plus(s ? combined('mul', s, t2) : times(t2, first), c),
    undefined,
  )!;
  return combined('mul', t, sum);
}

/** 2·atan(x/(1 + √(1 + x²))), whose argument is never beyond ±1. Domain |x| < 127. */
function atan(x: SecretNode): SecretNode {
  return times(atanInside(combined('mul', x, inverse(plus(root(plus(square(x), 1)), 1)))), 2);
}

/** The steps of shares. As the least divisor it changes no quotient but 0/0, which becomes 0. */
const STEP = 2 ** -16;

/** x, or c where that is more, as the planner knows it: a divisor of it costs no comparison */
const atLeast = (x: SecretNode, c: number) => plus(applied('relu', combined('sub', x, constant(c))), c);

/**
 * x as everything made of it sees it: a product is truncated here, and not by each that takes it, at random in the last
 * place. Bounds that are none compare nothing.
 */
const once = (x: SecretNode) => applied('clip', x, { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY });

/** [x < 0], of a public tensor without asking the nodes */
function negative(x: TensorInfo, backend: KernelCall['backend']): SecretNode {
  if (backend.privacy(x) !== 'public') return applied('less', backend.node(x), { than: 0 });
  const values = backend.plain(x).values as ArrayLike<number>;
  return constants(
    Array.from(values, (v) => Number(v < 0)),
    x.shape,
  );
}

/**
 * The angle of (b, a), within ±π. Two comparisons say in which quarter, around an axis, the point is: it is turned by
 * multiples of 90° to the one around b > 0, where the quotient is within ±1, and the angle back. A third says whether
 * π is meant or −π.
 *
 *   quarter around   b > 0   a > 0   b < 0   a < 0
 *   [a ≤ b]            1       0       0       1
 *   [a + b < 0]        0       0       1       1
 *
 * Domain |a|, |b| < 2^14, (0, 0) included. Largest error to the operands as they are encoded, in steps of 2^−16: 6e-5;
 * there is no −0, so the angle of (b < 0, ±0) is π. Cost 19 rounds, 20 of products; 146 bytes sent, 1975 of the dealer.
 */
export const Atan2: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const [y, x] = [once(backend.node(a)), once(backend.node(b))];
  const left = applied('atMost', combined('sub', y, x), { than: 0 });
  const under = applied('less', combined('add', y, x), { than: 0 });
  // Cosine and sine of the turn, and quarters from b > 0 up to that of the point, or down where a < 0
  const cosine = combined('sub', left, under);
  const sine = combined('sub', combined('sub', constant(1), left), under);
  const quarters = combined('sub', constant(1), cosine);
  const along = combined('add', combined('mul', x, cosine), combined('mul', y, sine));
  const across = combined('sub', combined('mul', y, cosine), combined('mul', x, sine));
  const inside = atanInside(combined('div', across, atLeast(along, STEP)));
  const way = combined('sub', constant(1), times(negative(a, backend), 2));
  const angle = combined('add', times(combined('mul', way, quarters), Math.PI / 2), inside);
  // Both have one type, and 'cpu' keeps it
  return backend.secret(a.dtype === 'float32' ? angle : truncated(angle), a.dtype);
};

/** 2·atan(x/(1 + √(1 − x²))) */
function asin(x: SecretNode): SecretNode {
  const rest = plus(applied('neg', square(x)), 1);
  return times(atanInside(combined('mul', x, inverse(plus(root(rest), 1)))), 2);
}

/** sign(x)·ln(|x| + √(x² + 1)). Domain |x| < 127. */
function asinh(x: SecretNode): SecretNode {
  const size = applied('log', combined('add', applied('abs', x), root(plus(square(x), 1))));
  return combined('mul', applied('sign', x), size);
}

export const Tan = of((x) => combined('mul', applied('sin', x), applied('reciprocal', applied('cos', x))));
export const Sinh = of((x) => {
  const [up, down] = powers(x);
  return times(combined('sub', up, down), 0.5);
});
export const Cosh = of((x) => {
  const [up, down] = powers(x);
  return times(combined('add', up, down), 0.5);
});
export const Atan = of(atan);
export const Asin = of(asin);
export const Acos = of((x) => plus(applied('neg', asin(x)), Math.PI / 2));
export const Asinh = of(asinh);
/** ln(x + √(x² − 1)), x ≥ 1 */
export const Acosh = of((x) => applied('log', combined('add', x, root(applied('relu', plus(square(x), -1))))));
/** ½·ln((1 + x)/(1 − x)), |x| < 1 */
export const Atanh = of((x) =>
  times(combined('sub', applied('log', plus(x, 1)), applied('log', plus(applied('neg', x), 1))), 0.5),
);
