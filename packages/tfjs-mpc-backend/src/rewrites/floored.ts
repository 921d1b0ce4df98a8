/**
 * Masks that follow from secrets: where a condition chooses between a score and a number far below, or bits are
 * multiplied by one. What is public of them, the number, ends at the floor; which places it is for nobody sees.
 */
import { passing, type SecretNode, VIEWS } from '../node-values.js';
import { plaintextOf } from '../own.js';
import { traitsOf } from '../traits.js';
import type { Floor } from './floor.js';

/** Sums and views that are looked through. */
const DEPTH = 16;

/** Zeros and ones: what comparisons make, and logic of them. */
const BITS = new Set(['less', 'atMost', 'equal', 'oneHot', 'oneHotOf']);

/** The same value with the masks in it at the floor; the value itself where there is none. */
export function floored(x: SecretNode, floor: Floor, depth = DEPTH): SecretNode {
  if (depth === 0 || x.own || x.tensor !== undefined || !traitsOf(x).far) return x;
  const inner = (i: SecretNode) => floored(i, floor, depth - 1);
  const { op, inputs, shape, attrs } = x;
  if (op === 'select') {
    const [c, t, e] = inputs as [SecretNode, SecretNode, SecretNode];
    return passing('select', [c, chosen(t, floor) ?? inner(t), chosen(e, floor) ?? inner(e)], shape);
  }
  if (op === 'add' || op === 'sub' || op === 'neg') return passing(op, inputs.map(inner), shape, attrs);
  if (VIEWS.has(op) && inputs.length === 1) return passing(op, inputs.map(inner), shape, attrs);
  if (op === 'mul') {
    const [a, b] = inputs as [SecretNode, SecretNode];
    for (const [bits, number] of [
      [a, b],
      [b, a],
    ] as const) {
      if (areBits(bits, depth) && isNumber(number)) return passing('mul', [bits, ended(number, floor)], shape);
    }
  }
  return x;
}

/** What a condition chooses, of the caller's own and far. */
function chosen(n: SecretNode, floor: Floor): SecretNode | undefined {
  return n.own && traitsOf(n).far ? passing('floorRows', [n], n.shape, { floor: floor.floor, both: true }) : undefined;
}

function isNumber(n: SecretNode): boolean {
  return n.op === 'constant' && traitsOf(n).far;
}

function ended(n: SecretNode, { floor }: Floor): SecretNode {
  const values = Array.from(plaintextOf(n), (v) => Math.min(-floor, Math.max(floor, v)));
  return passing('constant', [], n.shape, { values });
}

function areBits(n: SecretNode, depth: number): boolean {
  if (depth === 0 || n.tensor !== undefined) return false;
  if (BITS.has(n.op)) return true;
  if (VIEWS.has(n.op) || n.op === 'mul') return n.inputs.length > 0 && n.inputs.every((i) => areBits(i, depth - 1));
  if (n.op !== 'sub') return false;
  const [one, bit] = n.inputs as [SecretNode, SecretNode];
  return one.op === 'constant' && plaintextOf(one).every((v) => v === 1) && areBits(bit, depth - 1);
}
