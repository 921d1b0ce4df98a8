/** Functions of angles and hyperbolas, written with those that have protocols. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SecretNode } from '../node-values.js';
import type { SecretKernel } from './kernel.js';
import { applied, combined, plus, times } from './nodes.js';

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
