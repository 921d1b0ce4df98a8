/** Public numbers of an operation, such as a slope or a threshold. */
export type Parameters = Readonly<Record<string, number>>;

/** A real function of one variable. */
export interface RealFunction {
  /** Its value at x, in double precision. */
  plain(x: number, p: Parameters): number;
  /** names of its `Parameters`, with usual values */
  parameters?: Parameters;
}

/** Abramowitz and Stegun 7.1.5 below 3 and the continued fraction 7.1.14 above: to double precision. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 3) {
    let [term, sum] = [a, a];
    for (let n = 1; n < 80; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let f = 0;
  for (let k = 60; k >= 1; k--) f = k / 2 / (a + f);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + f)));
}

/** The nearest whole number, the even one where two are. */
export function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

/** The constants of SELU (Klambauer et al. 2017). */
export const SELU = { scale: 1.0507009873554805, alpha: 1.6732632423543772 };

/** What the elementwise operations of a graph are. @internal Use `functionOf`. */
export const functions = {
  neg: { plain: (x) => -x },
  erf: { plain: erf },
  tanh: { plain: Math.tanh },
  sigmoid: { plain: (x) => 1 / (1 + Math.exp(-x)) },
  silu: { plain: (x) => x / (1 + Math.exp(-x)) },
  softplus: { plain: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
  sin: { plain: Math.sin },
  cos: { plain: Math.cos },
  exp: { plain: Math.exp },
  expm1: { plain: Math.expm1 },
  elu: { plain: (x) => (x >= 0 ? x : Math.expm1(x)) },
  selu: { plain: (x) => SELU.scale * (x >= 0 ? x : SELU.alpha * Math.expm1(x)) },
  log: { plain: Math.log },
  log1p: { plain: Math.log1p },
  sqrt: { plain: Math.sqrt },
  rsqrt: { plain: (x) => 1 / Math.sqrt(x) },
  reciprocal: { plain: (x) => 1 / x },
  /** of x + plus; of scores of attention, which hold less and take a round less, where `scores` is 1 */
  relu: { plain: (x, { plus }) => Math.max(0, x + plus!), parameters: { plus: 0, scores: 0 } },
  relu2: { plain: (x, { plus }) => Math.max(0, x + plus!) ** 2, parameters: { plus: 0, scores: 0 } },
  relu4: { plain: (x, { plus }) => Math.max(0, x + plus!) ** 4, parameters: { plus: 0, scores: 0 } },
  relu6: { plain: (x) => Math.min(6, Math.max(0, x)) },
  leakyRelu: { plain: (x, { alpha }) => (x < 0 ? alpha! * x : x), parameters: { alpha: 0.2 } },
  abs: { plain: Math.abs },
  sign: { plain: Math.sign },
  clip: { plain: (x, { low, high }) => Math.min(high!, Math.max(low!, x)), parameters: { low: -2.5, high: 3.25 } },
  floor: { plain: Math.floor },
  ceil: { plain: Math.ceil },
  round: { plain: roundEven },
  less: { plain: (x, { than }) => Number(x < than!), parameters: { than: 0 } },
  atMost: { plain: (x, { than }) => Number(x <= than!), parameters: { than: 0 } },
  equal: { plain: (x, { to }) => Number(x === to), parameters: { to: 0.5 } },
} satisfies Record<string, RealFunction>;

/** Names of the elementwise operations of a graph. */
export type ElementwiseOp = keyof typeof functions;

/** The function that an operation is; undefined where it is not elementwise. */
export function functionOf(op: string): RealFunction | undefined {
  return Object.hasOwn(functions, op) ? (functions as Record<string, RealFunction>)[op] : undefined;
}

/** GeLU, x·Φ(x), or its form with tanh. */
export function geluOf(x: number, form: 'erf' | 'tanh' = 'erf'): number {
  return (
    (x / 2) * (1 + (form === 'erf' ? erf(x / Math.SQRT2) : Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))))
  );
}

/** p/Σp */
function shares(p: Float64Array): Float64Array {
  const total = p.reduce((a, b) => a + b, 0);
  return p.map((v) => v / total);
}

/** e^s/Σe^s of a row. */
export function softmaxRow(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return shares(row.map((v) => Math.exp(v - top)));
}

/** (s + c)²/Σ(s + c)², each weight times its mask if there is one. */
export function quadRow(row: Float64Array, c: number, mask?: Float64Array): Float64Array {
  return shares(row.map((v, i) => (v + c) ** 2 * (mask ? mask[i]! : 1)));
}

/** Mean and variance of a row. */
export function momentsOf(row: Float64Array): { mean: number; variance: number } {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  return { mean, variance: row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length };
}

/** (x − mean)/√(variance + ε) */
export function normalRow(row: Float64Array, epsilon: number): Float64Array {
  const { mean, variance } = momentsOf(row);
  return row.map((v) => (v - mean) / Math.sqrt(variance + epsilon));
}
