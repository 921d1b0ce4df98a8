import { encodeFixed, KeyStream, Secret, type Words } from '@secformer/ring';
import test from 'ava';
import { checkProgram, type Graph, plan, StoredOpening, suiteOf, writtenTensor } from '../src/index.js';
import { kernels, random } from './harness.js';
import { Roles } from './roles.js';

const product = { transposeA: false, transposeB: false };

/** x·V and GeLU(x·V)·W, V and W opened by an earlier run. */
const graph: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [8, 16] },
    { op: 'input', slot: 1, in: [], shape: [16, 24] },
    { op: 'input', slot: 2, in: [], shape: [24, 8] },
    { op: 'matMul', ...product, in: [0, 1], shape: [8, 24] },
    { op: 'gelu', form: 'erf', in: [3], shape: [8, 24] },
    { op: 'matMul', ...product, in: [4, 2], shape: [8, 8] },
  ],
  outputs: [5, 3],
};

const key = (of: number) => new Secret(new Uint8Array(32).fill(of));
const drawn = (n: number, bits: number): Words => new KeyStream(kernels, key(5)).words(n, bits, new BigUint64Array(n));

test('what an opening consists of is its words in their order, also once a product has packed them', (t) => {
  for (const width of [20, 47, 48, 52, 63, 64])
    for (const extra of [0, 1]) {
      const bits = Math.min(width + extra, 64);
      const words = drawn(15 * 7, bits);
      const opening = new StoredOpening(kernels, words.slice(), bits, width, key(6));
      for (const layout of [undefined, { bits: width }, { bits: 64 }, { bits: 64, transposeB: true }]) {
        if (layout) opening.words.packed({ k: 15, n: 7, ...layout });
        const secrets = opening.secrets();
        t.deepEqual(secrets, { words, bits, width, key: key(6) });
        t.deepEqual(secrets.key.bytes, key(6).bytes);
        const again = StoredOpening.fromSecrets(kernels, secrets);
        t.is(again.width, width);
        t.deepEqual(again.atParty().m, opening.atParty().m);
        t.deepEqual(again.atParty().half, opening.atParty().half);
        t.deepEqual(again.atDealer().difference, words);
      }
    }
});

test('what is given out is nobody else’s', (t) => {
  const opening = new StoredOpening(kernels, drawn(10, 48), 48, 48, key(6));
  opening.secrets().words.fill(0n);
  t.deepEqual(opening.secrets().words, drawn(10, 48));
});

test('a run with openings that were taken apart and put together gives the same, to the bit', async (t) => {
  const next = random(3);
  const values = [128, 384, 192].map((n) => Float32Array.from({ length: n }, () => 2 * next() - 1));
  const opened = { ...writtenTensor, stored: [48] };
  const { program } = plan(graph, suiteOf('exact'), [writtenTensor, opened, opened], [0, 1]);
  const words = values.map((v) => encodeFixed(kernels, v, 16, 14));
  const given = [words[0]!, words[1]!, words[1]!, words[2]!, words[2]!];
  const checked = checkProgram(program);
  const used: StoredOpening[] = [];
  const first = await new Roles(checked, given, (opening) => {
    used.push(opening);
    return opening;
  }).together();
  t.is(used.length, 6);
  // As a run has left them: packed for its products
  let i = 0;
  const again = await new Roles(checked, given, (opening) => {
    const before = used[i++]!.secrets();
    t.deepEqual(before, opening.secrets());
    return StoredOpening.fromSecrets(kernels, before);
  }).together();
  t.is(i, 6);
  t.deepEqual(again, first);
});
