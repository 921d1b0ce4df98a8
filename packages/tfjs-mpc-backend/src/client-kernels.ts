/**
 * TF.js kernels that a client computes of its own inputs and public values before it asks, and of what is revealed
 * after. None draws random numbers, none has a shape that depends on values. A published model names them, and its
 * publisher is not trusted with the client's process: each has a rule that says, before anything is computed, what
 * shapes come out and what it takes.
 */
import { sizeOf } from '@secformer/ring';
import { broadcastShapes, type Shape } from '@secformer/secformer-ops';
import { slice_util } from '@tensorflow/tfjs-core';
import { BadStep, flag, integer, integers, number, pairs, text } from './client-attributes.js';

type Attributes = Readonly<Record<string, unknown>>;

/** What a kernel makes of operands of these shapes, in the order of `inputs`. */
interface Rule {
  /** names of operands, all of which are there; undefined for a list */
  inputs: readonly string[] | undefined;
  /** @throws BadStep where shapes and attributes do not fit */
  shapes: (shapes: readonly Shape[], attrs: Attributes) => Shape[];
  /** elementary steps, where it is more than its operands and results have elements */
  work?: (shapes: readonly Shape[], attrs: Attributes) => number;
}

const same = (...inputs: string[]): Rule => ({ inputs, shapes: ([x]) => [x!] });
const binary = (...inputs: string[]): Rule => ({ inputs, shapes: ([a, b]) => [broadcast(a!, b!)] });

function broadcast(a: Shape, b: Shape): Shape {
  try {
    return broadcastShapes(a, b);
  } catch {
    throw new BadStep(`[${a}] and [${b}] do not fit`);
  }
}

/** An axis from the front. */
function axisOf(value: unknown, rank: number): number {
  const axis = integer(value, -rank, rank - 1);
  return axis < 0 ? axis + rank : axis;
}

function axesOf(value: unknown, rank: number): number[] {
  if (value === null || value === undefined) return Array.from({ length: rank }, (_, i) => i);
  const given = typeof value === 'number' ? [value] : integers(value, -rank, rank - 1, rank);
  return given.map((a) => axisOf(a, rank));
}

function reduced(name: string): Rule {
  return {
    inputs: ['x'],
    shapes: ([x], attrs) => {
      const axes = axesOf(attrs[name], x!.length);
      const keep = attrs.keepDims !== undefined && flag(attrs.keepDims);
      return [keep ? x!.map((d, i) => (axes.includes(i) ? 1 : d)) : x!.filter((_, i) => !axes.includes(i))];
    },
  };
}

function reshaped([x]: readonly Shape[], shape: Shape): Shape[] {
  if (sizeOf(shape) !== sizeOf(x!)) throw new BadStep(`[${x}] is not of as many elements as [${shape}]`);
  return [shape];
}

function padded([x]: readonly Shape[], { paddings }: Attributes): Shape[] {
  const by = pairs(paddings, x!.length);
  return [x!.map((d, i) => d + by[i]![0] + by[i]![1])];
}

/** The shape without an axis, which is returned too. */
function without(x: Shape, axis: number): Shape {
  return x.filter((_, i) => i !== axis);
}

function sliced([x]: readonly Shape[], a: Attributes): Shape[] {
  const rank = x!.length;
  const list = (name: string) => [...integers(a[name], -(2 ** 31), 2 ** 31, rank + 1)];
  const mask = (name: string) => integer(a[name] ?? 0, 0, 2 ** 8);
  const strides = list('strides');
  if (strides.includes(0)) throw new BadStep('a stride of 0');
  const { finalShape } = slice_util.sliceInfo(
    [...x!],
    list('begin'),
    list('end'),
    strides,
    mask('beginMask'),
    mask('endMask'),
    mask('ellipsisMask'),
    mask('newAxisMask'),
    mask('shrinkAxisMask'),
  );
  return [finalShape];
}

function resized([x]: readonly Shape[], { size, alignCorners, halfPixelCenters }: Attributes): Shape[] {
  const [high, wide] = integers(size, 1, 2 ** 16, 2);
  if (x!.length !== 4 || high === undefined || wide === undefined) throw new BadStep(`an image of shape [${x}]`);
  flag(alignCorners);
  flag(halfPixelCenters);
  return [[x![0]!, high, wide, x![3]!]];
}

function gathered([x, indices]: readonly Shape[], { axis, batchDims }: Attributes): Shape[] {
  const at = axisOf(axis, x!.length);
  const batches = integer(batchDims ?? 0, 0, Math.min(at, indices!.length));
  if (x!.slice(0, batches).join() !== indices!.slice(0, batches).join()) throw new BadStep(`batches of [${x}]`);
  return [[...x!.slice(0, at), ...indices!.slice(batches), ...x!.slice(at + 1)]];
}

function multiplied([a, b]: readonly Shape[], { transposeA = false, transposeB = false }: Attributes): Shape[] {
  if (a!.length < 2 || b!.length < 2) throw new BadStep(`a product of [${a}] and [${b}]`);
  const [rows, inner] = flag(transposeA) ? [a!.at(-1)!, a!.at(-2)!] : [a!.at(-2)!, a!.at(-1)!];
  const [depth, columns] = flag(transposeB) ? [b!.at(-1)!, b!.at(-2)!] : [b!.at(-2)!, b!.at(-1)!];
  if (inner !== depth) throw new BadStep(`a product of [${a}] and [${b}]`);
  return [[...broadcast(a!.slice(0, -2), b!.slice(0, -2)), rows, columns]];
}

/** Sizes of an equation's axes by letter, and the result's letters. */
function einsumOf(shapes: readonly Shape[], attrs: Attributes): { sizes: Map<string, number>; to: string } {
  const equation = text(attrs.equation, 200);
  const [from = '', to = ''] = equation.replaceAll(' ', '').split('->');
  const terms = from.split(',');
  if (!/^[a-zA-Z,]*->[a-zA-Z]*$/.test(equation.replaceAll(' ', '')) || terms.length !== shapes.length)
    throw new BadStep(`the equation ${equation}`);
  const sizes = new Map<string, number>();
  terms.forEach((term, i) => {
    if (term.length !== shapes[i]!.length) throw new BadStep(`the equation ${equation}`);
    [...term].forEach((axis, k) => {
      if ((sizes.get(axis) ?? shapes[i]![k]!) !== shapes[i]![k]!) throw new BadStep(`the equation ${equation}`);
      sizes.set(axis, shapes[i]![k]!);
    });
  });
  if ([...to].some((axis) => !sizes.has(axis))) throw new BadStep(`the equation ${equation}`);
  return { sizes, to };
}

const SAME = (
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor Identity IsFinite ' +
  'IsInf IsNan Log Log1p LogicalNot Neg OnesLike Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid ' +
  'Sign Sin Sinh Softplus Sqrt Square Tan Tanh ZerosLike'
).split(' ');

const BINARY = (
  'Add Atan2 BitwiseAnd Equal FloorDiv Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr ' +
  'Maximum Minimum Mod Multiply NotEqual Pow RealDiv SquaredDifference Sub'
).split(' ');

const along = (...names: string[]): Rule => ({
  inputs: ['x'],
  shapes: ([x], attrs) => {
    for (const name of names) axesOf(attrs[name], x!.length);
    return [x!];
  },
});

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(SAME.map((name) => [name, same('x')])),
  ...Object.fromEntries(BINARY.map((name) => [name, binary('a', 'b')])),
  AddN: {
    inputs: undefined,
    shapes: (shapes) => {
      if (shapes.length === 0 || shapes.some((s) => s.join() !== shapes[0]!.join())) throw new BadStep('unlike terms');
      return [shapes[0]!];
    },
  },
  All: reduced('axis'),
  Any: reduced('axis'),
  ArgMax: reduced('axis'),
  ArgMin: reduced('axis'),
  BatchMatMul: {
    inputs: ['a', 'b'],
    shapes: multiplied,
    work: (shapes, attrs) =>
      sizeOf(multiplied(shapes, attrs)[0]!) * (attrs.transposeA ? shapes[0]!.at(-2)! : shapes[0]!.at(-1)!),
  },
  Cast: {
    inputs: ['x'],
    shapes: ([x], { dtype }) => {
      if (!['float32', 'int32', 'bool'].includes(text(dtype, 16))) throw new BadStep(`the type ${dtype}`);
      return [x!];
    },
  },
  ClipByValue: {
    inputs: ['x'],
    shapes: ([x], { clipValueMin, clipValueMax }) => {
      number(clipValueMin);
      number(clipValueMax);
      return [x!];
    },
  },
  Concat: {
    inputs: undefined,
    shapes: (shapes, attrs) => {
      const [first] = shapes;
      if (!first) throw new BadStep('nothing');
      const axis = axisOf(attrs.axis, first.length);
      if (shapes.some((s) => s.length !== first.length || without(s, axis).join() !== without(first, axis).join()))
        throw new BadStep('unlike parts');
      return [first.map((d, i) => (i === axis ? shapes.reduce((n, s) => n + s[axis]!, 0) : d))];
    },
  },
  Cumprod: along('axis'),
  Cumsum: along('axis'),
  DenseBincount: {
    inputs: ['x', 'weights'],
    shapes: ([x, weights], { size }) => {
      const n = integer(size, 0, 2 ** 24);
      if (x!.length < 1 || x!.length > 2 || (sizeOf(weights!) > 0 && weights!.join() !== x!.join()))
        throw new BadStep(`[${x}]`);
      return [[...x!.slice(0, -1), n]];
    },
  },
  Einsum: {
    inputs: undefined,
    shapes: (shapes, attrs) => {
      const { sizes, to } = einsumOf(shapes, attrs);
      return [[...to].map((axis) => sizes.get(axis)!)];
    },
    work: (shapes, attrs) => [...einsumOf(shapes, attrs).sizes.values()].reduce((n, d) => n * d, shapes.length),
  },
  ExpandDims: {
    inputs: ['input'],
    shapes: ([x], { dim }) => {
      const at = integer(dim, -x!.length - 1, x!.length);
      const out = [...x!];
      out.splice(at < 0 ? x!.length + 1 + at : at, 0, 1);
      return [out];
    },
  },
  FlipLeftRight: same('image'),
  GatherNd: {
    inputs: ['params', 'indices'],
    shapes: ([x, indices]) => {
      const depth = indices!.at(-1);
      if (depth === undefined || depth > x!.length) throw new BadStep(`indices of shape [${indices}]`);
      return [[...indices!.slice(0, -1), ...x!.slice(depth)]];
    },
  },
  GatherV2: { inputs: ['x', 'indices'], shapes: gathered },
  LeakyRelu: same('x'),
  LogSoftmax: same('logits'),
  Max: reduced('reductionIndices'),
  Mean: reduced('axis'),
  Min: reduced('axis'),
  MirrorPad: {
    inputs: ['x'],
    shapes: (shapes, attrs) => {
      const by = pairs(attrs.paddings, shapes[0]!.length);
      if (by.some((p, i) => Math.max(...p) > shapes[0]![i]!)) throw new BadStep('more than there is to mirror');
      return padded(shapes, attrs);
    },
  },
  OneHot: {
    inputs: ['indices'],
    shapes: ([x], { depth, dtype }) => {
      if (dtype !== undefined && !['float32', 'int32', 'bool'].includes(text(dtype, 16)))
        throw new BadStep(`the type ${dtype}`);
      return [[...x!, integer(depth, 0, 2 ** 24)]];
    },
  },
  Pack: {
    inputs: undefined,
    shapes: (shapes, attrs) => {
      const [first] = shapes;
      if (!first || shapes.some((s) => s.join() !== first.join())) throw new BadStep('unlike parts');
      const at = axisOf(attrs.axis, first.length + 1);
      return [[...first.slice(0, at), shapes.length, ...first.slice(at)]];
    },
  },
  PadV2: {
    inputs: ['x'],
    shapes: (shapes, attrs) => {
      number(attrs.constantValue ?? 0);
      return padded(shapes, attrs);
    },
  },
  Prelu: binary('x', 'alpha'),
  Prod: reduced('axis'),
  Reshape: {
    inputs: ['x'],
    shapes: (shapes, { shape }) => {
      const given = integers(shape, -1, 2 ** 31, 8);
      const rest = given.reduce((n, d) => (d === -1 ? n : n * d), 1);
      return reshaped(
        shapes,
        given.map((d) => (d === -1 ? sizeOf(shapes[0]!) / rest : d)),
      );
    },
  },
  ResizeBilinear: { inputs: ['images'], shapes: resized },
  ResizeNearestNeighbor: { inputs: ['images'], shapes: resized },
  Reverse: along('dims'),
  Select: {
    inputs: ['condition', 't', 'e'],
    shapes: ([c, t, e]) => {
      if (t!.join() !== e!.join() || (c!.join() !== t!.join() && !(c!.length === 1 && c![0] === t![0])))
        throw new BadStep(`[${c}], [${t}] and [${e}] do not fit`);
      return [t!];
    },
  },
  Slice: {
    inputs: ['x'],
    shapes: ([x], { begin, size }) => {
      const [from, of] = [integers(begin, 0, 2 ** 31, x!.length), integers(size, -1, 2 ** 31, x!.length)];
      const out = x!.map((d, i) => (of[i] === -1 ? d - from[i]! : of[i]!));
      if (from.length !== x!.length || of.length !== x!.length || out.some((d, i) => d < 0 || from[i]! + d > x![i]!))
        throw new BadStep(`a slice of [${x}]`);
      return [out];
    },
  },
  Softmax: same('logits'),
  SplitV: {
    inputs: ['x'],
    shapes: ([x], { numOrSizeSplits, axis }) => {
      const at = axisOf(axis, x!.length);
      const whole = x![at]!;
      const parts =
        typeof numOrSizeSplits === 'number'
          ? Array<number>(integer(numOrSizeSplits, 1, 1024)).fill(whole / numOrSizeSplits)
          : integers(numOrSizeSplits, 0, whole, 1024);
      if (parts.reduce((n, d) => n + d, 0) !== whole || !parts.every(Number.isInteger))
        throw new BadStep(`parts of [${x}]`);
      return parts.map((part) => x!.map((d, i) => (i === at ? part : d)));
    },
  },
  Step: same('x'),
  StridedSlice: { inputs: ['x'], shapes: sliced },
  Sum: reduced('axis'),
  Tile: {
    inputs: ['x'],
    shapes: ([x], { reps }) => {
      const by = integers(reps, 0, 2 ** 24, x!.length);
      if (by.length !== x!.length) throw new BadStep(`repetitions of [${x}]`);
      return [x!.map((d, i) => d * by[i]!)];
    },
  },
  TopK: {
    inputs: ['x'],
    shapes: ([x], { k }) => {
      if (x!.length === 0) throw new BadStep('the largest of a number');
      const shape = [...x!.slice(0, -1), integer(k, 0, x!.at(-1)!)];
      return [shape, shape];
    },
    work: ([x]) => sizeOf(x!) * 32,
  },
  Transpose: {
    inputs: ['x'],
    shapes: ([x], { perm }) => {
      const by = integers(perm, 0, x!.length - 1, x!.length);
      if (new Set(by).size !== x!.length) throw new BadStep(`a permutation of [${x}]`);
      return [by.map((p) => x![p]!)];
    },
  },
  Unpack: {
    inputs: ['value'],
    shapes: ([x], attrs) => {
      const axis = axisOf(attrs.axis, x!.length);
      if (x![axis]! > 1024) throw new BadStep(`${x![axis]} parts`);
      return Array.from({ length: x![axis]! }, () => without(x!, axis));
    },
  },
};

/** Is this a kernel that clients compute? */
export function isClientKernel(kernel: string): boolean {
  return Object.hasOwn(rules, kernel);
}

/**
 * What comes out of a kernel, and what it takes, in elementary steps.
 * @throws BadStep where it is none that clients compute, or not of such operands
 */
export function kernelRule(
  kernel: string,
  inputs: readonly Shape[] | Record<string, Shape | undefined>,
  attrs: Attributes,
): { shapes: Shape[]; work: number } {
  const rule = isClientKernel(kernel) ? rules[kernel]! : undefined;
  if (!rule) throw new BadStep(`kernel '${kernel.slice(0, 64)}', which is none that clients compute`);
  const named = inputs as Record<string, Shape | undefined>;
  const list: readonly (Shape | undefined)[] | undefined = Array.isArray(inputs)
    ? (inputs as readonly Shape[])
    : rule.inputs?.map((name) => named[name]);
  if (Array.isArray(inputs) !== (rule.inputs === undefined) || !list || list.includes(undefined))
    throw new BadStep(`kernel '${kernel}' without its operands`);
  const given = list as readonly Shape[];
  const shapes = rule.shapes(given, attrs);
  const elements = [...given, ...shapes].reduce((n, s) => n + sizeOf(s), 0);
  return { shapes, work: Math.max(elements, rule.work?.(given, attrs) ?? 0) };
}
