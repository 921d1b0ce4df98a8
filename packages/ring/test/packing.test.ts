import test from 'ava';
import { availableKernels, loadKernels, packedBytes, type Words } from '../src/index.js';

// Around a vector's groups, and around as many as narrow words come together from
const LENGTHS = [0, 1, 7, 8, 9, 16, 17, 31, 64, 65, 127, 255, 256, 257, 600];
const GUARD = 80;

const noise = (n: number, seed: number): Words => {
  let x = BigInt(seed) * 2n + 1n;
  return new BigUint64Array(n).map(() => {
    x = (x * 6364136223846793005n + 1442695040888963407n) & (2n ** 64n - 1n);
    return x ^ (x >> 29n);
  });
};

/** What a kernel writes into the middle of an array, which has to be left alone around it. */
function within(bytes: number, seed: number, write: (out: Uint8Array) => void): { out: Uint8Array; around: boolean } {
  const all = new Uint8Array(bytes + 2 * GUARD).fill(seed);
  const out = all.subarray(GUARD, GUARD + bytes);
  write(out);
  const around = [...all.subarray(0, GUARD), ...all.subarray(GUARD + bytes)].every((b) => b === seed);
  return { out, around };
}

/** Words least significant bit first, back to back, by integers of any size. */
function packedPlainly(words: Words, bits: number): Uint8Array {
  const all = words.reduceRight((sum, w) => (sum << BigInt(bits)) | BigInt.asUintN(bits, w), 0n);
  return Uint8Array.from({ length: packedBytes(words.length, bits) }, (_, i) => Number((all >> BigInt(8 * i)) & 255n));
}

const plainly = new Map<string, Uint8Array>();
function expected(n: number, bits: number, seed: number, words: Words): Uint8Array {
  const key = `${n},${bits},${seed}`;
  const known = plainly.get(key) ?? packedPlainly(words, bits);
  plainly.set(key, known);
  return known;
}

for (const name of availableKernels())
  test(`${name}: words of every width go into bytes and come back, and nothing around them is written`, async (t) => {
    const k = await loadKernels(name);
    for (let bits = 1; bits <= 64; bits++)
      for (const n of LENGTHS) {
        const [a, b] = [noise(n, bits), noise(n, 100 + n)];
        const cut = (words: Words) => words.map((w) => BigUint64Array.of(BigInt.asUintN(bits, w))[0]!);
        const size = packedBytes(n, bits);
        const [wa, wb] = [expected(n, bits, 0, a), expected(n, bits, 1, b)];
        const packed = within(size, 0xa5, (out) => k.pack(out, a, bits));
        t.true(packed.around, `pack of ${n} words of ${bits} bits stays inside`);
        t.deepEqual(packed.out, wa, `${n} words of ${bits} bits`);
        const shifted = within(size, 0x5a, (out) =>
          k.packOpening(out, a, b, { offset: 0n, bits: 64, shift: 0, width: bits }),
        );
        t.true(shifted.around);
        t.deepEqual(
          shifted.out,
          expected(
            n,
            bits,
            2,
            a.map((x, i) => BigInt.asUintN(64, x + b[i]!)),
          ),
        );
        const words = new BigUint64Array(n + 2).fill(7n);
        k.unpack(words.subarray(1, n + 1), wa, bits);
        t.deepEqual(words, BigUint64Array.of(7n, ...cut(a), 7n));
        k.unpackSum(words.subarray(1, n + 1), wa, wb, bits);
        t.deepEqual(words, BigUint64Array.of(7n, ...cut(a.map((x, i) => BigInt.asUintN(64, x + b[i]!))), 7n));
      }
  });
