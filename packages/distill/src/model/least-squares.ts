/** Linear least squares with a ridge, in double precision. */

/**
 * W, [n, m], with the least ‖X·W − Y‖² + r·‖W‖², r being `ridge` times the mean of the squares that XᵀX has on its
 * diagonal (Hoerl and Kennard 1970), by Cholesky's factors of XᵀX + r·1.
 * @param gram XᵀX, [n, n]; it is written over
 * @param right XᵀY, [n, m]; it is written over with W
 * @param ridge above 0, so that features that say the same do not matter
 * @throws RangeError where XᵀX + r·1 is not positive definite, or W no finite number
 */
export function leastSquares(gram: Float64Array, right: Float64Array, n: number, m: number, ridge: number): void {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i]!;
  for (let i = 0; i < n; i++) gram[i * n + i] = gram[i * n + i]! + (ridge * trace) / n;
  factor(gram, n);
  // L·V = right, row after row, then Lᵀ·W = V
  for (let i = 0; i < n; i++) {
    const row = right.subarray(i * m, (i + 1) * m);
    for (let k = 0; k < i; k++) subtract(row, right.subarray(k * m, (k + 1) * m), gram[i * n + k]!);
    divide(row, gram[i * n + i]!);
  }
  for (let i = n - 1; i >= 0; i--) {
    const row = right.subarray(i * m, (i + 1) * m);
    for (let k = i + 1; k < n; k++) subtract(row, right.subarray(k * m, (k + 1) * m), gram[k * n + i]!);
    divide(row, gram[i * n + i]!);
  }
  if (!right.every(Number.isFinite)) throw new RangeError('what is found is no finite number');
}

/** L of A = L·Lᵀ, in A's place; what is above the diagonal stays. */
function factor(a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const row = a.subarray(i * n, i * n + i);
    for (let j = 0; j <= i; j++) {
      const other = a.subarray(j * n, j * n + j);
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= row[k]! * other[k]!;
      if (i > j) a[i * n + j] = sum / a[j * n + j]!;
      else if (sum > 0) a[i * n + i] = Math.sqrt(sum);
      else throw new RangeError(`row ${i} of ${n}: the matrix is not positive definite`);
    }
  }
}

function subtract(from: Float64Array, row: Float64Array, times: number): void {
  for (let i = 0; i < from.length; i++) from[i] = from[i]! - times * row[i]!;
}

function divide(row: Float64Array, by: number): void {
  for (let i = 0; i < row.length; i++) row[i] = row[i]! / by;
}
