/**
 * Powers of what is above 0, and attention that weighs by them, relu(s + c)^p, or by exponentials of what is made of
 * scores, over a number that no score has a part in.
 */
import type { Emission } from '../emission.js';
import { passing, publicNumber, type SecretNode, VIEWS } from '../node-values.js';
import type { Floor } from './floor.js';
import { atFloor } from './masked.js';
import { scalarOf, sumWithScalar } from './patterns.js';
import { SATURATING } from './saturating.js';

/** A mask that is added to scores ends here: below 128, they leave nothing of a power. */
const SCORES: Floor = { floor: -128, from: -9000 };
/** Most bits that weights are moved by. */
const MOST = 16;

const squareOf = (n: SecretNode) =>
  n.op === 'square' || (n.op === 'mul' && n.inputs[0] === n.inputs[1]) ? n.inputs[0] : undefined;

/** relu(x)² or relu(x)⁴, as squares of squares. */
export function matchReluPower(n: SecretNode): { x: SecretNode; p: 2 | 4 } | undefined {
  const base = squareOf(n);
  const root = base && (squareOf(base) ?? base);
  if (root?.op !== 'relu' || root.values || root.tensor !== undefined) return undefined;
  return { x: root.inputs[0]!, p: root === base ? 2 : 4 };
}

/** Emits a power where it stands by itself. */
export function reluPowerOf(e: Emission, n: SecretNode): number | undefined {
  const found = matchReluPower(n);
  if (!found) return undefined;
  const op = found.p === 2 ? 'relu2' : 'relu4';
  return e.push({ op, in: [atFloor(e, found.x, SATURATING[op]!)], shape: n.shape });
}

/** Whether a value is scores: a product of queries and keys, with sums, factors and views between. */
function isScores(n: SecretNode, left = 8): boolean {
  if (left === 0 || n.values || n.tensor !== undefined) return false;
  if (n.op === 'matMul') return n.attr<boolean>('transposeB') && n.shape.length > 2;
  const through = n.op === 'add' || n.op === 'sub' || n.op === 'mul' || n.op === 'div' || VIEWS.has(n.op);
  return through && n.inputs.some((i) => isScores(i, left - 1));
}

/** What weights are divided by, as a factor: a public number, or the caller's own for each key. */
interface Shared {
  raised: SecretNode;
  factor: SecretNode;
  inverse: boolean;
}

function sharedOf(n: SecretNode): Shared | undefined {
  if (n.op !== 'mul' && n.op !== 'div') return undefined;
  const sides = n.op === 'div' ? [n.inputs] : [n.inputs, [...n.inputs].reverse()];
  for (const [raised, factor] of sides as [SecretNode, SecretNode][]) {
    const number = scalarOf(factor);
    const ofKeys = factor.own && n.op === 'mul' && factor.shape.at(-2) === 1 && factor.shape.at(-1) === n.shape.at(-1);
    if ((number !== undefined && number > 0) || ofKeys) return { raised, factor, inverse: n.op === 'div' };
  }
  return undefined;
}

/** log2 of about how many keys share a weight, by how it is written: a public divisor, or the length of a row. */
function sharesLog(factor: SecretNode, inverse: boolean, length: number): number {
  const number = scalarOf(factor) ?? factor.inputs.map(scalarOf).find((v) => v !== undefined);
  const divisor = number === undefined ? length : inverse ? number : 1 / number;
  return Math.max(0, Math.min(MOST, Math.ceil(Math.log2(divisor))));
}

/**
 * A product of such weights and values, (relu(s + c)^p∘r)·V = 2^−k·relu(s + c)^p·(2^k·r∘V): what divides the weights
 * goes to the values, which are fewer, and neither it nor they lose bits to it. The same of e^z∘r, z of scores.
 */
export function powerAttention(e: Emission, n: SecretNode): number | undefined {
  if (n.op !== 'matMul' || n.attr<boolean>('transposeA') || n.attr<boolean>('transposeB')) return undefined;
  const [left, v] = n.inputs as [SecretNode, SecretNode];
  if (left.values || left.tensor !== undefined || v.op === 'leaf' || v.own || !e.usedOnce(left)) return undefined;
  const shared = sharedOf(left);
  if (!shared) return undefined;
  const { raised, factor, inverse } = shared;
  const power = raised.op === 'relu' ? { x: raised.inputs[0]!, p: 1 as const } : matchReluPower(raised);
  const exponential = raised.op === 'exp';
  if ((!power && !exponential) || !e.usedOnce(raised) || !isScores(power?.x ?? raised.inputs[0]!)) return undefined;
  const k = sharesLog(factor, inverse, left.shape.at(-1)!);
  const { shape } = left;
  const weights = power
    ? powerOf(e, power, shape)
    : e.push({ op: 'exp', in: [atFloor(e, raised.inputs[0]!, SATURATING.exp!)], shape });
  const by = (x: number, factor: number, shape: readonly number[]) =>
    e.push({ op: 'mul', in: [x, e.push({ op: 'constant', values: [factor], in: [], shape: [] })], shape });
  return e.push({
    op: 'matMul',
    transposeA: false,
    transposeB: false,
    weighs: true,
    in: [by(weights, 2 ** -k, left.shape), sharedValues(e, v, factor, inverse, 2 ** k)],
    shape: n.shape,
  });
}

const POWERS = { 1: 'relu', 2: 'relu2', 4: 'relu4' } as const;

/** A power of scores and a public number. */
function powerOf(e: Emission, { x, p }: { x: SecretNode; p: 1 | 2 | 4 }, shape: readonly number[]): number {
  const sum = sumWithScalar(x);
  const op = POWERS[p];
  return e.push({ op, in: [atFloor(e, sum?.x ?? x, SCORES)], shape, plus: sum?.c ?? 0, scores: 1 });
}

/** 2^k·r∘V, r for each key a number of its own or the same. */
function sharedValues(e: Emission, v: SecretNode, factor: SecretNode, inverse: boolean, times: number): number {
  const number = scalarOf(factor);
  const values = e.node(v);
  if (number !== undefined) {
    const by = times * (inverse ? 1 / number : number);
    const constant = e.push({ op: 'constant', values: [by], in: [], shape: [] });
    return e.push({ op: 'mul', in: [values, constant], shape: v.shape });
  }
  const { shape } = factor;
  const column = passing('reshape', [factor], [...shape.slice(0, -2), shape.at(-1)!, 1]);
  const own = e.own(passing('mul', [column, publicNumber(times)], column.shape));
  return e.push({ op: 'mul', in: [values, own], shape: v.shape });
}
