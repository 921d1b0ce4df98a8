/**
 * Masks that follow from secrets: where a condition chooses between a score and a number far below, or bits are
 * multiplied by one. What is public of them, the number, ends at the floor; which places it is for nobody sees.
 */
import { broadcastShapes, type Shape } from '@secformer/secformer-ops';
import { passing, publicNumber, type SecretNode, VIEWS } from '../node-values.js';
import { plaintextOf } from '../own.js';
import { traitsOf } from '../traits.js';
import type { Floor } from './floor.js';

/** Sums and views that are looked through. */
const DEPTH = 16;

/** Zeros and ones: what comparisons make. */
const BITS = new Set(['less', 'atMost', 'equal', 'oneHot', 'oneHotOf']);

/** The same value with the masks in it at the floor; the value itself where there is none. */
export function floored(x: SecretNode, floor: Floor, depth = DEPTH): SecretNode {
  if (depth === 0 || x.own || x.tensor !== undefined || !traitsOf(x).far) return x;
  const inner = (i: SecretNode) => floored(i, floor, depth - 1);
  const { op, inputs, shape } = x;
  if (op === 'select') {
    const [c, t, e] = inputs as [SecretNode, SecretNode, SecretNode];
    return changed(x, [c, chosen(t, floor) ?? inner(t), chosen(e, floor) ?? inner(e)]);
  }
  if (op === 'add' || op === 'sub') {
    const [a, b] = inputs as [SecretNode, SecretNode];
    const negative = op === 'sub' ? opposite(b, depth) : undefined;
    if (negative) return inner(passing('add', [a, negative], shape));
    const keep = (score: SecretNode, kept: SecretNode | undefined) =>
      kept ? passing('mul', [score, kept], broadcastShapes(score.shape, kept.shape)) : score;
    return changed(x, [keep(inner(a), op === 'add' ? keptOf(b, depth) : undefined), keep(inner(b), keptOf(a, depth))]);
  }
  const turned = op === 'neg' ? opposite(inputs[0]!, depth) : undefined;
  if (turned) return inner(turned);
  if (op === 'neg' || (VIEWS.has(op) && inputs.length === 1)) return changed(x, inputs.map(inner));
  const mask = maskOf(x, depth);
  if (mask && ends(mask.numbers, mask.few, floor)) return passing('mul', [mask.bits, ended(mask, floor)], shape);
  return x;
}

/** The same operation on these, or itself where they are what it has. */
function changed(x: SecretNode, inputs: SecretNode[]): SecretNode {
  return inputs.every((i, at) => i === x.inputs[at]) ? x : passing(x.op, inputs, x.shape, x.attrs);
}

/**
 * 0 where a mask of bits hides what it is added to, else 1. In float32 a mask of this size swallows a score, so that
 * of places that are all masked none is larger: the score must not be left there, for a row may have no other places.
 */
function keptOf(n: SecretNode, depth: number): SecretNode | undefined {
  return ofMask(n, depth, ({ bits, few, numbers }, shape) => {
    const swallows = (of: 1 | -1) => numbers.every((v) => v * of <= SWALLOWING);
    const kept = (op: 'add' | 'sub') => passing('broadcast', [passing(op, [publicNumber(1), bits], bits.shape)], shape);
    if (few[0] === 0 && few[1] === 1 && swallows(1)) return kept('sub');
    return few[0] === -1 && few[1] === 0 && swallows(-1) ? kept('add') : undefined;
  });
}

/** What bits times a public number, and views of it, are subtracted as. */
function opposite(n: SecretNode, depth: number): SecretNode | undefined {
  return ofMask(n, depth, ({ bits, number, numbers }, shape) => {
    const values = Array.from(numbers, (v) => -v);
    return passing('mul', [bits, passing('constant', [], number.shape, { values })], shape);
  });
}

/** Bits, or the opposites of some, times a public number far away. */
interface Mask {
  bits: SecretNode;
  number: SecretNode;
  few: readonly [number, number];
  numbers: Float64Array;
}

function maskOf(n: SecretNode, depth: number): Mask | undefined {
  const at = n.op === 'mul' ? n.inputs.findIndex(isNumber) : -1;
  if (at < 0) return undefined;
  const [number, bits] = [n.inputs[at]!, n.inputs[1 - at]!];
  const few = fewOf(bits, depth);
  return few && { bits, number, few, numbers: plaintextOf(number) };
}

/** What `make` makes of a mask, under the views that the mask is under. */
function ofMask(
  n: SecretNode,
  depth: number,
  make: (mask: Mask, shape: Shape) => SecretNode | undefined,
): SecretNode | undefined {
  if (depth === 0 || n.own || n.tensor !== undefined) return undefined;
  if (VIEWS.has(n.op) && n.inputs.length === 1) {
    const made = ofMask(n.inputs[0]!, depth - 1, make);
    return made && passing(n.op, [made], n.shape, n.attrs);
  }
  const mask = maskOf(n, depth);
  return mask && make(mask, n.shape);
}

/** From here on a float32 sum has lost what a score up to a thousand was. */
const SWALLOWING = -(2 ** 23);

/** What a condition chooses, of the caller's own and far. */
function chosen(n: SecretNode, floor: Floor): SecretNode | undefined {
  return n.own && traitsOf(n).far
    ? passing('floorRows', [n], n.shape, { floor: floor.floor, both: floor.both ?? false })
    : undefined;
}

function isNumber(n: SecretNode): boolean {
  return n.op === 'constant' && traitsOf(n).far;
}

/** Do all products of these with integers from −1 to 1 end at the floor, and none where nothing has an end? */
function ends(numbers: Float64Array, [least, most]: readonly [number, number], { floor, both }: Floor): boolean {
  return least >= -1 && most <= 1 && (both === true || numbers.every((v) => v * least <= -floor && v * most <= -floor));
}

function ended({ number, numbers }: Mask, { floor }: Floor): SecretNode {
  const values = Array.from(numbers, (v) => Math.min(-floor, Math.max(floor, v)));
  return passing('constant', [], number.shape, { values });
}

/** Least and largest of what comparisons and arithmetic of small numbers make of 0 and 1; undefined of all else. */
function fewOf(n: SecretNode, depth: number): readonly [number, number] | undefined {
  if (depth === 0 || n.tensor !== undefined) return undefined;
  if (BITS.has(n.op)) return [0, 1];
  if (n.op === 'constant') {
    const values = plaintextOf(n);
    return values.length > 0 && values.every(isFew)
      ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
      : undefined;
  }
  if (!VIEWS.has(n.op) && !SMALL.has(n.op)) return undefined;
  const ins = n.inputs.map((i) => fewOf(i, depth - 1));
  if (ins.length === 0 || ins.includes(undefined)) return undefined;
  const [a, b = a] = ins as (readonly [number, number])[];
  switch (n.op) {
    case 'neg':
      return [-a![1], -a![0]];
    case 'add':
      return [a![0] + b![0], a![1] + b![1]];
    case 'sub':
      return [a![0] - b![1], a![1] - b![0]];
    case 'mul': {
      const products = [a![0] * b![0], a![0] * b![1], a![1] * b![0], a![1] * b![1]];
      return [Math.min(...products), Math.max(...products)];
    }
    default:
      return [Math.min(...ins.map((i) => i![0])), Math.max(...ins.map((i) => i![1]))];
  }
}

const SMALL: ReadonlySet<string> = new Set(['neg', 'add', 'sub', 'mul']);
const isFew = (v: number) => Number.isInteger(v) && Math.abs(v) <= 2;
