/** Are bytes equally likely, and do two samples of them differ? */

/**
 * Upper 1e-6 quantile of chi-square with 255 degrees of freedom (Wilson–Hilferty): one false alarm in a million tests.
 */
export const BAR = 255 * (1 - 2 / (9 * 255) + 4.7534 * Math.sqrt(2 / (9 * 255))) ** 3;
/** Fewer bytes than this tell nothing: five of each value. */
export const LEAST = 5 * 256;

function histogram(bytes: Uint8Array): Float64Array {
  const counts = new Float64Array(256);
  for (const b of bytes) counts[b] = counts[b]! + 1;
  return counts;
}

/** Chi-square against uniform. */
export function chiSquare(bytes: Uint8Array): number {
  const want = bytes.length / 256;
  return histogram(bytes).reduce((s, c) => s + (c - want) ** 2 / want, 0);
}

/** Chi-square of two samples against each other. */
export function chiSquareOfTwo(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [histogram(a), histogram(b)];
  const [p, q] = [Math.sqrt(b.length / a.length), Math.sqrt(a.length / b.length)];
  return x.reduce((s, c, i) => {
    const both = c + y[i]!;
    return both === 0 ? s : s + (p * c - q * y[i]!) ** 2 / both;
  }, 0);
}
