/** Graph models whose executor reads a secret to know what comes next. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import './harness.js';

const close = (got: ArrayLike<number>, want: readonly number[]) =>
  Array.from(got).every((v, i) => Math.abs(v - want[i]!) < 1e-3);

/** Graphs as the converter writes them, with rank-0 constants. */
type Def = { name: string; op: string; input?: string[]; attr?: Record<string, unknown> };
const float = { T: { type: 'DT_FLOAT' } };
const number = (
  name: string,
  v: number,
  dtype: 'float32' | 'int32' = 'float32',
): Def & { value: number; dtype: string } => ({
  name,
  op: 'Const',
  attr: { dtype: { type: dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT' } },
  value: v,
  dtype,
});
const sum = (of: string, axis: string): Def => ({
  name: 'sum',
  op: 'Sum',
  input: [of, axis],
  attr: { ...float, keep_dims: { b: false } },
});
const placeholder: Def = {
  name: 'x',
  op: 'Placeholder',
  attr: { dtype: { type: 'DT_FLOAT' }, shape: { shape: { dim: [{ size: '3' }] } } },
};

async function execute(
  nodes: Def[],
  output: string,
  x: number[],
  functions: { name: string; nodes: Def[]; ret: string }[] = [],
): Promise<Float32Array> {
  const clean = (defs: Def[]) => defs.map(({ name, op, input = [], attr = {} }) => ({ name, op, input, attr }));
  const constants = [...nodes, ...functions.flatMap((f) => f.nodes)].flatMap((n) =>
    'value' in n ? [n as ReturnType<typeof number>] : [],
  );
  const words = new DataView(new ArrayBuffer(4 * constants.length));
  constants.forEach(({ value, dtype }, i) => {
    if (dtype === 'int32') words.setInt32(4 * i, value, true);
    else words.setFloat32(4 * i, value, true);
  });
  const arg = (name: string) => [{ name, type: 'DT_FLOAT' }];
  const library = {
    function: functions.map((f) => ({
      signature: { name: f.name, inputArg: arg('x'), outputArg: arg('out') },
      nodeDef: clean(f.nodes),
      ret: { out: f.ret },
    })),
  };
  const model = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: { node: clean(nodes), versions: { producer: 1 }, ...(functions.length > 0 && { library }) },
      weightSpecs: constants.map(({ name, dtype }) => ({ name, shape: [], dtype: dtype as 'float32' })),
      weightData: words.buffer,
      format: 'graph-model',
    }),
  );
  return (await ((await model.executeAsync({ x: tf.tensor1d(x) }, output)) as tf.Tensor).data()) as Float32Array;
}

test.serial('a graph model whose condition is secret reads it, and takes the branch', async (t) => {
  const nodes: Def[] = [
    placeholder,
    number('zero', 0),
    number('two', 2),
    number('axis', 0, 'int32'),
    sum('x', 'axis'),
    { name: 'positive', op: 'Greater', input: ['sum', 'zero'], attr: float },
    { name: 'switch', op: 'Switch', input: ['x', 'positive'], attr: float },
    { name: 'no', op: 'Sub', input: ['switch', 'two'], attr: float },
    { name: 'yes', op: 'Mul', input: ['switch:1', 'two'], attr: float },
    { name: 'merge', op: 'Merge', input: ['no', 'yes'], attr: { ...float, N: { i: '2' } } },
  ];
  t.true(close(await execute(nodes, 'merge', [1, 2, 3]), [2, 4, 6]));
  t.true(close(await execute(nodes, 'merge', [1, -2, -3]), [-1, -4, -5]));
});

test.serial('a While of a graph model runs as often as its secret condition says', async (t) => {
  const names = {
    cond: { func: { name: 'less_than_100' } },
    body: { func: { name: 'squared' } },
    T: { list: { type: ['DT_FLOAT'] } },
  };
  const nodes: Def[] = [placeholder, { name: 'while', op: 'While', input: ['x'], attr: names }];
  const less: Def = { name: 'less', op: 'Less', input: ['sum:output:0', 'hundred:output:0'], attr: float };
  const functions = [
    {
      name: 'less_than_100',
      nodes: [number('hundred', 100), number('axis', 0, 'int32'), sum('x', 'axis:output:0'), less],
      ret: 'less:z:0',
    },
    { name: 'squared', nodes: [{ name: 'mul', op: 'Mul', input: ['x', 'x'], attr: float }], ret: 'mul:z:0' },
  ];
  t.true(close(await execute(nodes, 'while', [1, 2, 3], functions), [1, 256, 6561]));
});
