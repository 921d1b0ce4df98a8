import test from 'ava';
import { availableKernels, loadKernels, StoredWords } from '../src/index.js';

const words = (n: number, bits: number) =>
  BigUint64Array.from({ length: n }, (_, i) => BigInt.asUintN(bits, BigInt(i + 1) * 0x9e3779b97f4a7c15n));

for (const name of availableKernels()) {
  for (const bits of [33, 48, 49, 64]) {
    test(`${name}: words of ${bits} bits are packed once, multiply as before and come back whole`, async (t) => {
      const kernels = await loadKernels(name);
      const [m, k, n] = [3, 170, 41];
      const given = words(k * n, bits);
      const stored = new StoredWords(kernels, given.slice(), bits);
      t.is(stored.byteLength, 8 * k * n);
      for (const shape of [
        { k, n, bits: Math.max(48, bits) },
        { k, n, bits: 64 },
        { k: n, n: k, transposeB: true, bits },
        { k, n, bits: 32 },
      ]) {
        const packed = stored.packed(shape);
        t.is('words' in packed, shape.bits >= bits, 'nothing is packed that would lose bits');
        if ('words' in packed) t.is(stored.packed(shape), packed);
        const a = words(m * shape.k, 64);
        const [want, got] = [new BigUint64Array(m * shape.n), new BigUint64Array(m * shape.n)];
        kernels.matMul(want, a, given, { m, ...shape });
        kernels.matMul(got, a, packed, { m, ...shape });
        t.deepEqual(got, want);
        t.deepEqual(stored.words, given);
      }
    });
  }
}
