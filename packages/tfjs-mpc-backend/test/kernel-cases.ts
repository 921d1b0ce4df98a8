/** A case for each kernel that takes secrets, and for what rewrites look for: see programs.test.ts. */
import * as tf from '@tensorflow/tfjs';
import { asPublic } from '../src/index.js';
import type { Own } from './own-filling.js';

/** Places that are a result themselves. */
const best = (own: Own): tf.Tensor1D =>
  tf.argMax(tf.matMul(own.x<tf.Tensor2D>([3, 4]), own.floats<tf.Tensor2D>([4, 5])), 1);

/** Results of a kernel on some filling. */
export type Case = (own: Own) => tf.Tensor | tf.Tensor[];

const kernel = (name: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown> = {}) =>
  tf.engine().runKernel(name, inputs as never, attrs as never) as tf.Tensor;
const unary =
  (f: (x: tf.Tensor) => tf.Tensor): Case =>
  (own) =>
    f(own.x([2, 3]));
/** Of two secrets, and of a secret with what is local, on either side. */
const binary =
  (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Case =>
  (own) => [
    f(own.x([2, 3]), own.x([3])),
    f(own.x([2, 3]), own.mask([2, 3])),
    f(own.mask([1, 3]), own.x([2, 3])),
    f(own.floats([2, 3]), own.mask([2, 1])),
  ];
const comparison =
  (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Case =>
  (own) => [...(binary(f)(own) as tf.Tensor[]), f(own.x([2, 3]), tf.max(own.mask([4])))];
const logical =
  (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Case =>
  (own) => [f(own.flags([2, 3]), own.flags([2, 3])), f(own.flags([2, 3]), own.bits([3]))];
const reduction =
  (f: (x: tf.Tensor, axis: number) => tf.Tensor): Case =>
  (own) => [f(own.x([2, 3, 4]), 1), f(own.x([2, 3, 4]), 2)];
const image = (own: Own) => own.x<tf.Tensor4D>([1, 4, 4, 2]);
/** Segments are public by need; the rows are not. */
const segments =
  (f: typeof tf.sparse.sparseSegmentSum): Case =>
  (own) =>
    f(own.x<tf.Tensor2D>([5, 2]), own.ints([4], 5), asPublic(tf.tensor1d([0, 0, 1, 3], 'int32'))) as tf.Tensor;

/** Of each kernel that takes secrets. */
export const cases: Record<string, Case> = {
  Abs: unary(tf.abs),
  Acos: unary(tf.acos),
  Acosh: unary(tf.acosh),
  Add: binary(tf.add),
  AddN: (own) => tf.addN([own.x([2, 3]), own.mask([2, 3]), own.floats([2, 3])]),
  All: (own) => tf.all(own.flags([2, 3]), 1),
  Any: (own) => tf.any(own.flags([2, 3]), 1),
  ArgMax: reduction(tf.argMax),
  ArgMin: reduction(tf.argMin),
  Asin: unary(tf.asin),
  Asinh: unary(tf.asinh),
  Atan: unary(tf.atan),
  Atan2: binary(tf.atan2),
  Atanh: unary(tf.atanh),
  AvgPool: (own) => tf.avgPool(image(own), 2, 1, 'same'),
  AvgPool3D: (own) => tf.avgPool3d(own.x<tf.Tensor5D>([1, 2, 3, 3, 1]), 2, 1, 'same'),
  BatchMatMul: (own) => [
    tf.matMul(own.x<tf.Tensor2D>([2, 3]), own.floats<tf.Tensor2D>([3, 4])),
    tf.matMul(own.mask<tf.Tensor3D>([2, 1, 3]), own.x<tf.Tensor3D>([2, 3, 2])),
    tf.mul(tf.matMul(own.mask<tf.Tensor2D>([2, 3]), own.floats<tf.Tensor2D>([3, 2])), 0.3),
  ],
  BatchToSpaceND: (own) =>
    tf.batchToSpaceND(
      own.x<tf.Tensor4D>([4, 2, 2, 1]),
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  Bincount: (own) => tf.bincount(own.ints([6], 9), own.x<tf.Tensor1D>([6]), 5),
  Cast: (own) => [tf.cast(own.x([2, 3]), 'int32'), tf.cast(own.x([2, 3]), 'bool'), tf.cast(own.flags([2]), 'float32')],
  Ceil: unary(tf.ceil),
  ClipByValue: unary((x) => tf.clipByValue(x, -1, 2)),
  Concat: (own) => [
    tf.concat([own.x([2, 3]), own.mask([1, 3]), own.floats([2, 3])]),
    tf.concat([own.x([2, 3]), own.ints<tf.Tensor>([2, 3], 7)], 1),
  ],
  Conv2D: (own) => tf.conv2d(image(own), own.floats<tf.Tensor4D>([2, 2, 2, 3]), 1, 'same'),
  Conv2DBackpropInput: (own) =>
    tf.conv2dTranspose(image(own), own.floats<tf.Tensor4D>([2, 2, 3, 2]), [1, 8, 8, 3], 2, 'same'),
  Conv3D: (own) => tf.conv3d(own.x<tf.Tensor5D>([1, 2, 3, 3, 1]), own.floats<tf.Tensor5D>([2, 2, 2, 1, 2]), 1, 'same'),
  Cos: unary(tf.cos),
  Cosh: unary(tf.cosh),
  Cumprod: (own) => tf.cumprod(own.x([2, 3]), 1),
  Cumsum: (own) => tf.cumsum(own.x([2, 3]), 0),
  DenseBincount: (own) => [
    tf.denseBincount(own.ints<tf.Tensor2D>([2, 4], 6), own.x<tf.Tensor2D>([2, 4]), 5),
    tf.denseBincount(own.ints([4], 6), own.floats<tf.Tensor1D>([4]), 5),
    tf.denseBincount(own.ints<tf.Tensor2D>([2, 4], 6), own.floats<tf.Tensor2D>([2, 4]), 5, true),
    tf.denseBincount(own.ints<tf.Tensor2D>([2, 4], 6), tf.tensor2d([], [0, 0]), 5),
  ],
  DepthToSpace: (own) => tf.depthToSpace(own.x<tf.Tensor4D>([1, 2, 2, 4]), 2),
  DepthwiseConv2dNative: (own) => tf.depthwiseConv2d(image(own), own.floats<tf.Tensor4D>([2, 2, 2, 1]), 1, 'same'),
  Diag: (own) => tf.diag(own.x([3])),
  Dilation2D: (own) => tf.dilation2d(image(own), own.floats<tf.Tensor3D>([2, 2, 2]), 1, 'same'),
  Einsum: (own) => [
    tf.einsum('ij,jk->ik', own.x([2, 3]), own.floats([3, 2])),
    tf.einsum('bij,bj->bi', own.x([2, 2, 3]), own.mask([2, 3])),
    tf.einsum('ij->j', own.x([2, 3])),
  ],
  Elu: unary(tf.elu),
  Equal: comparison(tf.equal),
  Erf: unary(tf.erf),
  Exp: unary(tf.exp),
  ExpandDims: (own) => tf.expandDims(own.x([2, 3]), 1),
  Expm1: unary(tf.expm1),
  FlipLeftRight: (own) => tf.image.flipLeftRight(image(own)),
  Floor: unary(tf.floor),
  FloorDiv: binary(tf.floorDiv),
  FusedBatchNorm: (own) =>
    tf.batchNorm(
      image(own),
      own.floats<tf.Tensor1D>([2]),
      own.x<tf.Tensor1D>([2]),
      own.floats<tf.Tensor1D>([2]),
      own.mask<tf.Tensor1D>([2]),
    ),
  FusedConv2D: (own) =>
    tf.fused.conv2d({
      x: image(own),
      filter: own.floats<tf.Tensor4D>([2, 2, 2, 3]),
      strides: 1,
      pad: 'same',
      bias: own.mask([3]),
      activation: 'relu',
    }),
  FusedDepthwiseConv2D: (own) =>
    tf.fused.depthwiseConv2d({
      x: image(own),
      filter: own.floats<tf.Tensor4D>([2, 2, 2, 1]),
      strides: 1,
      pad: 'same',
      bias: own.floats([2]),
      activation: 'sigmoid',
    }),
  GatherNd: (own) => [
    tf.gatherND(own.x([4, 5]), own.ints<tf.Tensor>([3, 2], 4)),
    tf.gatherND(own.floats([4, 5]), own.ints<tf.Tensor>([2, 2, 1], 4)),
    tf.gatherND(own.floats([4, 5]), own.ints<tf.Tensor>([2], 4)),
    tf.gatherND(own.floats([900, 2]), own.ints<tf.Tensor>([60, 1], 900)),
    tf.gatherND(own.floats([4, 5]), tf.stack([own.ints([3], 4), best(own)], 1)),
  ],
  GatherV2: (own) => [
    tf.gather(own.floats([7, 3]), own.ints([4], 7)),
    tf.gather(own.x([3, 7]), own.ints([4], 7), 1),
    tf.gather(own.floats([900, 2]), own.ints<tf.Tensor>([6, 10], 900)),
    tf.gather(own.x([2, 5, 3]), own.ints<tf.Tensor>([2, 2], 5), 1, 1),
    tf.gather(own.x([5, 2]), best(own)),
    tf.gather(own.mask([3, 5]), best(own).expandDims(1).toInt(), 1, 1),
  ],
  Greater: comparison(tf.greater),
  GreaterEqual: comparison(tf.greaterEqual),
  Identity: (own) => tf.clone(own.x([2, 3])),
  IsFinite: unary(tf.isFinite),
  IsInf: unary(tf.isInf),
  IsNan: unary(tf.isNaN),
  LRN: (own) => tf.localResponseNormalization(image(own), 1),
  LeakyRelu: unary((x) => tf.leakyRelu(x, 0.1)),
  Less: comparison(tf.less),
  LessEqual: comparison(tf.lessEqual),
  Log: unary(tf.log),
  Log1p: unary(tf.log1p),
  LogSoftmax: (own) => [kernel('LogSoftmax', { logits: own.x([2, 3]) }, { axis: 1 }), tf.logSoftmax(own.x([2, 3]))],
  LogicalAnd: logical(tf.logicalAnd),
  LogicalNot: (own) => tf.logicalNot(own.flags([2, 3])),
  LogicalOr: logical(tf.logicalOr),
  // tf.logicalXor is made of the others
  LogicalXor: logical((a, b) => kernel('LogicalXor', { a, b })),
  Max: reduction(tf.max),
  MaxPool: (own) => tf.maxPool(image(own), 2, 1, 'same'),
  MaxPool3D: (own) => tf.maxPool3d(own.x<tf.Tensor5D>([1, 2, 3, 3, 1]), 2, 1, 'same'),
  Maximum: binary(tf.maximum),
  Mean: reduction(tf.mean),
  Min: reduction(tf.min),
  Minimum: binary(tf.minimum),
  MirrorPad: (own) =>
    tf.mirrorPad(
      own.x([3, 3]),
      [
        [1, 1],
        [0, 2],
      ],
      'reflect',
    ),
  Mod: binary(tf.mod),
  Multiply: (own) => [...(binary(tf.mul)(own) as tf.Tensor[]), tf.mul(own.x([2, 3]), tf.sum(own.mask([4])))],
  Neg: unary(tf.neg),
  NotEqual: comparison(tf.notEqual),
  OneHot: (own) => [
    tf.oneHot(best(own), 5),
    tf.oneHot(tf.cast(own.x<tf.Tensor1D>([3]), 'int32'), 4, 0.9, 0.1, 'float32'),
  ],
  OnesLike: unary(tf.onesLike),
  Pack: (own) => tf.stack([own.x([2, 3]), own.mask([2, 3])], 1),
  PadV2: (own) =>
    tf.pad(
      own.x([2, 3]),
      [
        [1, 0],
        [0, 1],
      ],
      -1e3 as never,
    ),
  Pow: unary((x) => tf.pow(x, 3)),
  Prelu: (own) => [tf.prelu(own.x([2, 3]), own.floats([3])), tf.prelu(own.x([2, 3]), own.mask([3]))],
  Prod: reduction(tf.prod),
  RealDiv: binary(tf.div),
  Reciprocal: unary(tf.reciprocal),
  Relu: unary(tf.relu),
  Relu6: unary(tf.relu6),
  Reshape: (own) => [tf.reshape(own.x([2, 3]), [3, 2]), tf.add(tf.reshape(own.floats([2, 3]), [6]), own.mask([6]))],
  ResizeBilinear: (own) => tf.image.resizeBilinear(image(own), [3, 6]),
  ResizeNearestNeighbor: (own) => tf.image.resizeNearestNeighbor(image(own), [3, 6]),
  Reverse: (own) => tf.reverse(own.x([2, 3]), 1),
  RotateWithOffset: (own) => tf.image.rotateWithOffset(image(own), 0.5),
  Round: unary(tf.round),
  Rsqrt: unary(tf.rsqrt),
  ScatterNd: (own) => [
    tf.scatterND(own.ints<tf.Tensor>([4, 1], 6), own.x([4, 2]), [6, 2]),
    tf.scatterND(own.ints<tf.Tensor>([4, 2], 3), own.floats([4]), [3, 3]),
    tf.scatterND(own.ints<tf.Tensor>([2, 2, 1], 6), own.floats([2, 2, 3]), [6, 3]),
  ],
  Select: (own) => [
    tf.where(own.flags([2, 3]), own.x([2, 3]), own.mask([2, 3])),
    tf.where(own.bits([2, 3]), own.floats([2, 3]), own.mask([2, 3])),
    kernel('Select', { condition: own.bits([2]), t: own.x([2, 3]), e: own.floats([2, 3]) }),
  ],
  Selu: unary(tf.selu),
  Sigmoid: unary(tf.sigmoid),
  Sign: unary(tf.sign),
  Sin: unary(tf.sin),
  Sinh: unary(tf.sinh),
  Slice: (own) => tf.slice(own.x([4, 3]), [1, 0], [2, 2]),
  Softmax: (own) => [
    tf.softmax(own.x([2, 3])),
    tf.softmax(tf.add(own.x([2, 3]), own.mask([1, 3]))),
    tf.softmax(tf.add(own.x([2, 3]), own.bias([1, 3]))),
    tf.softmax(tf.add(own.x([2, 3]), own.mask([2, 3]))),
    tf.softmax(tf.where(own.bits([2, 3]), own.x([2, 3]), tf.fill([2, 3], -1e9))),
    tf.softmax(tf.div(tf.add(tf.add(own.x([2, 3]), own.floats([2, 3])), own.mask([3])), 3)),
    tf.softmax(tf.add(own.mask([2, 1, 3]), own.x([1, 2, 3]))),
    tf.softmax(tf.sub(own.x([2, 3]), own.mask([3]))),
    tf.softmax(tf.sub(own.mask([3]), own.x([2, 3]))),
    tf.softmax(tf.add(own.x([2, 3]), own.floats([3]))),
    tf.softmax(tf.add(own.floats([2, 3]), own.floats([3]))),
  ],
  Softplus: unary(tf.softplus),
  SpaceToBatchND: (own) =>
    tf.spaceToBatchND(
      image(own),
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  SparseSegmentMean: segments(tf.sparse.sparseSegmentMean),
  SparseSegmentSum: segments(tf.sparse.sparseSegmentSum),
  SparseToDense: (own) => [
    tf.sparseToDense(own.ints([4], 6), own.x<tf.Tensor1D>([4]), [6], tf.scalar(0)),
    tf.sparseToDense(own.ints<tf.Tensor2D>([4, 2], 3), own.floats<tf.Tensor1D>([4]), [3, 3], tf.scalar(-1.5)),
    tf.sparseToDense(own.ints([4], 6), own.mask<tf.Tensor1D>([4]), [6], tf.sum<tf.Scalar>(own.x([2]))),
  ],
  SplitV: (own) => tf.split(own.x([4, 3]), 2),
  Sqrt: unary(tf.sqrt),
  Square: unary(tf.square),
  SquaredDifference: binary(tf.squaredDifference),
  Step: unary((x) => tf.step(x, 0.25)),
  StridedSlice: (own) => tf.stridedSlice(own.x([4, 4]), [3, 0], [0, 4], [-1, 2]),
  Sub: binary(tf.sub),
  Sum: reduction(tf.sum),
  Tan: unary(tf.tan),
  Tanh: unary(tf.tanh),
  TensorScatterUpdate: (own) => [
    tf.tensorScatterUpdate(own.x([6, 2]), own.ints<tf.Tensor>([4, 1], 6), own.floats([4, 2])),
    tf.tensorScatterUpdate(own.floats([3, 3]), own.ints<tf.Tensor>([4, 2], 3), own.mask([4])),
    tf.tensorScatterUpdate(own.mask([6, 2]), own.ints<tf.Tensor>([2, 1], 6), own.x([2, 2])),
  ],
  Tile: (own) => tf.tile(own.x([2, 3]), [2, 2]),
  TopK: (own) => Object.values(tf.topk(own.x([2, 5]), 2)),
  Transpose: (own) => tf.transpose(own.x([2, 3])),
  Unpack: (own) => tf.unstack(own.x([2, 3])),
  UnsortedSegmentSum: (own) => [
    tf.unsortedSegmentSum(own.x([5, 2]), own.ints([5], 9), 4),
    tf.unsortedSegmentSum(own.floats([5, 2]), tf.sub(own.ints([5], 9), tf.scalar(3, 'int32')) as tf.Tensor1D, 4),
  ],
  ZerosLike: unary(tf.zerosLike),
  _FusedMatMul: (own) => [
    tf.fused.matMul({
      a: own.x([2, 3]),
      b: own.floats([3, 2]),
      transposeA: false,
      transposeB: false,
      bias: own.mask([2]),
      activation: 'relu',
    }),
    tf.fused.matMul({
      a: own.mask([2, 3]),
      b: own.x([3, 2]),
      transposeA: false,
      transposeB: false,
      activation: 'prelu',
      preluActivationWeights: own.floats([2]),
    }),
  ],
};

/** Of several kernels together, what rewrites look for. */
export const patterns: Record<string, Case> = {
  'attention of a padded or a full sentence': (own) => {
    const [q, k, v] = [
      own.x<tf.Tensor>([1, 2, 4, 3]),
      own.x<tf.Tensor>([1, 2, 4, 3]),
      own.floats<tf.Tensor>([1, 2, 4, 3]),
    ];
    const scores = tf.mul(tf.matMul(q, k, false, true), Math.sqrt(1 / 3));
    const mask = tf.reshape(tf.cast(own.ints<tf.Tensor>([1, 4], 2), 'float32'), [1, 1, 1, 4]);
    return [-10_000, -1e9, 1e30].map((far) => tf.matMul(tf.softmax(tf.add(scores, tf.mul(tf.sub(1, mask), far))), v));
  },
  'softmax written out, with a mask': (own) => {
    const s = tf.add(own.x([2, 3]), own.mask([3]));
    const e = tf.exp(tf.sub(s, tf.max(s, -1, true)));
    return tf.div(e, tf.sum(e, -1, true));
  },
  '2Quad in plain operations, with a mask of any kind': (own) =>
    [own.bits([3]), tf.cast(own.ints<tf.Tensor>([3], 2), 'float32'), own.floats([3]), own.x([3])].map((mask) => {
      const p = tf.mul(tf.square(tf.add(own.x([2, 3]), 5)), tf.cast(mask, 'float32'));
      return tf.div(p, tf.sum(p, -1, true));
    }),
  '2Quad in plain operations, with a constant for each head': (own) => {
    const shape = [1, 2, 3, 4];
    const [q, k] = [own.x<tf.Tensor>(shape), own.x<tf.Tensor>(shape)];
    const scores = tf.mul(tf.matMul(q, k, false, true), 0.5);
    const square = tf.square(tf.add(scores, tf.add(tf.reshape(own.floats([2]), [1, 2, 1, 1]), 5)));
    const mask = tf.reshape(tf.cast(own.ints<tf.Tensor>([1, 3], 2), 'float32'), [1, 1, 1, 3]);
    return [square, tf.mul(square, mask)].map((p) => tf.div(p, tf.sum(p, -1, true)));
  },
  'a dense layer on a LayerNorm, and a classifier': (own) => {
    const x = own.x<tf.Tensor>([2, 4]);
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const normal = tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5)));
    const affine = tf.add(tf.mul(normal, own.floats([4])), own.floats([4]));
    return [
      tf.softmax(tf.add(tf.matMul(affine, own.floats<tf.Tensor>([4, 3])), own.floats([3]))),
      tf.softmax(tf.add(tf.matMul(tf.mul(normal, own.mask([4])), own.floats<tf.Tensor>([4, 3])), own.mask([3]))),
    ];
  },
  'a factor that moves into weights': (own) =>
    tf.mul(tf.add(tf.matMul(own.x<tf.Tensor>([2, 4]), own.floats<tf.Tensor>([4, 3])), own.mask([3])), 0.3),
  'GeLU and SiLU': (own) => {
    const [x, y] = [own.x([2, 3]), own.x([2, 3])];
    return [tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))), tf.mul(y, tf.sigmoid(y))];
  },
  'an embedding, its mean over what is there': (own) => {
    const mask = tf.cast(own.ints<tf.Tensor>([1, 6], 2), 'float32');
    const words = tf.gather(own.floats([50, 3]), own.ints<tf.Tensor>([1, 6], 50));
    return tf.squeeze(tf.matMul(tf.expandDims(tf.div(mask, tf.sum(mask, 1, true)), 1), words), [1]);
  },
};
