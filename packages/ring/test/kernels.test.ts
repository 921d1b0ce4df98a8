import test from 'ava';
import fc from 'fast-check';
import { bytesOf, loadKernels, maskOf, packedBytes, type Words } from '../src/index.js';

const kernels = await loadKernels();
const M = maskOf(64);
const word = fc.bigInt({ min: 0n, max: M });
// Lengths on both sides of the chunk of 8,192 elements and of the 64 bits of a plane
const length = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(8191, 8192, 8193, 16500));
const seeded = (n: number, seed: number): Words => {
  const key = new Uint8Array(32).fill(seed);
  const out = new BigUint64Array(n);
  kernels.chacha20(key, bytesOf(out));
  return out;
};

test('add, sub, mul, and, xor agree with BigInt', (t) => {
  const ops: Record<'add' | 'sub' | 'mul' | 'and' | 'xor', (a: bigint, b: bigint) => bigint> = {
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    and: (a, b) => a & b,
    xor: (a, b) => a ^ b,
  };
  fc.assert(
    fc.property(length, fc.nat(255), (n, s) => {
      const a = seeded(n, s);
      const b = seeded(n, s ^ 1);
      for (const [name, f] of Object.entries(ops)) {
        const out = new BigUint64Array(n);
        kernels[name as keyof typeof ops](out, a, b);
        for (let i = 0; i < n; i++) if (out[i] !== BigInt.asUintN(64, f(a[i]!, b[i]!))) return false;
      }
      return true;
    }),
    { numRuns: 25 },
  );
  t.pass();
});

test('affine reduces modulo 2^bits', (t) => {
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 70 }),
      word,
      word,
      fc.integer({ min: 1, max: 64 }),
      (v, c, o, bits) => {
        const out = new BigUint64Array(v.length);
        kernels.affine(out, BigUint64Array.from(v), c, o, bits);
        return v.every((x, i) => out[i] === ((x * c + o) & maskOf(bits)));
      },
    ),
  );
  t.pass();
});

test('pack and unpack are inverse for every width, and pack is least significant bit first', (t) => {
  fc.assert(
    fc.property(length, fc.integer({ min: 1, max: 64 }), fc.nat(255), (n, bits, s) => {
      const a = seeded(n, s);
      const packed = new Uint8Array(packedBytes(n, bits));
      kernels.pack(packed, a, bits);
      const back = new BigUint64Array(n);
      kernels.unpack(back, packed, bits);
      return back.every((x, i) => x === (a[i]! & maskOf(bits)));
    }),
    { numRuns: 150 },
  );
  const one = new Uint8Array(2);
  kernels.pack(one, BigUint64Array.of(0b101n, 0b001n, 0b110n), 3);
  t.deepEqual([...one], [0b10001101, 0b1]);
});

test('matrix product agrees with BigInt, for both transposes and sizes around the blocks', (t) => {
  const size = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(127, 128, 130));
  const depth = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(255, 257));
  const wide = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(513));
  fc.assert(
    fc.property(size, depth, wide, fc.boolean(), fc.boolean(), (m, k, n, transposeA, transposeB) => {
      const a = seeded(m * k, 3);
      const b = seeded(k * n, 4);
      const out = new BigUint64Array(m * n);
      kernels.matMul(out, a, b, { m, k, n, transposeA, transposeB });
      const spots = [0, out.length - 1, Math.floor(out.length / 2), Math.min(out.length - 1, n)];
      return spots.every((at) => {
        const i = Math.floor(at / n);
        const j = at % n;
        let s = 0n;
        for (let p = 0; p < k; p++)
          s += a[transposeA ? p * m + i : i * k + p]! * b[transposeB ? j * k + p : p * n + j]!;
        return out[at] === (s & M);
      });
    }),
    { numRuns: 60 },
  );
  t.pass();
});

/** Whether a sparse factor [rows, k] with `each` entries in a column, times B [k, n], is what it is written out. */
function sparseAgrees(rows: number, k: number, each: number, n: number): boolean {
  const [entries, b] = [seeded(k * each, 3), seeded(k * n, 4)];
  const targets = Int32Array.from(seeded(k * each, 5), (w) => Number(w % BigInt(rows)));
  const full = new BigUint64Array(rows * k);
  targets.forEach((r, at) => {
    const place = r * k + Math.floor(at / each);
    full[place] = full[place]! + entries[at]!;
  });
  const [want, got] = [new BigUint64Array(rows * n), new BigUint64Array(rows * n)];
  kernels.matMul(want, full, b, { m: rows, k, n, bits: 33 });
  kernels.sparseMatMul(got, entries, b, { rows, targets }, 33);
  return got.every((x, i) => x === want[i]);
}

test('a product with a sparse left factor agrees with that of the same factor written out', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 20 }),
      sparseAgrees,
    ),
    { numRuns: 60 },
  );
  // Columns beyond a tile, rows beyond a block of them, more rows of the product than entries, and few with many
  for (const [rows, k, each, n] of [
    [9, 512, 6, 64],
    [3, 1100, 6, 131],
    [2000, 513, 1, 65],
    [1, 600, 2, 16],
    [3, 4, 0, 5],
  ] as const)
    t.true(sparseAgrees(rows, k, each, n), `${rows} rows, ${k} of ${each} entries, ${n} columns`);
  t.pass();
});

test('row sums agree with BigInt, rows longer than a chunk included', (t) => {
  for (const [rows, cols] of [
    [3, 5],
    [1, 20000],
    [700, 33],
  ] as const) {
    const a = seeded(rows * cols, 9);
    const out = new BigUint64Array(rows);
    kernels.rowSum(out, a, rows);
    for (const r of [0, rows - 1]) {
      let s = 0n;
      for (let j = 0; j < cols; j++) s += a[r * cols + j]!;
      t.is(out[r], s & M);
    }
  }
});

test('encode rounds to nearest, decode is its inverse and keeps the sign', (t) => {
  const v = Float32Array.of(0, 1, -1, 0.5 / 65536, 1.5 / 65536, -0.6 / 65536, 1234.5678, -16000);
  const out = new BigUint64Array(v.length);
  kernels.encode(out, v, 16);
  t.deepEqual(
    [...out].map((x) => Number(BigInt.asIntN(64, x))),
    [0, 65536, -65536, 0, 2, -1, Math.round(v[6]! * 65536), -16000 * 65536],
  );
  const back = new Float64Array(v.length);
  kernels.decode(back, out, 48, 16);
  t.true(back.every((x, i) => Math.abs(x - v[i]!) <= 2 ** -17));
});

test('opening mask and lift: the drop of s bits is the floor or the ceiling, for every size in range', (t) => {
  const n = 5000;
  const k = 32;
  const s = 16;
  const x = new BigUint64Array(n);
  const noise = seeded(n, 1);
  for (let i = 0; i < n; i++) x[i] = BigInt.asUintN(64, BigInt.asIntN(46, noise[i]!));
  x[0] = BigInt.asUintN(64, -(2n ** 46n));
  x[1] = (2n ** 30n - 1n) << 16n;
  const x0 = seeded(n, 2);
  const x1 = new BigUint64Array(n);
  kernels.sub(x1, x, x0);
  const draw = (seed: number, bits: number) => {
    const out = seeded(n, seed);
    kernels.affine(out, out, 1n, 0n, bits);
    return out;
  };
  const [r0, r1, w0, wh0] = [draw(5, k), draw(6, k), draw(7, 64 - k), draw(8, 64 - k)];
  const w1 = new BigUint64Array(n);
  const wh1 = new BigUint64Array(n);
  for (let i = 0; i < n; i++) {
    const total = r0[i]! + r1[i]!;
    const w = total >> BigInt(k);
    const h = (total >> BigInt(k - 1)) & 1n;
    w1[i] = (w - w0[i]!) & maskOf(64 - k);
    wh1[i] = (w + h - wh0[i]!) & maskOf(64 - k);
  }
  const offset = 1n << BigInt(k - 2);
  const y0 = new BigUint64Array(n);
  const y1 = new BigUint64Array(n);
  kernels.maskForOpening(y0, x0, r0, {
    offset: (offset << BigInt(s)) + (1n << BigInt(s)) - 1n,
    bits: 64,
    shift: s,
    width: k,
  });
  kernels.maskForOpening(y1, x1, r1, { offset: 0n, bits: 64, shift: s, width: k });
  const m = new BigUint64Array(n);
  kernels.add(m, y0, y1);
  kernels.affine(m, m, 1n, 0n, k);
  const z0 = new BigUint64Array(n);
  const z1 = new BigUint64Array(n);
  kernels.lift(z0, m, r0, w0, wh0, k, offset, true);
  kernels.lift(z1, m, r1, w1, wh1, k, offset, false);
  kernels.add(z0, z0, z1);
  let worst = 0;
  for (let i = 0; i < n; i++) {
    const exact = Number(BigInt.asIntN(64, x[i]!)) / 2 ** s;
    worst = Math.max(worst, Math.abs(Number(BigInt.asIntN(64, z0[i]!)) - exact));
  }
  t.true(worst <= 1, `off by ${worst}`);
});

test('comparison tables and picks: the entry is [t < r] and [t = r] of the chunk', (t) => {
  const n = 8200;
  const r = seeded(n, 11);
  const m = seeded(n, 12);
  const tau = 77n;
  for (const [position, width, kind] of [
    [0, 4, 'lt'],
    [4, 4, 'eq'],
    [8, 3, 'both'],
  ] as const) {
    const table = new Uint16Array(n);
    kernels.chunkTables(table, r, { position, width, kind });
    const plane = new BigUint64Array(Math.ceil(n / 64));
    kernels.pick(plane, m, table, m.length, tau, [{ table: 0, plane: 0, position, width, base: 0 }]);
    const equal = new BigUint64Array(Math.ceil(n / 64));
    if (kind === 'both')
      kernels.pick(equal, m, table, m.length, tau, [{ table: 0, plane: 0, position, width, base: 8 }]);
    let wrong = 0;
    for (let i = 0; i < n; i++) {
      const a = ((m[i]! - tau) >> BigInt(position)) & maskOf(width);
      const b = (r[i]! >> BigInt(position)) & maskOf(width);
      const bit = (plane[i >> 6]! >> BigInt(i & 63)) & 1n;
      if (bit !== ((kind === 'eq' ? a === b : a < b) ? 1n : 0n)) wrong++;
      if (kind === 'both' && ((equal[i >> 6]! >> BigInt(i & 63)) & 1n) !== (a === b ? 1n : 0n)) wrong++;
    }
    t.is(wrong, 0, kind);
  }
});

test('series: the combine of the dealer’s tables is the series of the difference of the angles', (t) => {
  const n = 3000;
  const r = seeded(n, 21);
  const m = seeded(n, 22);
  for (const step of [undefined, 5]) {
    const how = { period: 20, step, harmonics: 3, fracBits: 24 };
    const tables = new BigUint64Array(2 * how.harmonics * n);
    kernels.trigTables(tables, r, how);
    const out = new BigUint64Array(n);
    const q = Float64Array.of(0.5, -0.25, 1.5, 0.75, 0, 0.125);
    kernels.trigCombine(out, m, tables, q, how);
    let worst = 0;
    for (let i = 0; i < n; i++) {
      const angle = (Number((m[i]! - r[i]!) & 0xfffffn) * (step ?? 1) * 2 * Math.PI) / 2 ** 20;
      let want = 0;
      for (let k = 1; k <= 3; k++) want += q[2 * k - 2]! * Math.cos(k * angle) + q[2 * k - 1]! * Math.sin(k * angle);
      worst = Math.max(worst, Math.abs(Number(BigInt.asIntN(64, out[i]!)) / 2 ** 48 - want));
    }
    // Six products of values rounded to 2^-25 each
    t.true(worst < 6 * 2 ** -24, `off by ${worst}`);
  }
  for (const bad of [{ period: 25 }, { period: 20, step: 0 }, { period: 20, step: 1.5 }, { period: 20, step: 256 }])
    t.throws(() => kernels.trigTables(new BigUint64Array(2 * n), r, { ...bad, harmonics: 1, fracBits: 24 }), {
      code: 'KERNEL_ARGUMENT',
      message: /harmonic/,
    });
});
