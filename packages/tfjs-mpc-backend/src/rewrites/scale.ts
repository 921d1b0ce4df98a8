import type { Emission } from '../emission.js';
import { passing, publicNumber, type SecretNode } from '../node-values.js';
import { foldedGain } from './gain.js';
import { scalarOf } from './patterns.js';

/** Operations that a factor moves through: those of a layer, of which a sum may have a few. */
const FAR = 64;

/**
 * A public factor that is no power of two, such as the 1/√32 of attention scores, moves through products, sums and
 * views into the weights that the caller wrote: the nodes then multiply by nothing and open nothing for it. Only where
 * every value on the way has this one use.
 */
export function scaledLeaf(e: Emission, n: SecretNode): number | undefined {
  const found = scalarFactor(n);
  if (!found || Number.isInteger(Math.log2(Math.abs(found.factor))) || found.factor === 0) return undefined;
  return reaches(e, found.x) ? scaled(e, found.x, found.factor) : undefined;
}

function scalarFactor(n: SecretNode): { x: SecretNode; factor: number } | undefined {
  if (n.op !== 'mul' && n.op !== 'div') return undefined;
  const [a, b] = n.inputs as [SecretNode, SecretNode];
  const [ca, cb] = [scalarOf(a), scalarOf(b)];
  if (cb !== undefined) return { x: a, factor: n.op === 'mul' ? cb : 1 / cb };
  if (ca !== undefined && n.op === 'mul') return { x: b, factor: ca };
  return undefined;
}

/** The operand of a product that the factor goes to: the one whose weights are nearer. */
function side(e: Emission, n: SecretNode, left = FAR): 0 | 1 | undefined {
  if (reaches(e, n.inputs[0]!, left - 1)) return 0;
  return reaches(e, n.inputs[1]!, left - 1) ? 1 : undefined;
}

function reaches(e: Emission, n: SecretNode, left = FAR): boolean {
  if (n.values) return n.op === 'leaf';
  if (left === 0 || n.tensor !== undefined || !e.usedOnce(n)) return false;
  if (n.op === 'add' || n.op === 'sub') return n.inputs.every((i) => reaches(e, i, left - 1));
  if (n.op === 'transpose' || n.op === 'reshape' || n.op === 'slice') return reaches(e, n.inputs[0]!, left - 1);
  return n.op === 'matMul' && side(e, n, left) !== undefined;
}

function scaled(e: Emission, n: SecretNode, factor: number): number {
  if (n.step) return e.own(passing('mul', [n, publicNumber(factor)], n.shape));
  if (n.values) return e.variant(n, `times ${factor}`, () => n.values!.map((v) => v * factor));
  const folded = foldedGain(e, n, factor);
  if (folded !== undefined) return folded;
  const ins =
    n.op === 'matMul'
      ? n.inputs.map((i, at) => (at === side(e, n) ? scaled(e, i, factor) : e.node(i)))
      : n.inputs.map((i) => scaled(e, i, factor));
  return e.push({ op: n.op, in: ins, shape: n.shape, ...n.attrs } as never);
}
