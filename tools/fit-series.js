// Fits of the trigonometric series that the protocols use: minimax by iteratively reweighted least squares (Lawson
// 1961). node tools/fit-series.js prints each function's coefficients and largest errors.

import { erf } from '@secformer/secformer-ops';

/** Solves min |A·c − y| by Householder QR; A is an array of rows. */
function leastSquares(A, y) {
  const m = A.length;
  const n = A[0].length;
  const R = A.map((row) => Float64Array.from(row));
  const b = Float64Array.from(y);
  for (let k = 0; k < n; k++) {
    let norm = 0;
    for (let i = k; i < m; i++) norm += R[i][k] ** 2;
    norm = Math.sqrt(norm) * (R[k][k] > 0 ? -1 : 1);
    const v = new Float64Array(m);
    for (let i = k; i < m; i++) v[i] = R[i][k];
    v[k] -= norm;
    let vv = 0;
    for (let i = k; i < m; i++) vv += v[i] ** 2;
    if (vv === 0) continue;
    for (let j = k; j < n; j++) {
      let s = 0;
      for (let i = k; i < m; i++) s += v[i] * R[i][j];
      s *= 2 / vv;
      for (let i = k; i < m; i++) R[i][j] -= s * v[i];
    }
    let s = 0;
    for (let i = k; i < m; i++) s += v[i] * b[i];
    s *= 2 / vv;
    for (let i = k; i < m; i++) b[i] -= s * v[i];
  }
  const c = new Float64Array(n);
  for (let k = n - 1; k >= 0; k--) {
    let s = b[k];
    for (let j = k + 1; j < n; j++) s -= R[k][j] * c[j];
    c[k] = s / R[k][k];
  }
  return c;
}

/**
 * @param ridge weight of the coefficients themselves: where the interval is a part of the period, they may be large for
 *   next to nothing, and the rounding of the tables is multiplied by them
 */
function minimax(basis, f, low, high, { points = 1200, iterations = 150, relative = false, ridge = 0 } = {}) {
  const x = Float64Array.from(
    { length: points },
    (_, i) => (low + high) / 2 - ((high - low) / 2) * Math.cos((Math.PI * (i + 0.5)) / points),
  );
  const A = Array.from(x, (v) => basis(v));
  const y = Array.from(x, f);
  const scale = y.map((v) => (relative ? 1 / Math.abs(v) : 1));
  let w = scale.map((v) => v);
  let best = { error: Number.POSITIVE_INFINITY, c: [] };
  for (let t = 0; t < iterations; t++) {
    const small = ridge === 0 ? [] : A[0].map((_, k) => A[0].map((_, i) => (i === k ? ridge : 0)));
    const c = leastSquares(
      [...A.map((row, i) => row.map((v) => v * w[i])), ...small],
      [...y.map((v, i) => v * w[i]), ...small.map(() => 0)],
    );
    const r = A.map((row, i) => Math.abs(row.reduce((s, v, k) => s + v * c[k], 0) - y[i]) * scale[i]);
    const error = Math.max(...r);
    if (error < best.error) best = { error, c: Array.from(c) };
    w = w.map((v, i) => v * (r[i] / error + 1e-4) ** 0.4);
    const top = Math.max(...w);
    w = w.map((v) => v / top);
  }
  return best;
}

const harmonics = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const cosines = (K, period) => (x) => harmonics(0, K).map((k) => Math.cos((2 * Math.PI * k * x) / period));
const sines = (K, period) => (x) => harmonics(1, K).map((k) => Math.sin((2 * Math.PI * k * x) / period));
const both = (K, period) => (x) => [...cosines(K, period)(x), ...sines(K, period)(x)];
const edge = 2 ** -4;
const gelu = (x) => (x * erf(x / Math.SQRT2)) / 2;
const geluTanh = (x) => (x * Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) / 2;

const fits = {
  'gelu, erf form: x·erf(x/√2)/2, cosines of period 16, |x| ≤ 4.5': () => minimax(cosines(8, 16), gelu, 0, 4.5 + edge),
  'gelu, tanh form: x·tanh(√(2/π)(x + 0.044715x³))/2, cosines of period 16, |x| ≤ 4.5': () =>
    minimax(cosines(8, 16), geluTanh, 0, 4.5 + edge),
  'gelu, erf form, period 64/5, |x| ≤ 4.5': () => minimax(cosines(7, 64 / 5), gelu, 0, 4.5 + edge),
  'gelu, tanh form, period 64/5, |x| ≤ 4.5': () => minimax(cosines(7, 64 / 5), geluTanh, 0, 4.5 + edge),
  'gelu, erf form for operands of 13 bits, |x| ≤ 5': () => minimax(cosines(8, 16), gelu, 0, 5),
  'gelu, tanh form for operands of 13 bits, |x| ≤ 5': () => minimax(cosines(8, 16), geluTanh, 0, 5),
  'gelu, erf form for operands of 13 bits, period 256/19, |x| ≤ 5': () => minimax(cosines(7, 256 / 19), gelu, 0, 5),
  'gelu, tanh form for operands of 13 bits, period 256/19, |x| ≤ 5': () =>
    minimax(cosines(7, 256 / 19), geluTanh, 0, 5),
  'tanh, sines of period 16, |x| ≤ 5.5': () => minimax(sines(14, 16), Math.tanh, 0, 5.5 + edge),
  'erf, sines of period 16, |x| ≤ 5': () => minimax(sines(14, 16), erf, 0, 5 + edge),
  'silu: x·tanh(x/2)/2, cosines of period 32, |x| ≤ 14': () =>
    minimax(cosines(20, 32), (x) => (x * Math.tanh(x / 2)) / 2, 0, 14 + edge),
  'softplus: ln(2cosh(x/2)), cosines of period 32, |x| ≤ 12': () =>
    minimax(cosines(16, 32), (x) => Math.log(2 * Math.cosh(x / 2)), 0, 12 + edge),
  '1/v, period 4, [1, 2], relative': () => minimax(both(5, 4), (v) => 1 / v, 1, 2, { relative: true }),
  '1/√v, period 4, [1, 2], relative': () => minimax(both(5, 4), (v) => v ** -0.5, 1, 2, { relative: true }),
  '√v, period 4, [1, 2], relative': () => minimax(both(5, 4), Math.sqrt, 1, 2, { relative: true }),
  'ln v, period 4, [1, 2]': () => minimax(both(5, 4), Math.log, 1, 2),
  '1/v, period 8, [7/8, 4], relative': () =>
    minimax(both(9, 8), (v) => 1 / v, 7 / 8, 4, { relative: true, ridge: 1e-5 }),
  '1/√v, period 8, [7/8, 4], relative': () =>
    minimax(both(9, 8), (v) => v ** -0.5, 7 / 8, 4, { relative: true, ridge: 3e-6 }),
};

if (import.meta.filename === process.argv[1]) {
  for (const [name, fit] of Object.entries(fits)) {
    const { error, c } = fit();
    console.log(`${name}\n  error ${error.toExponential(2)}\n  ${c.map((v) => v.toFixed(10)).join(', ')}`);
  }
}
