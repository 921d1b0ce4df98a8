import test from 'ava';
import fc from 'fast-check';
import {
  availableKernels,
  type Kernels,
  loadKernels,
  type PackedMatrix,
  planeWords,
  SecformerError,
  sizeOf,
  stridesOf,
  type Words,
} from '../src/index.js';

const wasm = await loadKernels('wasm');
const native = availableKernels().filter((k) => k !== 'wasm');
const bytes = (n: number, seed: number) => {
  const out = new Uint8Array(n);
  wasm.chacha20(new Uint8Array(32).fill(seed), out);
  return out;
};
const words = (n: number, seed: number): Words => new BigUint64Array(bytes(8 * n, seed).buffer);
const plane = (n: number, seed: number) => words(planeWords(n), seed);
const floats = (n: number, seed: number) =>
  Float32Array.from(new Int32Array(bytes(4 * n, seed).buffer), (v) => v / 2 ** 18);
const length = fc.oneof(fc.integer({ min: 0, max: 150 }), fc.constantFrom(511, 512, 513, 8193, 9000));

/** Every kernel on random arguments: what it writes. */
const calls: Record<string, (k: Kernels, n: number, s: number) => ArrayBufferView> = {
  add: (k, n, s) => into(new BigUint64Array(n), (o) => k.add(o, words(n, s), words(n, s + 1))),
  sub: (k, n, s) => into(new BigUint64Array(n), (o) => k.sub(o, words(n, s), words(n, s + 1))),
  lessTwice: (k, n, s) => into(new BigUint64Array(n), (o) => k.lessTwice(o, words(n, s), words(n, s + 1))),
  mul: (k, n, s) => into(new BigUint64Array(n), (o) => k.mul(o, words(n, s), words(n, s + 1))),
  and: (k, n, s) => into(new BigUint64Array(n), (o) => k.and(o, words(n, s), words(n, s + 1))),
  xor: (k, n, s) => into(new BigUint64Array(n), (o) => k.xor(o, words(n, s), words(n, s + 1))),
  'in place': (k, n, s) => into(words(n, s), (o) => k.add(o, o, o)),
  affine: (k, n, s) =>
    into(new BigUint64Array(n), (o) =>
      k.affine(o, words(n, s), words(1, s + 2)[0]!, words(1, s + 3)[0]!, (s % 64) + 1),
    ),
  rowSum: (k, n, s) => into(new BigUint64Array(n % 40), (o) => k.rowSum(o, words((n % 40) * 33, s), n % 40)),
  chacha20: (k, n, s) => into(new Uint8Array(n), (o) => k.chacha20(bytes(32, s), o, s, bytes(12, s + 1))),
  streamWords: (k, n, s) => into(new BigUint64Array(n), (o) => k.streamWords(bytes(32, s), o, s, (s % 64) + 1)),
  streamDifference: (k, n, s) =>
    into(new Uint8Array(Math.ceil((n * ((s % 64) + 1)) / 8)), (o) =>
      k.streamDifference(bytes(32, s), o, words(n, s + 1), s, (s % 64) + 1),
    ),
  pack: (k, n, s) =>
    into(new Uint8Array(Math.ceil((n * ((s % 64) + 1)) / 8)), (o) => k.pack(o, words(n, s), (s % 64) + 1)),
  unpack: (k, n, s) =>
    into(new BigUint64Array(n), (o) => k.unpack(o, bytes(Math.ceil((n * ((s % 64) + 1)) / 8), s), (s % 64) + 1)),
  unpackSum: (k, n, s) => {
    const size = Math.ceil((n * ((s % 64) + 1)) / 8);
    return into(new BigUint64Array(n), (o) => k.unpackSum(o, bytes(size, s), bytes(size, s + 1), (s % 64) + 1));
  },
  packOpening: (k, n, s) => {
    const width = (s % 63) + 2;
    const how = { offset: words(1, s)[0]!, bits: (s % 64) + 1, shift: s % 17, width };
    return into(new Uint8Array(Math.ceil((n * width) / 8)), (o) => k.packOpening(o, words(n, s), words(n, s + 1), how));
  },
  gather: (k, n, s) => {
    // A view of a random array: its axes in some order, cut, one of them broadcast
    const shape = [(n % 5) + 1, (s % 4) + 1, (n % 19) + 1, (s % 3) + 1];
    const own = stridesOf(shape);
    const order = [0, 1, 2, 3].sort((i, j) => ((s * 7 + i * 3) % 5) - ((s * 7 + j * 3) % 5));
    const cut = order.map((i) => shape[i]! - (s % 2 && shape[i]! > 1 ? 1 : 0));
    const strides = order.map((i, at) => (at === s % 5 ? 0 : own[i]!));
    return into(new BigUint64Array(sizeOf(cut)), (o) => k.gather(o, words(sizeOf(shape), s), cut, strides, 0));
  },
  choose: (k, n, s) =>
    into(new BigUint64Array(n), (o) => k.choose(o, words(n, s), words(n, s + 1), words(n, s + 2), s % 64)),
  encode: (k, n, s) => into(new BigUint64Array(n), (o) => k.encode(o, floats(n, s), s % 40)),
  decode: (k, n, s) => into(new Float64Array(n), (o) => k.decode(o, words(n, s), (s % 64) + 1, s % 60)),
  maskForOpening: (k, n, s) =>
    into(new BigUint64Array(n), (o) =>
      k.maskForOpening(o, words(n, s), words(n, s + 1), {
        offset: words(1, s)[0]!,
        bits: (s % 64) + 1,
        shift: s % 17,
        width: (s % 48) + 2,
      }),
    ),
  lift: (k, n, s) =>
    into(new BigUint64Array(n), (o) =>
      k.lift(
        o,
        words(n, s).map((v) => v & 0xffff_ffffn),
        words(n, 1),
        words(n, 2),
        words(n, 3),
        32,
        1n << 30n,
        s % 2 === 0,
      ),
    ),
  extend: (k, n, s) =>
    into(new BigUint64Array(2 * n), (o) => {
      const from = {
        m: words(n, s).map((v) => v & 0xff_ffffn),
        share: words(n, s + 1),
        wrapSet: words(n, s + 2),
        wrapClear: words(n, s + 3),
      };
      k.extend(o.subarray(0, n), o.subarray(n), from, words(n, s + 4), words(n, s + 5), {
        k: 24,
        bits: 25 + (s % 40),
        offset: 1n << 22n,
        first: s % 2 === 0,
      });
    }),
  chunkTables: (k, n, s) =>
    into(new Uint16Array(n), (o) =>
      k.chunkTables(o, words(n, s), {
        position: s % 60,
        width: s % 3 === 2 ? 3 : 4,
        kind: (['lt', 'eq', 'both'] as const)[s % 3]!,
      }),
    ),
  'chunkTables of five bits': (k, n, s) =>
    into(new Uint16Array(n), (o) =>
      k.chunkTables(o, words(n, s), { position: s % 60, width: 5, kind: s & 1 ? 'lt' : 'eq', from: s & 2 ? 16 : 0 }),
    ),
  pick: (k, n, s) =>
    into(new BigUint64Array(3 * planeWords(n)), (o) => {
      const stride = n + (s % 3);
      const row = (i: number) =>
        ({
          table: (i + s) % 4,
          plane: (i + s) % 3,
          position: (s + 5 * i) % 60,
          width: (s + i) % 2 ? 3 : 4,
          base: (s + i) % 2 ? 8 : 0,
        }) as const;
      k.pick(o, words(n, s), new Uint16Array(bytes(8 * stride, s).buffer), stride, words(1, s)[0]!, [row(0), row(1)]);
    }),
  parities: (k, n, s) =>
    into(new Uint32Array((s % 64) + 1).fill(s), (o) =>
      k.parities(o, new Uint32Array(bytes(4 * n, s).buffer), new Uint32Array(bytes(4 * (n + 64), s + 1).buffer)),
    ),
  bitPlane: (k, n, s) => into(plane(n, 0).fill(0n), (o) => k.bitPlane(o, words(n, s), words(1, s)[0]!, s % 64)),
  planeToWords: (k, n, s) => into(new BigUint64Array(n), (o) => k.planeToWords(o, plane(n, s))),
  bitShare: (k, n, s) => into(new BigUint64Array(n), (o) => k.bitShare(o, plane(n, s), words(n, s + 1), s % 2 === 0)),
  bitMultiply: (k, n, s) =>
    into(new BigUint64Array(n), (o) =>
      k.bitMultiply(
        o,
        plane(n, s),
        words(n, s),
        words(n, 5).map((v) => v >> 32n),
        words(n, 6),
        words(n, 7),
        words(n, 8),
        32,
        1n << 30n,
        s % 2 === 0,
      ),
    ),
  maskedProduct: (k, n, s) => {
    const size = planeWords(n);
    const count = (s % 4) + 1;
    const variables = Int32Array.from({ length: count }, (_, i) => (i * 3 + s) % 5);
    const sets = Int32Array.from({ length: 2 ** count }, (_, i) => (i * 5 + s) % 11);
    return into(words(size, s), (o) =>
      k.maskedProduct(
        o,
        words(5 * size, s + 1),
        words(5 * size, s + 2),
        words(11 * size, s + 3),
        { variables, sets },
        s % 2 === 0,
      ),
    );
  },
  trigTables: (k, n, s) =>
    into(new BigUint64Array(2 * 9 * n), (o) =>
      k.trigTables(o, words(n, s), { period: 2 + (s % 23), step: 1 + (s % 7), harmonics: 9, fracBits: 18 + (s % 12) }),
    ),
  trigCombine: (k, n, s) =>
    into(new BigUint64Array(n), (o) => {
      const coefficients = Float64Array.from(floats(2 * 7, s), (v) => v / 2 ** 12);
      k.trigCombine(o, words(n, s), words(2 * 7 * n, s + 1), coefficients, {
        period: 2 + (s % 23),
        step: 1 + (s % 5),
        harmonics: 7,
        fracBits: 18 + (s % 12),
      });
    }),
  expTables: (k, n, s) =>
    into(new BigUint64Array(4 * n), (o) => k.expTables(o, words(n, s), plane(n, s + 1), 19 + (s % 2))),
  expCombine: (k, n, s) =>
    into(new BigUint64Array(n), (o) =>
      k.expCombine(o, words(n, s), plane(n, s + 1), words(4 * n, s + 2), 0.5 + (s % 50) / 100, 19 + (s % 2)),
    ),
  matMul: (k, n, s) => {
    const { a, b, shape } = matrices(n, s);
    return into(new BigUint64Array(shape.m * shape.n), (o) => k.matMul(o, a, b, shape));
  },
  'matMul, its right operand packed': (k, n, s) => {
    const { a, b, shape } = matrices(n, s);
    return into(new BigUint64Array(shape.m * shape.n), (o) => k.matMul(o, a, k.packMatrix(b, shape), shape));
  },
  // Sums of products are largest where every word is
  'matMul of the largest words': (k, n, s) => {
    const { a, b, shape } = matrices(n, s);
    return into(new BigUint64Array(shape.m * shape.n), (o) =>
      k.matMul(o, a.fill(2n ** 64n - 1n), s % 2 ? b : b.fill(2n ** 64n - 1n), shape),
    );
  },
  sparseMatMul: (k, n, s) => {
    const [rows, each, cols, depth] = [(s % 9) + 1, (s % 3) + 1, ((n * 7 + s) % 600) + 1, (n % 50) + 1];
    const targets = Int32Array.from(words(each * depth, s), (w) => Number(w % BigInt(rows)));
    return into(new BigUint64Array(rows * cols), (o) =>
      k.sparseMatMul(
        o,
        words(each * depth, s + 1),
        words(depth * cols, s + 2),
        { rows, targets },
        s % 5 === 0 ? 64 : (s % 64) + 1,
      ),
    );
  },
  'packMatrix, there and back': (k, n, s) => {
    const { b, shape } = matrices(n, s);
    const below = b.map((w) => BigInt.asUintN(shape.bits, w));
    return into(new BigUint64Array(b.length), (o) => k.unpackMatrix(o, k.packMatrix(below, shape)));
  },
};

function matrices(n: number, s: number) {
  const [m, k, cols] = [(n % 40) + 1, (s % 60) * (n > 8000 ? 9 : 1) + 1, ((n * 7 + s) % 70) + 1];
  const shape = {
    m,
    k,
    n: cols,
    transposeA: s % 2 === 0,
    transposeB: s % 3 === 0,
    bits: s % 5 === 0 ? 64 : (s % 64) + 1,
  };
  return { a: words(m * k, s), b: words(k * cols, s + 1), shape };
}

function into<A extends ArrayBufferView>(out: A, f: (out: A) => void): A {
  f(out);
  return out;
}

/** What lies beyond a plane's last element is nobody's. */
const asBytes = (a: ArrayBufferView) => Buffer.from(a.buffer, a.byteOffset, a.byteLength);

test('what there is includes WebAssembly, and an unknown name is refused with what there is', async (t) => {
  t.is(availableKernels().at(-1), 'wasm');
  await t.throwsAsync(() => loadKernels('quantum'), {
    instanceOf: SecformerError,
    message: /no kernels 'quantum' here, only .*wasm/,
  });
  t.is((await loadKernels('auto')).name, availableKernels()[0]);
});

for (const name of native) {
  for (const [kernel, call] of Object.entries(calls)) {
    test(`${name}: ${kernel} as in WebAssembly, bit for bit`, async (t) => {
      const k = await loadKernels(name);
      fc.assert(
        fc.property(length, fc.nat(200), (n, s) => asBytes(call(k, n, s)).equals(asBytes(call(wasm, n, s)))),
        { numRuns: 40 },
      );
      t.pass();
    });
  }

  test(`${name}: every kernel of many elements is the same on several threads`, async (t) => {
    const k = await loadKernels(name);
    const n = 3 * 2 ** 16 + 77;
    for (const [kernel, call] of Object.entries(calls)) {
      const want = asBytes(call(wasm, n, 41));
      for (const threads of [1, 3]) {
        k.threads = threads;
        t.true(asBytes(call(k, n, 41)).equals(want), `${kernel}, ${threads} threads`);
      }
      k.threads = 1;
    }
  });

  test(`${name}: a product made by several threads is the same`, async (t) => {
    const k = await loadKernels(name);
    for (const [m, depth, n, bits] of [
      [128, 256, 300, 49],
      [64, 513, 257, 64],
      [200, 300, 1500, 33],
    ] as const) {
      const [a, b] = [words(m * depth, 1), words(depth * n, 2)];
      const shape = { m, k: depth, n, bits };
      const product = (threads: number, right: BigUint64Array | PackedMatrix) => {
        k.threads = threads;
        return asBytes(into(new BigUint64Array(m * n), (o) => k.matMul(o, a, right, shape)));
      };
      const alone = product(1, b);
      for (const threads of [2, 3, 100]) {
        t.true(product(threads, b).equals(alone));
        t.true(product(threads, k.packMatrix(b, shape)).equals(alone));
      }
      k.threads = 1;
    }
  });

  test(`${name}: sparse products and tables of sines made by several threads are the same`, async (t) => {
    const k = await loadKernels(name);
    const [length, n, rows] = [3000, 520, 40];
    const targets = Int32Array.from(words(length * 6, 1), (w) => Number(w % BigInt(rows)));
    const make = (threads: number) => {
      k.threads = threads;
      return [
        asBytes(
          into(new BigUint64Array(rows * n), (o) =>
            k.sparseMatMul(o, words(length * 6, 2), words(length * n, 3), { rows, targets }, 33),
          ),
        ),
        asBytes(
          into(new BigUint64Array(6 * 50_001), (o) =>
            k.trigTables(o, words(50_001, 4), { period: 20, harmonics: 3, fracBits: 18 }),
          ),
        ),
      ];
    };
    const want = make(1);
    make(3).forEach((got, i) => {
      t.true(got.equals(want[i]!));
    });
    k.threads = 1;
  });

  test(`${name}: a stream drawn by several threads is the same`, async (t) => {
    const k = await loadKernels(name);
    const [key, from] = [bytes(32, 3), words(150_001, 4)];
    for (const bits of [1, 40, 48, 63, 64]) {
      const draw = (on: Kernels) => [
        asBytes(into(new BigUint64Array(from.length), (o) => on.streamWords(key, o, 5, bits))),
        asBytes(
          into(new Uint8Array(Math.ceil((from.length * bits) / 8)), (o) => on.streamDifference(key, o, from, 5, bits)),
        ),
      ];
      const want = draw(wasm);
      for (const threads of [1, 3]) {
        k.threads = threads;
        draw(k).forEach((got, i) => {
          t.true(got.equals(want[i]!), `${bits} bits, ${threads} threads`);
        });
      }
      k.threads = 1;
    }
  });

  test(`${name}: arrays that do not match are refused`, async (t) => {
    const k = await loadKernels(name);
    const w = (n: number) => new BigUint64Array(n);
    t.throws(() => k.add(w(3), w(3), w(2)), { code: 'KERNEL_ARGUMENT' });
    t.throws(() => k.matMul(w(4), w(4), w(3), { m: 2, k: 2, n: 2 }), { code: 'KERNEL_ARGUMENT' });
    t.throws(() => k.matMul(w(4), w(4), k.packMatrix(w(4), { k: 2, n: 2, bits: 48 }), { m: 2, k: 2, n: 2, bits: 32 }), {
      code: 'KERNEL_ARGUMENT',
    });
    for (const wrong of [{ table: 1 }, { plane: 1 }, { position: 64 }, { width: 5 }]) {
      const row = { table: 0, plane: 0, position: 0, width: 4, base: 0, ...wrong } as const;
      t.throws(() => k.pick(w(1), w(64), new Uint16Array(64), 64, 0n, [row]), { code: 'KERNEL_ARGUMENT' });
    }
    t.throws(() => k.sparseMatMul(w(4), w(2), w(4), { rows: 2, targets: Int32Array.of(0, 2) }, 64), {
      code: 'KERNEL_ARGUMENT',
    });
    t.throws(() => k.sparseMatMul(w(4), w(3), w(4), { rows: 2, targets: Int32Array.of(0, 1, 1) }, 64), {
      code: 'KERNEL_ARGUMENT',
    });
    t.throws(() => k.unpack(w(8), new Uint8Array(7), 8), { code: 'KERNEL_ARGUMENT' });
    t.throws(() => k.chacha20(new Uint8Array(31), new Uint8Array(64)), { code: 'KERNEL_ARGUMENT' });
  });
}
