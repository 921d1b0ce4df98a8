/** What the operations of a client part take and give, checked before anything is computed. */
import { sizeOf } from '@secformer/ring';
import { broadcastShapes, functionOf, type Shape } from '@secformer/secformer-ops';
import { BadStep, flag, integer, integers, number } from '../client-attributes.js';
import type { RowsCall } from '../steps.js';

type Attributes = Readonly<Record<string, unknown>>;

const FLOORS = new Set(['floorRows', 'belowFloor', 'notMasked', 'biasOnly', 'bits']);
const NUMBERS_OF_FLOORS = ['floor', 'from', 'open'];
const FLAGS_OF_FLOORS = ['both', 'weights', 'shifts', 'zeroed', 'closed'];

function fits(is: boolean, what: string): void {
  if (!is) throw new BadStep(what);
}

function broadcast(shapes: readonly Shape[], shape: Shape, op: string): void {
  let all: Shape = [];
  try {
    for (const s of shapes) all = broadcastShapes(all, s);
  } catch {
    throw new BadStep(`operands of '${op}'`);
  }
  fits(all.join() === shape.join(), `[${shape}] for '${op}' of ${shapes.map((s) => `[${s}]`).join(' and ')}`);
}

function operands(shapes: readonly Shape[], n: number, op: string): void {
  fits(shapes.length === n, `${shapes.length} operands of '${op}', which takes ${n}`);
}

function views(op: string, [x]: readonly Shape[], attrs: Attributes, shape: Shape): void {
  const n = sizeOf(x!);
  switch (op) {
    case 'reshape':
      fits(sizeOf(shape) === n, `[${shape}] for '${op}' of [${x}]`);
      return;
    case 'transpose': {
      const perm = integers(attrs.perm, 0, x!.length - 1, x!.length);
      fits(
        new Set(perm).size === x!.length && perm.map((p) => x![p]).join() === shape.join(),
        `a permutation of [${x}]`,
      );
      return;
    }
    case 'slice': {
      const begin = integers(attrs.begin, 0, 2 ** 31, x!.length);
      const strides = attrs.strides === undefined ? x!.map(() => 1) : integers(attrs.strides, 1, 2 ** 31, x!.length);
      fits(
        [begin, strides, shape].every((list) => list.length === x!.length) &&
          shape.every((d, i) => d === 0 || begin[i]! + (d - 1) * strides[i]! < x![i]!),
        `a slice of [${x}]`,
      );
      return;
    }
    case 'view': {
      const strides = integers(attrs.strides, -(2 ** 31), 2 ** 31, shape.length);
      let [low, high] = [integer(attrs.offset, 0, 2 ** 31), integer(attrs.offset, 0, 2 ** 31)];
      shape.forEach((d, i) => {
        const reach = (d - 1) * (strides[i] ?? Number.NaN);
        if (reach < 0) low += reach;
        else high += reach;
      });
      fits(shape.includes(0) || (low >= 0 && high < n), `a view of [${x}]`);
      return;
    }
    default: {
      const places = integers(attrs.indices, -1, n - 1, sizeOf(shape));
      fits(places.length === sizeOf(shape), `places of [${x}]`);
    }
  }
}

function concatenated(shapes: readonly Shape[], attrs: Attributes, shape: Shape): void {
  const axis = integer(attrs.axis, 0, shape.length - 1);
  const rest = (s: Shape) => s.filter((_, i) => i !== axis).join();
  fits(
    shapes.length > 0 &&
      shapes.every((s) => s.length === shape.length && rest(s) === rest(shape)) &&
      shapes.reduce((n, s) => n + s[axis]!, 0) === shape[axis],
    `parts of [${shape}]`,
  );
}

function summed(op: string, [x]: readonly Shape[], attrs: Attributes, shape: Shape): void {
  const axes = integers(attrs.axes, 0, x!.length - 1, x!.length);
  const kept = sizeOf(x!.filter((_, i) => !axes.includes(i)));
  fits(sizeOf(shape) === kept && new Set(axes).size === axes.length, `[${shape}] for '${op}' of [${x}]`);
}

function product([a, b]: readonly Shape[], attrs: Attributes, shape: Shape): number {
  fits(a!.length >= 2 && b!.length >= 2, 'a product of rows');
  const [rows, inner] = flag(attrs.transposeA) ? [a!.at(-1), a!.at(-2)] : [a!.at(-2), a!.at(-1)];
  const [depth, columns] = flag(attrs.transposeB) ? [b!.at(-1), b!.at(-2)] : [b!.at(-2), b!.at(-1)];
  fits(inner === depth && shape.at(-2) === rows && shape.at(-1) === columns, `a product of [${a}] and [${b}]`);
  broadcast([a!.slice(0, -2), b!.slice(0, -2)], shape.slice(0, -2), 'matMul');
  return sizeOf(shape) * inner!;
}

/**
 * Checks an operation.
 * @param indices how many integers it takes beside its operands
 * @returns elementary steps that it takes
 * @throws BadStep
 */
export function checkOp(
  op: string,
  shapes: readonly Shape[],
  attrs: Attributes,
  shape: Shape,
  indices: number | undefined,
): number {
  const elements = [...shapes, shape].reduce((n, s) => n + sizeOf(s), 0);
  fits((indices !== undefined) === (op === 'gather' || op === 'oneHot'), `integers for '${op}'`);
  const one = () => operands(shapes, 1, op);
  const same = () => fits(shapes[0]!.join() === shape.join(), `[${shape}] for '${op}' of [${shapes[0]}]`);
  if (functionOf(op as never) || op === 'square' || FLOORS.has(op)) {
    one();
    same();
    for (const [key, v] of Object.entries(attrs)) {
      if (FLOORS.has(op) && FLAGS_OF_FLOORS.includes(key)) flag(v);
      else if (!FLOORS.has(op) || NUMBERS_OF_FLOORS.includes(key)) number(v);
    }
    if (op === 'floorRows' || op === 'belowFloor') number(attrs.floor);
    return elements;
  }
  switch (op) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'prelu':
      operands(shapes, 2, op);
      broadcast(shapes, shape, op);
      return elements;
    case 'select':
      operands(shapes, 3, op);
      broadcast(shapes, shape, op);
      return elements;
    case 'broadcast':
      one();
      broadcast([shapes[0]!, shape], shape, op);
      return elements;
    case 'openRows':
      one();
      fits([...shapes[0]!.slice(0, -1), 1].join() === shape.join() && shapes[0]!.length > 0, `[${shape}] for '${op}'`);
      return elements;
    case 'reshape':
    case 'transpose':
    case 'slice':
    case 'view':
    case 'pick':
      one();
      views(op, shapes, attrs, shape);
      return elements;
    case 'concat':
      concatenated(shapes, attrs, shape);
      return elements;
    case 'sum':
    case 'mean':
      one();
      summed(op, shapes, attrs, shape);
      return elements;
    case 'matMul':
      operands(shapes, 2, op);
      return Math.max(elements, product(shapes, attrs, shape));
    case 'gather':
      one();
      fits(
        [indices, ...shapes[0]!.slice(1)].join() === shape.join() && shapes[0]!.length > 0,
        `rows of [${shapes[0]}]`,
      );
      return elements;
    case 'oneHot':
      operands(shapes, 0, op);
      fits(shape.length > 0 && sizeOf(shape.slice(0, -1)) === indices, `[${shape}] of ${indices} places`);
      return elements;
    default:
      throw new BadStep(`operation '${op}', which is none that clients compute`);
  }
}

/** The largest integer that may come of rows, and one more; it bounds the places that the nodes are given. */
export function checkRows(call: RowsCall, of: Shape, shape: Shape): void {
  const n = sizeOf(of);
  const rows = call.rows === 'flat' ? n / Math.max(1, call.depth) : n;
  if (call.rows === 'flat') fits(call.depth >= 1 && call.depth <= call.shape.length, 'coordinates of no shape');
  fits(shape.length === 1 && shape[0] === rows, `[${shape}] for '${call.rows}' of [${of}]`);
}
