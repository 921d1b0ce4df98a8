/** Client parts that somebody made up are refused before they are computed, and functions that cannot be traced. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { asPublic, configure } from '../src/index.js';
import { checkedPart, type PartOf } from '../src/service/check-part.js';
import { ClientRun } from '../src/service/client-run.js';
import type { TensorSpec } from '../src/service/nodes.js';
import { trace } from '../src/service/trace.js';
import './harness.js';

test.serial.before(() => configure({}));

const x = { step: 'input', input: 0, shape: [2, 3], dtype: 'float32' };
const ids = { step: 'input', input: 1, shape: [4], dtype: 'int32' };
const revealed = { step: 'revealed', output: 0, shape: [2], dtype: 'real' };
const of: PartOf = {
  inputs: [
    { name: 'x', shape: [2, 3], dtype: 'float32' },
    { name: 'ids', shape: [4], dtype: 'int32' },
  ],
  outputs: [{ name: 'y', shape: [2], dtype: 'float32' }],
  values: [[2, 3]],
  revealed: [[2]],
  indices: 1,
};
const part = {
  format: 1,
  steps: [x, ids, revealed] as unknown[],
  values: [0],
  indices: [1],
  outputs: [{ of: 2, shape: [2], dtype: 'float32' }],
};
/** The part with a step more. */
const also = (...steps: unknown[]) => ({ ...part, steps: [...part.steps, ...steps] });
const kernel = (name: string, attrs: object, inputs: unknown, shape: number[], more: object = {}) => ({
  step: 'kernel',
  kernel: name,
  attrs,
  inputs,
  output: 0,
  shape,
  dtype: 'float32',
  ...more,
});
const onX = { x: { of: 0, shape: [2, 3], dtype: 'float32' } };
const onIds = { indices: { of: 1, shape: [4], dtype: 'int32' } };
const op = (name: string, inputs: number[], shape: number[], attrs: object = {}, more: object = {}) => ({
  step: 'op',
  op: name,
  attrs,
  inputs,
  shape,
  dtype: 'real',
  ...more,
});

test('a part that fits is taken, and gives what it says', (t) => {
  const run = new ClientRun(checkedPart(part, of), [
    { values: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3], dtype: 'float32' },
    { values: Int32Array.of(3, 2, 1, 0), shape: [4], dtype: 'int32' },
  ]);
  t.deepEqual(run.given(), { values: [Float32Array.of(1, 2, 3, 4, 5, 6)], indices: [Int32Array.of(3, 2, 1, 0)] });
  t.deepEqual(run.outputs([Float32Array.of(7, 8)])[0]!.values, Float32Array.of(7, 8));
});

const hostile: Record<string, unknown> = {
  nothing: undefined,
  null: null,
  'a text': 'part',
  'another format': { ...part, format: 2 },
  'a field more': { ...part, more: 1 },
  'a step of no kind': also({ step: 'eval', code: '1' }),
  'a field more in a step': also({ ...x, more: 1 }),
  'too many steps': { ...part, steps: Array(5000).fill(x) },
  'a kernel that draws numbers': also(kernel('Multinomial', { numSamples: 1, seed: 1 }, { logits: onX.x }, [2, 1])),
  'a random kernel': also(kernel('RandomUniform', { shape: [2] }, {}, [2])),
  'a kernel of the backend': also(kernel('MyKernel', {}, onX, [2, 3])),
  'a name of every object': also(kernel('constructor', {}, onX, [2, 3])),
  'a kernel whose shape follows from values': also(kernel('Unique', { axis: 0 }, onX, [2, 3])),
  'a kernel without its operand': also(kernel('Abs', {}, {}, [2, 3])),
  'a kernel of a list': also(kernel('Abs', {}, [onX.x], [2, 3])),
  'a list of a kernel that takes names': also(kernel('AddN', {}, onX, [2, 3])),
  'an attribute that is an object': also(kernel('Abs', { a: { b: 1 } }, onX, [2, 3])),
  'another shape': also(kernel('Abs', {}, onX, [3, 2])),
  'another result': also(kernel('Abs', {}, onX, [2, 3], { output: 1 })),
  'an operand that comes later': also(kernel('Abs', {}, { x: { of: 9, shape: [2, 3], dtype: 'float32' } }, [2, 3])),
  'an operand of another size': also(kernel('Abs', {}, { x: { of: 0, shape: [2, 4], dtype: 'float32' } }, [2, 4])),
  'the step itself': also(op('neg', [3], [2, 3])),
  'rows of ones without end': also(kernel('OneHot', { depth: 2 ** 24, onValue: 1, offValue: 0 }, onIds, [4, 2 ** 24])),
  'rows of ones of no number': also(kernel('OneHot', { depth: 'NaN', onValue: 1, offValue: 0 }, onIds, [4, 4])),
  'repetitions without end': also(kernel('Tile', { reps: [2 ** 20, 2 ** 20] }, onX, [2 ** 21, 3 * 2 ** 20])),
  'padding without end': also(
    kernel(
      'PadV2',
      {
        paddings: [
          [0, 2 ** 24],
          [0, 0],
        ],
        constantValue: 0,
      },
      onX,
      [2 ** 24 + 2, 3],
    ),
  ),
  'negative padding': also(
    kernel(
      'PadV2',
      {
        paddings: [
          [-1, 0],
          [0, 0],
        ],
        constantValue: 0,
      },
      onX,
      [1, 3],
    ),
  ),
  mirrors: also(
    kernel(
      'MirrorPad',
      {
        paddings: [
          [9, 0],
          [0, 0],
        ],
        mode: 'reflect',
      },
      onX,
      [11, 3],
    ),
  ),
  'a stride of nothing': also(kernel('StridedSlice', { begin: [0, 0], end: [2, 3], strides: [0, 1] }, onX, [2, 3])),
  'an image without end': also(
    kernel(
      'ResizeBilinear',
      { size: [60000, 60000], alignCorners: false, halfPixelCenters: false },
      { images: { of: 0, shape: [1, 2, 3, 1], dtype: 'float32' } },
      [1, 60000, 60000, 1],
    ),
  ),
  'a product without end': also(
    { step: 'constant', values: [0], shape: [1, 1], dtype: 'float32' },
    kernel('Tile', { reps: [2000, 2000] }, { x: { of: 3, shape: [1, 1], dtype: 'float32' } }, [2000, 2000]),
    kernel(
      'BatchMatMul',
      { transposeA: false, transposeB: false },
      { a: { of: 4, shape: [2000, 2000], dtype: 'float32' }, b: { of: 4, shape: [2000, 2000], dtype: 'float32' } },
      [2000, 2000],
    ),
  ),
  'an equation without end': also(
    kernel(
      'Einsum',
      { equation: 'a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t->' },
      Array(20).fill({ of: 1, shape: [4], dtype: 'int32' }),
      [],
    ),
  ),
  'an equation that is none': also(kernel('Einsum', { equation: 'ab->ac' }, [onX.x], [2, 2])),
  'more together than is held': also(
    { step: 'constant', values: [0], shape: [1], dtype: 'float32' },
    ...Array.from({ length: 40 }, (_, i) =>
      kernel('Tile', { reps: [2 ** 21 + i] }, { x: { of: 3, shape: [1], dtype: 'float32' } }, [2 ** 21 + i]),
    ),
  ),
  'values of another number': also({ step: 'constant', values: [1, 2], shape: [3], dtype: 'float32' }),
  'an operation that is none': also(op('eval', [0], [2, 3])),
  'an operation of the nodes alone': also(op('softmax', [0], [2, 3])),
  'an operation of too many': also(op('neg', [0, 0], [2, 3])),
  'shapes that do not fit': also(op('add', [0, 1], [2, 3])),
  'a view beyond the end': also(op('view', [0], [4], { strides: [2], offset: 0 })),
  'a view before the start': also(op('view', [0], [2], { strides: [-1], offset: 0 })),
  'places beyond the end': also(op('pick', [0], [1], { indices: [6] })),
  'a slice beyond the end': also(op('slice', [0], [2, 3], { begin: [1, 0] })),
  'a permutation that is none': also(op('transpose', [0], [2, 2], { perm: [0, 0] })),
  'a parameter that is no number': also(op('leakyRelu', [0], [2, 3], { alpha: 'x' })),
  'a floor that is none': also(op('floorRows', [0], [2, 3], {})),
  'rows of floats': also(op('gather', [0], [2, 3], {}, { indices: 2 })),
  'rows without end': also(op('oneHot', [], [4, 2 ** 30], {}, { indices: 1 })),
  'coordinates of no shape': also({
    step: 'rows',
    call: { rows: 'flat', depth: 3, shape: [2], kernel: 'GatherNd' },
    of: { of: 1, shape: [4], dtype: 'int32' },
    shape: [1],
    dtype: 'int32',
  }),
  'an input that is not there': also({ ...x, input: 2 }),
  'an input of another type': also({ ...x, dtype: 'int32' }),
  'what is not revealed': also({ ...revealed, output: 1 }),
  'shares of what the nodes reveal': { ...part, values: [2] },
  'shares of what follows from it': { ...also(op('broadcast', [3], [2, 3]), op('reshape', [2], [2, 1])), values: [3] },
  'fewer values': { ...part, values: [] },
  'values of another size': { ...part, values: [1] },
  'integers that are floats': { ...part, indices: [0] },
  'an output of another type': { ...part, outputs: [{ of: 2, shape: [2], dtype: 'int32' }] },
  'an output that is not there': { ...part, outputs: [{ of: 7, shape: [2], dtype: 'float32' }] },
  'more outputs': { ...part, outputs: [...part.outputs, ...part.outputs] },
};

for (const [name, given] of Object.entries(hostile))
  test.serial(`refused: ${name}`, (t) => {
    const start = performance.now();
    t.throws(() => checkedPart(given, of), { code: 'CLIENT_PART_REFUSED' });
    t.true(performance.now() - start < 2000);
  });

test('what a kernel gives against its word is refused', (t) => {
  const given = also(
    kernel('Cast', { dtype: 'int32' }, onX, [2, 3], { dtype: 'int32' }),
    op('gather', [4], [4, 3], {}, { indices: 1 }),
  );
  given.steps.splice(4, 0, op('reshape', [3], [2, 3]));
  const run = new ClientRun(checkedPart({ ...given, outputs: [{ of: 2, shape: [2], dtype: 'float32' }] }, of), [
    { values: new Float32Array(6), shape: [2, 3], dtype: 'float32' },
    { values: Int32Array.of(900, -5, 2, 1), shape: [4], dtype: 'int32' },
  ]);
  t.notThrows(() => run.given());
  t.throws(() => run.outputs([new Float32Array(3)]), { code: 'CLIENT_PART_REFUSED' });
});

const spec = (name: string, shape: number[], dtype: TensorSpec['dtype']): TensorSpec => ({ name, shape, dtype });
const refusals: Record<string, [(x: tf.Tensor, ids: tf.Tensor) => tf.Tensor, string]> = {
  'dataSync on an input': [(v) => tf.mul(v, v.dataSync()[0]!), 'TRACE_READ'],
  'dataSync on integers': [(_, i) => tf.range(0, i.dataSync()[0]! + 2), 'TRACE_READ'],
  'dataSync on what follows': [
    (v) => tf.tensor(tf.sum(tf.matMul(v, tf.ones([3, 2]))).arraySync() as number),
    'TRACE_READ',
  ],
  'dataSync on what follows here': [(v) => tf.tensor(tf.relu(v).dataSync()), 'TRACE_READ'],
  'integers of the publisher': [(_, i) => tf.add(i, tf.tensor1d([1, 2, 3, 4], 'int32')), 'NOT_PUBLIC'],
  'an output of the weights alone': [() => tf.tensor1d([0.5, 0.25]), 'NOT_PUBLIC'],
  'shapes of values': [(_, i) => tf.unique(i as tf.Tensor1D).values, 'UNSUPPORTED_KERNEL'],
  'random numbers of an input': [(v) => tf.multinomial(v as tf.Tensor2D, 3), 'UNSUPPORTED_KERNEL'],
  'an input that is declared public': [(v) => tf.mul(asPublic(v), tf.tensor1d([1, 2, 3])), 'NOT_PLAIN'],
};
for (const [name, [f, code]] of Object.entries(refusals))
  test.serial(`not traced: ${name}`, (t) => {
    const before = tf.memory().numTensors;
    t.throws(() => trace((a, b) => ({ y: f(a!, b!) }), [spec('x', [2, 3], 'float32'), spec('ids', [4], 'int32')]), {
      code,
    });
    t.is(tf.memory().numTensors, before);
  });

test.serial('data() on an input is refused as well', async (t) => {
  let read: Promise<unknown> | undefined;
  trace(
    (a) => {
      read = a!.data();
      read.catch(() => {});
      return { y: tf.mul(a!, 2) };
    },
    [spec('x', [2], 'float32')],
  ).release();
  await t.throwsAsync(read!, { code: 'TRACE_READ' });
});

test.serial('integers that are declared public may meet an input', (t) => {
  const { program, release } = trace(
    (i) => ({ y: tf.add(i!, asPublic(tf.tensor1d([1, 2, 3, 4], 'int32'))) }),
    [spec('ids', [4], 'int32')],
  );
  t.is(program.slots.length, 0);
  release();
});
