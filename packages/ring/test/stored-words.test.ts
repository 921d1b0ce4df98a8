import test from 'ava';
import { availableKernels, loadKernels, StoredWords } from '../src/index.js';

const words = (n: number) => BigUint64Array.from({ length: n }, (_, i) => BigInt.asUintN(64, BigInt(i + 1) * 0x9e3779b97f4a7c15n));

for (const name of availableKernels()) {
  test(`${name}: stored words are packed once, multiply as they did, and come back whole`, async (t) => {
    const kernels = await loadKernels(name);
    const [m, k, n] = [3, 70, 41];
    const given = words(k * n);
    const stored = new StoredWords(kernels, given.slice());
    t.is(stored.byteLength, 8 * k * n);
    for (const shape of [
      { k, n, bits: 48 },
      { k, n, bits: 64 },
      { k: n, n: k, transposeB: true, bits: 32 },
    ]) {
      const packed = stored.packed(shape);
      t.is(stored.packed(shape), packed);
      const a = words(m * shape.k);
      const [want, got] = [new BigUint64Array(m * shape.n), new BigUint64Array(m * shape.n)];
      kernels.matMul(want, a, given, { m, ...shape });
      kernels.matMul(got, a, packed, { m, ...shape });
      t.deepEqual(got, want);
      t.deepEqual(stored.words, given);
    }
  });
}
