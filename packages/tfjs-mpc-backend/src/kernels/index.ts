import '@tensorflow/tfjs-backend-cpu';
import { getKernelsForBackend } from '@tensorflow/tfjs-core';
import { AddN, binary, comparison, extremum, Pow, SquaredDifference, unary } from './arithmetic.js';
import { Einsum } from './einsum.js';
import { register, type SecretKernel } from './kernel.js';
import { Cast, Concat, ExpandDims, GatherV2, Identity, Pack, PadV2, Reshape, Slice, SplitV, StridedSlice, Tile, Transpose, Unpack } from './layout.js';
import { BatchMatMul, FusedMatMul, filled } from './products.js';
import { ArgMax, Max, Softmax, total } from './reductions.js';

/** Kernels that work on secret tensors, by their TF.js names. */
const secretKernels: Record<string, SecretKernel> = {
  Add: binary('add'),
  AddN,
  ArgMax,
  BatchMatMul,
  Cast,
  Concat,
  Einsum,
  Erf: unary('erf'),
  ExpandDims,
  GatherV2,
  Greater: comparison(false, false),
  GreaterEqual: comparison(false, true),
  Identity,
  Less: comparison(true, false),
  LessEqual: comparison(true, true),
  Max,
  Maximum: extremum('Maximum'),
  Mean: total('mean'),
  Minimum: extremum('Minimum'),
  Multiply: binary('mul'),
  Neg: unary('neg'),
  OnesLike: filled(1),
  Pack,
  PadV2,
  Pow,
  RealDiv: binary('div'),
  Reciprocal: unary('reciprocal'),
  Relu: unary('relu'),
  Reshape,
  Rsqrt: unary('rsqrt'),
  Slice,
  Softmax,
  SplitV,
  Sqrt: unary('sqrt'),
  Square: unary('square'),
  SquaredDifference,
  StridedSlice,
  Sub: binary('sub'),
  Sum: total('sum'),
  Tanh: unary('tanh'),
  Tile,
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
