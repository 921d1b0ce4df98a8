import '@tensorflow/tfjs-backend-cpu';
import { getKernelsForBackend } from '@tensorflow/tfjs-core';
import { AddN, binary, extremum, Pow, SquaredDifference } from './arithmetic.js';
import { Einsum } from './einsum.js';
import { Prelu, Step, unary } from './elementwise.js';
import { register, type SecretKernel } from './kernel.js';
import { Cast, Concat, ExpandDims, GatherV2, Identity, Pack, PadV2, Reshape, Slice, SplitV, StridedSlice, Tile, Transpose, Unpack } from './layout.js';
import { comparison, equality, LogicalNot, logical, Select } from './logic.js';
import { BatchMatMul, FusedMatMul, filled } from './products.js';
import { Cumsum, extreme, LogSoftmax, Softmax, TopK, total, whichExtreme } from './reductions.js';

/** Kernels that work on secret tensors, by their TF.js names. */
const secretKernels: Record<string, SecretKernel> = {
  Abs: unary('abs'),
  Add: binary('add'),
  AddN,
  All: extreme('min', (a) => a.axis as number[]),
  Any: extreme('max', (a) => a.axis as number[]),
  ArgMax: whichExtreme('argMax'),
  ArgMin: whichExtreme('argMin'),
  BatchMatMul,
  Cast,
  Ceil: unary('ceil'),
  ClipByValue: unary('clip', (a) => ({ low: a.clipValueMin!, high: a.clipValueMax! })),
  Concat,
  Cumsum,
  Einsum,
  Elu: unary('elu'),
  Equal: equality(false),
  Erf: unary('erf'),
  Exp: unary('exp'),
  ExpandDims,
  Expm1: unary('expm1'),
  Floor: unary('floor'),
  GatherV2,
  Greater: comparison('atMost', true),
  GreaterEqual: comparison('less', true),
  Identity,
  LeakyRelu: unary('leakyRelu', (a) => ({ alpha: a.alpha! })),
  Less: comparison('less'),
  LessEqual: comparison('atMost'),
  Log: unary('log'),
  Log1p: unary('log1p'),
  LogicalAnd: logical('and'),
  LogicalNot,
  LogicalOr: logical('or'),
  LogSoftmax,
  Max: extreme('max', (a) => a.reductionIndices as number[]),
  Maximum: extremum('Maximum'),
  Mean: total('mean'),
  Min: extreme('min', (a) => a.axis as number[]),
  Minimum: extremum('Minimum'),
  Multiply: binary('mul'),
  Neg: unary('neg'),
  NotEqual: equality(true),
  OnesLike: filled(1),
  Pack,
  PadV2,
  Pow,
  Prelu,
  RealDiv: binary('div'),
  Reciprocal: unary('reciprocal'),
  Relu: unary('relu'),
  Relu6: unary('relu6'),
  Reshape,
  Round: unary('round'),
  Rsqrt: unary('rsqrt'),
  Select,
  Selu: unary('selu'),
  Sigmoid: unary('sigmoid'),
  Sign: unary('sign'),
  Slice,
  Softmax,
  Softplus: unary('softplus'),
  SplitV,
  Sqrt: unary('sqrt'),
  Square: unary('square'),
  SquaredDifference,
  Step,
  StridedSlice,
  Sub: binary('sub'),
  Sum: total('sum'),
  Tanh: unary('tanh'),
  Tile,
  TopK,
  Transpose,
  Unpack,
  ZerosLike: filled(0),
  _FusedMatMul: FusedMatMul,
};

/** Registers every kernel of the host backend; those without a protocol say so when they meet a secret. */
export function registerKernels(): void {
  const names = new Set([...Object.keys(secretKernels), ...getKernelsForBackend('cpu').map((k) => k.kernelName)]);
  for (const name of names) register(name, secretKernels[name]);
}
