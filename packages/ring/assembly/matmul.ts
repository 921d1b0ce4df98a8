// Matrix product mod 2^64, with half of the products (S. Winograd, A new algorithm for inner product, 1968):
//   x1·y1 + x2·y2 = (x1 + y2)(x2 + y1) − x1·x2 − y1·y2,
// the last two once for a row of A and for a column of B. B is packed in panels of 4 columns, so that the inner loop
// reads both in order and keeps its sums in registers. Scalar on purpose: one 64-bit multiply a cycle beats the three
// 32-bit ones that SIMD128 needs.

// Every row, with a zero more where its length is odd, and the sum of its pairs' products
export function packA(o: usize, a: usize, rows: i32, k: i32, rowStep: usize, kStep: usize): void {
  for (let i = 0; i < rows; i++, a += rowStep) {
    let sum: u64 = 0;
    let at = a;
    for (let p = 0; p < k; p += 2, o += 16, at += kStep << 1) {
      const first = load<u64>(at);
      const second = p + 1 < k ? load<u64>(at + kStep) : 0;
      store<u64>(o, first);
      store<u64>(o, second, 8);
      sum += first * second;
    }
    store<u64>(o, sum);
    o += 8;
  }
}

// Panels of 4 columns, zeros for those that are not there, row by row, with a row of zeros more where their number is
// odd; after all, the sums of the columns' pairs
export function packB(o: usize, b: usize, cols: i32, k: i32, colStep: usize, kStep: usize): void {
  for (let i = 0; i < cols; i += 4) {
    const left = min(4, cols - i);
    const sums = o + (<usize>((k + 1) >> 1) << 6);
    memory.fill(sums, 0, 32);
    let at = b + <usize>i * colStep;
    for (let p = 0; p < k; p += 2, o += 64, at += kStep << 1) {
      for (let j: usize = 0; j < 32; j += 8) {
        const from = at + (j >> 3) * colStep;
        const there = <i32>j < left << 3;
        const first = there ? load<u64>(from) : 0;
        const second = there && p + 1 < k ? load<u64>(from + kStep) : 0;
        store<u64>(o + j, first);
        store<u64>(o + j, second, 32);
        store<u64>(sums + j, load<u64>(sums + j) + first * second);
      }
    }
    o += 32;
  }
}

// C[rows×cols] += A·B, cols a multiple of 4, C with `cols` words a row
export function multiply(c: usize, a: usize, b: usize, rows: i32, cols: i32, k: i32): void {
  const length = <usize>((k + 1) >> 1) << 4;
  for (let i = 0; i < rows; i++, a += length + 8) {
    let y = b;
    for (let j = 0; j < cols; j += 4, c += 32, y += 32) {
      let s0: u64 = 0, s1: u64 = 0, s2: u64 = 0, s3: u64 = 0;
      let x = a;
      for (const end = a + length; x < end; x += 16, y += 64) {
        const x1 = load<u64>(x);
        const x2 = load<u64>(x, 8);
        s0 += (x1 + load<u64>(y, 32)) * (x2 + load<u64>(y));
        s1 += (x1 + load<u64>(y, 40)) * (x2 + load<u64>(y, 8));
        s2 += (x1 + load<u64>(y, 48)) * (x2 + load<u64>(y, 16));
        s3 += (x1 + load<u64>(y, 56)) * (x2 + load<u64>(y, 24));
      }
      const row = load<u64>(x);
      store<u64>(c, load<u64>(c) + s0 - row - load<u64>(y));
      store<u64>(c, load<u64>(c, 8) + s1 - row - load<u64>(y, 8), 8);
      store<u64>(c, load<u64>(c, 16) + s2 - row - load<u64>(y, 16), 16);
      store<u64>(c, load<u64>(c, 24) + s3 - row - load<u64>(y, 24), 24);
    }
  }
}
