import { encodeFixed, loadKernels, maskOf, Secret, type Words } from '@secformer/ring';
import test from 'ava';
import {
  dealerWritten,
  formsTaken,
  type Graph,
  type MaskKeys,
  partyWritten,
  plan,
  programLimits,
  suiteOf,
  writtenBytes,
  writtenOpening,
  writtenTensor,
} from '../src/index.js';
import { uniform } from './harness.js';

const kernels = await loadKernels();
const breath = async () => {};

/** Upper 1e-6 quantile of chi-square with 255 degrees of freedom. */
const BAR = 255 * (1 - 2 / (9 * 255) + 4.7534 * Math.sqrt(2 / (9 * 255))) ** 3;

function chiSquare(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const b of bytes) counts[b] = counts[b]! + 1;
  const want = bytes.length / 256;
  return counts.reduce((s, c) => s + (c - want) ** 2 / want, 0);
}

const keysOf = (seed: number): MaskKeys => [
  new Secret(new Uint8Array(32).fill(seed)),
  new Secret(new Uint8Array(32).fill(seed + 100)),
];

/** What the owner of these words sends each node. */
async function sent(y: Words, width: number, keys: MaskKeys) {
  const encode = (to: Words, from: number) => to.set(y.subarray(from, from + to.length));
  const packed = await writtenOpening(kernels, y.length, width, keys, encode, breath);
  const [a, b] = keys.map((key) => key.bytes) as [Uint8Array, Uint8Array];
  return { p0: Buffer.concat([a, packed]), p1: Buffer.concat([b, packed]), dealer: Buffer.concat([a, b]), packed };
}

for (const width of [2, 31, 32, 48, 49, 63, 64])
  test(`what the nodes store is what an opening of ${width} bits leaves, in as many bytes as declared`, async (t) => {
    // A slice and a part of one
    const n = programLimits.sliceWords + 1001;
    const y = encodeFixed(kernels, uniform(n, -16384, 16384, width), 16, 14);
    const { p0, p1, dealer } = await sent(y, width, keysOf(width));
    t.deepEqual(
      [p0.length, p1.length, dealer.length],
      [writtenBytes(0, n, width), writtenBytes(1, n, width), writtenBytes('dealer', n, width)],
    );
    let slices = 0;
    const parties = [
      await partyWritten(kernels, n, width, p0, async () => void slices++),
      await partyWritten(kernels, n, width, p1, breath),
    ];
    t.is(slices, 1, 'messages are looked at between slices');
    const [first, second] = parties.map((p) => p.atParty());
    const atDealer = (await dealerWritten(kernels, n, width, dealer, breath)).atDealer();
    const [m, r, half0, half1] = [first!.m, atDealer.r, first!.half, second!.half];
    t.deepEqual(m, second!.m, 'both parties have the same m');
    const mask = maskOf(width);
    let wrong = 0;
    for (let i = 0; i < n; i++) {
      if (((m[i]! - r[i]! - y[i]!) & mask) !== 0n) wrong++;
      if (((half0[i]! + half1[i]! - r[i]!) & mask) !== 0n) wrong++;
      if (((half1[i]! - half0[i]! - atDealer.difference[i]!) & mask) !== 0n) wrong++;
    }
    t.is(wrong, 0);
  });

test('what a node is sent is uniform, whatever the values are, and nothing of it but m depends on them', async (t) => {
  const n = 20_000;
  for (const [name, values] of Object.entries({
    zeros: new Float32Array(n),
    wild: uniform(n, -16384, 16384, 5),
  }))
    for (const width of [32, 48, 64]) {
      const y = encodeFixed(kernels, values, 16, 14);
      const { packed, dealer } = await sent(y, width, keysOf(7));
      t.true(chiSquare(packed) < BAR, `${name}, ${width} bits`);
      t.deepEqual(dealer, (await sent(new BigUint64Array(n), width, keysOf(7))).dealer);
      // A party takes its own half off: the other one still hides y
      for (const own of keysOf(7)) {
        const half = new BigUint64Array(n);
        kernels.streamWords(own.bytes, half, 0, width);
        const [left, bytes] = [new BigUint64Array(n), new Uint8Array(packed.length)];
        kernels.unpack(left, packed, width);
        kernels.sub(left, left, half);
        kernels.pack(bytes, left, width);
        t.true(chiSquare(bytes) < BAR, `${name}, ${width} bits, less a half of the mask`);
      }
    }
});

test('the same test fails where one half is missing', async (t) => {
  const n = 20_000;
  const { packed } = await sent(new BigUint64Array(n), 64, keysOf(9));
  const [own, other] = keysOf(9).map((key) => {
    const half = new BigUint64Array(n);
    kernels.streamWords(key.bytes, half, 0, 64);
    return half;
  }) as [Words, Words];
  const left = new BigUint64Array(n);
  kernels.unpack(left, packed, 64);
  kernels.sub(left, left, own);
  kernels.sub(left, left, other);
  t.true(chiSquare(new Uint8Array(left.buffer)) > BAR);
});

test('a plan says which tensors it only multiplies by, and at which widths', (t) => {
  const graph: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [4, 8] },
      { op: 'input', slot: 1, in: [], shape: [8, 8] },
      { op: 'input', slot: 2, in: [], shape: [8] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [4, 8] },
      { op: 'add', in: [3, 2], shape: [4, 8] },
      { op: 'input', slot: 3, in: [], shape: [8, 8] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [4, 5], shape: [4, 8] },
      { op: 'add', in: [5, 5], shape: [8, 8] },
    ],
    outputs: [6, 7],
  };
  const states = Array(4).fill(writtenTensor);
  const forms = formsTaken(plan(graph, suiteOf('exact'), states, [0, 1]));
  t.deepEqual(forms.get(1), { share: false, widths: [48] });
  t.deepEqual(forms.get(2), { share: true, widths: [] }, 'a bias is added to shares');
  t.deepEqual(forms.get(3), { share: true, widths: [48] }, 'one that is added too');
});
