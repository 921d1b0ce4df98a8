/** GraphModels as the converter writes them, a few nodes each: constants of rank 0, 1 and 2, masks, loops. */
import type { io, Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { normal, type Program, programs, refused } from './program.js';

type DType = 'float32' | 'int32' | 'bool';
interface Node {
  name: string;
  op: string;
  inputs?: string[];
  attr?: Record<string, unknown>;
}
interface Constant {
  shape: number[];
  values: number[];
  dtype?: DType;
}

const TYPES = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL' } as const;
const type = (dtype: DType) => ({ type: TYPES[dtype] });
const dims = (shape: number[]) => ({ dim: shape.map((size) => ({ size: String(size) })) });

/** Names the nodes whose results a function returns. */
interface Body {
  arguments: string[];
  nodes: Node[];
  returns: string[];
}

const nodeOf = ({ name, op, inputs: input = [], attr = {} }: Node) => ({
  name,
  op,
  input,
  attr: { T: type('float32'), ...attr },
});

const functionOf = ([name, f]: [string, Body]) => ({
  signature: {
    name,
    inputArg: f.arguments.map((a) => ({ name: a, type: TYPES.float32 })),
    outputArg: f.returns.map((r) => ({ name: `${r}Out`, type: TYPES.float32 })),
  },
  nodeDef: f.nodes.map(nodeOf),
  ret: Object.fromEntries(f.returns.map((r) => [`${r}Out`, `${r}:0`])),
});

/** A model of these nodes, loaded as from a converter's folder. */
async function graph(
  inputs: Record<string, { shape: number[]; dtype?: DType }>,
  constants: Record<string, Constant>,
  nodes: Node[],
  functions: Record<string, Body> = {},
) {
  const weights = Object.entries(constants);
  const node = [
    ...Object.entries(inputs).map(([name, { shape, dtype = 'float32' }]) => ({
      name,
      op: 'Placeholder',
      attr: { dtype: type(dtype), shape: { shape: dims(shape) } },
    })),
    ...weights.map(([name, { shape, dtype = 'float32' }]) => ({
      name,
      op: 'Const',
      attr: { dtype: type(dtype), value: { tensor: { dtype: TYPES[dtype], tensorShape: dims(shape) } } },
    })),
    ...nodes.map(nodeOf),
  ];
  const bytes = weights.map(([, { values, dtype = 'float32' }]) =>
    dtype === 'float32'
      ? new Uint8Array(Float32Array.from(values).buffer)
      : dtype === 'int32'
        ? new Uint8Array(Int32Array.from(values).buffer)
        : Uint8Array.from(values),
  );
  const artifacts: io.ModelArtifacts = {
    format: 'graph-model',
    modelTopology: {
      node,
      library: { function: Object.entries(functions).map(functionOf) },
      versions: { producer: 1395 },
    },
    weightSpecs: weights.map(([name, { shape, dtype = 'float32' }]) => ({ name, shape, dtype })),
    weightData: new Uint8Array(Buffer.concat(bytes)).buffer,
  };
  return tf.loadGraphModel({ load: async () => artifacts });
}

const scores = () =>
  tf.tensor2d([
    [1, 2, 3],
    [3, 1, 0.5],
  ]);

/** Softmax(scores·w + (one − mask)·big), as BERT's exporters have it, with constants of a given shape. */
async function masked(rank: number, big: number, mask: Tensor, dtype: DType, fetch: string): Promise<Tensor> {
  const shape = new Array(rank).fill(1);
  const model = await graph(
    { x: { shape: [-1, 3] }, mask: { shape: [-1, 3], dtype } },
    {
      w: { shape: [3, 3], values: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
      one: { shape, values: [1] },
      big: { shape, values: [big] },
    },
    [
      { name: 'scores', op: 'MatMul', inputs: ['x', 'w'] },
      ...(dtype === 'float32'
        ? []
        : [{ name: 'cast', op: 'Cast', inputs: ['mask'], attr: { SrcT: type(dtype), DstT: type('float32') } }]),
      { name: 'sub', op: 'Sub', inputs: ['one', dtype === 'float32' ? 'mask' : 'cast'] },
      { name: 'mul', op: 'Mul', inputs: ['sub', 'big'] },
      { name: 'add', op: 'AddV2', inputs: ['scores', 'mul'] },
      { name: 'softmax', op: 'Softmax', inputs: ['add'] },
      { name: 'logSoftmax', op: 'LogSoftmax', inputs: ['add'] },
    ],
  );
  return model.execute({ x: scores(), mask }, fetch) as Tensor;
}

const keep = (dtype: DType) =>
  tf.tensor2d(
    [
      [1, 1, 0],
      [1, 0, 1],
    ],
    [2, 3],
    dtype,
  );

const forms: Record<string, () => Promise<Tensor>> = {};
for (const rank of [0, 1, 2]) {
  for (const dtype of ['int32', 'float32'] as const) {
    for (const big of [-1e4, -1e9]) {
      forms[`constants of rank ${rank}, ${dtype} mask, ${big}`] = () =>
        masked(rank, big, keep(dtype), dtype, 'softmax');
    }
  }
}

const secret = () => tf.dot(tf.tensor1d([1.5]), tf.tensor1d([1]));
const frame = (constant: boolean) => ({
  frame_name: { s: Buffer.from('loop').toString('base64') },
  is_constant: { b: constant },
});

/** A loop in the old control flow: while state < limit, state·2. */
async function loop(limit: number, x: Tensor): Promise<Tensor> {
  const model = await graph(
    { x: { shape: [] } },
    { limit: { shape: [], values: [limit] }, two: { shape: [], values: [2] } },
    [
      { name: 'enter', op: 'Enter', inputs: ['x'], attr: frame(false) },
      { name: 'limitIn', op: 'Enter', inputs: ['limit'], attr: frame(true) },
      { name: 'twoIn', op: 'Enter', inputs: ['two'], attr: frame(true) },
      { name: 'merge', op: 'Merge', inputs: ['enter', 'next'] },
      { name: 'less', op: 'Less', inputs: ['merge', 'limitIn'] },
      { name: 'cond', op: 'LoopCond', inputs: ['less'] },
      { name: 'switch', op: 'Switch', inputs: ['merge', 'cond'] },
      { name: 'body', op: 'Mul', inputs: ['switch:1', 'twoIn'] },
      { name: 'next', op: 'NextIteration', inputs: ['body'] },
      { name: 'exit', op: 'Exit', inputs: ['switch'] },
    ],
  );
  return (await model.executeAsync({ x }, 'exit')) as Tensor;
}

/** The same loop as a function of a condition and one of a body. */
async function whileLoop(limit: number, x: Tensor): Promise<Tensor> {
  const model = await graph(
    { x: { shape: [] } },
    { limit: { shape: [], values: [limit] }, two: { shape: [], values: [2] } },
    [
      {
        name: 'while',
        op: 'StatelessWhile',
        inputs: ['x', 'limit', 'two'],
        attr: { cond: { func: { name: 'below' } }, body: { func: { name: 'twice' } } },
      },
    ],
    {
      below: {
        arguments: ['v', 'limit', 'two'],
        nodes: [{ name: 'less', op: 'Less', inputs: ['v', 'limit'] }],
        returns: ['less'],
      },
      twice: {
        arguments: ['v', 'limit', 'two'],
        nodes: [{ name: 'next', op: 'Mul', inputs: ['v', 'two'] }],
        returns: ['next', 'limit', 'two'],
      },
    },
  );
  return (await model.executeAsync({ x }, 'while')) as Tensor;
}

/** A counter and a state, as a converted tf.while_loop has them: both are switched by one condition. */
async function counted(limit: number, x: Tensor): Promise<Tensor> {
  const start = { name: 'start', op: 'Mul', inputs: ['x', 'zero'] };
  const entered = ['start', 'x'].map((name) => ({
    name: `${name}In`,
    op: 'Enter',
    inputs: [name],
    attr: frame(false),
  }));
  const held = ['limit', 'one', 'two'].map((name) => ({
    name: `${name}In`,
    op: 'Enter',
    inputs: [name],
    attr: frame(true),
  }));
  const model = await graph(
    { x: { shape: [] } },
    {
      limit: { shape: [], values: [limit] },
      one: { shape: [], values: [1] },
      two: { shape: [], values: [2] },
      zero: { shape: [], values: [0] },
    },
    [
      start,
      ...entered,
      ...held,
      { name: 'merge', op: 'Merge', inputs: ['startIn', 'next'] },
      { name: 'mergeState', op: 'Merge', inputs: ['xIn', 'nextState'] },
      { name: 'less', op: 'Less', inputs: ['merge', 'limitIn'] },
      { name: 'cond', op: 'LoopCond', inputs: ['less'] },
      { name: 'switch', op: 'Switch', inputs: ['merge', 'cond'] },
      { name: 'switchState', op: 'Switch', inputs: ['mergeState', 'cond'] },
      { name: 'add', op: 'AddV2', inputs: ['switch:1', 'oneIn'] },
      { name: 'mul', op: 'Mul', inputs: ['switchState:1', 'twoIn'] },
      { name: 'next', op: 'NextIteration', inputs: ['add'] },
      { name: 'nextState', op: 'NextIteration', inputs: ['mul'] },
      { name: 'exit', op: 'Exit', inputs: ['switchState'] },
    ],
  );
  return (await model.executeAsync({ x }, 'exit')) as Tensor;
}

/** A choice by the old control flow, and by functions. */
async function choice(op: 'Switch' | 'StatelessIf', x: Tensor): Promise<Tensor> {
  const given = { zero: { shape: [], values: [0] }, two: { shape: [], values: [2] } };
  const positive = { name: 'positive', op: 'Greater', inputs: ['x', 'zero'] };
  const model =
    op === 'Switch'
      ? await graph({ x: { shape: [] } }, given, [
          positive,
          { name: 'switch', op: 'Switch', inputs: ['x', 'positive'] },
          { name: 'then', op: 'Mul', inputs: ['switch:1', 'two'] },
          { name: 'else', op: 'Neg', inputs: ['switch'] },
          { name: 'out', op: 'Merge', inputs: ['else', 'then'] },
        ])
      : await graph(
          { x: { shape: [] } },
          given,
          [
            positive,
            {
              name: 'out',
              op,
              inputs: ['positive', 'x', 'two'],
              attr: { then_branch: { func: { name: 'doubled' } }, else_branch: { func: { name: 'negated' } } },
            },
          ],
          {
            doubled: {
              arguments: ['v', 'by'],
              nodes: [{ name: 'product', op: 'Mul', inputs: ['v', 'by'] }],
              returns: ['product'],
            },
            negated: {
              arguments: ['v', 'by'],
              nodes: [{ name: 'opposite', op: 'Neg', inputs: ['v'] }],
              returns: ['opposite'],
            },
          },
        );
  return (await model.executeAsync({ x }, 'out')) as Tensor;
}

export const graphs: Program[] = programs('graph', {
  ...forms,
  'logSoftmax, constants of rank 1': async () =>
    (await masked(1, -1e9, keep('float32'), 'float32', 'logSoftmax')).max(-1),
  'a bool mask': () => masked(0, -1e4, keep('bool'), 'bool', 'softmax'),
  'a causal mask that is a constant, added': async () => {
    const model = await graph(
      { x: { shape: [3, 3] } },
      {
        mask: { shape: [3, 3], values: [0, -1e9, -1e9, 0, 0, -1e9, 0, 0, 0] },
        w: { shape: [3, 3], values: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
      },
      [
        { name: 'scores', op: 'MatMul', inputs: ['x', 'w'] },
        { name: 'add', op: 'AddV2', inputs: ['scores', 'mask'] },
        { name: 'softmax', op: 'Softmax', inputs: ['add'] },
      ],
    );
    return model.execute({ x: normal([3, 3], 1) }, 'softmax') as Tensor;
  },
  'a causal mask by SelectV2': async () => {
    const model = await graph(
      { x: { shape: [3, 3] } },
      {
        mask: { shape: [3, 3], values: [1, 0, 0, 1, 1, 0, 1, 1, 1], dtype: 'bool' },
        low: { shape: [], values: [-1e9] },
        w: { shape: [3, 3], values: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
      },
      [
        { name: 'scores', op: 'MatMul', inputs: ['x', 'w'] },
        { name: 'select', op: 'SelectV2', inputs: ['mask', 'scores', 'low'] },
        { name: 'softmax', op: 'Softmax', inputs: ['select'] },
      ],
    );
    return model.execute({ x: normal([3, 3], 1) }, 'softmax') as Tensor;
  },
  'an epsilon of 1e-12 in a LayerNorm': async () => {
    const model = await graph(
      { x: { shape: [2, 4] } },
      { epsilon: { shape: [], values: [1e-12] }, axis: { shape: [1], values: [1], dtype: 'int32' } },
      [
        { name: 'mean', op: 'Mean', inputs: ['x', 'axis'], attr: { keep_dims: { b: true } } },
        { name: 'difference', op: 'SquaredDifference', inputs: ['x', 'mean'] },
        { name: 'variance', op: 'Mean', inputs: ['difference', 'axis'], attr: { keep_dims: { b: true } } },
        { name: 'add', op: 'AddV2', inputs: ['variance', 'epsilon'] },
        { name: 'rsqrt', op: 'Rsqrt', inputs: ['add'] },
        { name: 'centred', op: 'Sub', inputs: ['x', 'mean'] },
        { name: 'normalised', op: 'Mul', inputs: ['centred', 'rsqrt'] },
      ],
    );
    return model.execute({ x: normal([2, 4], 1) }, 'normalised') as Tensor;
  },
  'the best label embedded again': async () => {
    const model = await graph(
      { x: { shape: [2, 3] } },
      {
        table: { shape: [3, 2], values: [1, 2, 3, 4, 5, 6] },
        axis: { shape: [], values: [1], dtype: 'int32' },
        zero: { shape: [], values: [0], dtype: 'int32' },
      },
      [
        { name: 'best', op: 'ArgMax', inputs: ['x', 'axis'] },
        { name: 'gather', op: 'GatherV2', inputs: ['table', 'best', 'zero'] },
      ],
    );
    return model.execute({ x: scores() }, 'gather') as Tensor;
  },
  'a loop as long as a number says': () => loop(20, tf.scalar(1.5)),
  'a loop as long as a secret says': refused('UNSUPPORTED_KERNEL', () => loop(20, secret())),
  'a while as long as a number says': () => whileLoop(20, tf.scalar(1.5)),
  'a while as long as a secret says': refused('UNSUPPORTED_KERNEL', () => whileLoop(20, secret())),
  'a branch by a secret, Switch and Merge': refused('UNSUPPORTED_KERNEL', () => choice('Switch', secret())),
  'a branch by a secret, StatelessIf': refused('UNSUPPORTED_KERNEL', () => choice('StatelessIf', secret())),
  'a counter and a state, a number': () => counted(3, tf.scalar(1.5)),
  'a counter and a state, a secret': refused('UNSUPPORTED_KERNEL', () => counted(3, secret())),
  'a branch by a number': () => choice('Switch', tf.scalar(-3)),
});
