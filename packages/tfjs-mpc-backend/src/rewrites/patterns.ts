import { sizeOf } from '@secformer/ring';
import type { SecretNode } from '../node-values.js';

/** The number that a public node holds in every element. */
export function scalarOf(n: SecretNode | undefined): number | undefined {
  if (n?.op !== 'constant') return undefined;
  const values = n.attr<number[]>('values');
  const first = values[0];
  return first !== undefined && values.every((v) => v === first) ? first : undefined;
}

/** A tensor that the caller wrote or that is public, of which a rewrite may make another; a client's is neither. */
export function isGiven(n: SecretNode): boolean {
  return n.op === 'leaf' && n.values !== undefined && (n.owner === 'caller' || n.owner === 'public');
}

/** Equal within what a model file's half-precision constants leave. */
export function near(a: number | undefined, b: number): boolean {
  return a !== undefined && Math.abs(a - b) <= 2e-3 * Math.abs(b);
}

/** A product taken apart: its public factor, and the secret ones, not looking inside any of `stops`. */
export function factors(
  n: SecretNode,
  stops: readonly SecretNode[] = [],
  depth = 6,
): { scalar: number; parts: SecretNode[] } {
  if (depth > 0 && !stops.includes(n) && (n.op === 'mul' || n.op === 'div')) {
    const [a, b] = n.inputs as [SecretNode, SecretNode];
    const [ca, cb] = [scalarOf(a), scalarOf(b)];
    if (n.op === 'div') {
      if (cb === undefined) return { scalar: 1, parts: [n] };
      const left = factors(a, stops, depth - 1);
      return { scalar: left.scalar / cb, parts: left.parts };
    }
    const left = ca === undefined ? factors(a, stops, depth - 1) : { scalar: ca, parts: [] };
    const right = cb === undefined ? factors(b, stops, depth - 1) : { scalar: cb, parts: [] };
    return { scalar: left.scalar * right.scalar, parts: [...left.parts, ...right.parts] };
  }
  return { scalar: 1, parts: [n] };
}

/** The two operands of a sum, with the public one second. */
export function sumWithScalar(n: SecretNode | undefined): { x: SecretNode; c: number } | undefined {
  if (n?.op !== 'add' && n?.op !== 'sub') return undefined;
  const [a, b] = n.inputs as [SecretNode, SecretNode];
  const [ca, cb] = [scalarOf(a), scalarOf(b)];
  if (cb !== undefined) return { x: a, c: n.op === 'add' ? cb : -cb };
  if (ca !== undefined && n.op === 'add') return { x: b, c: ca };
  return undefined;
}

/** Scores, and what the caller added to them, the same for all of a head: [..., 1, 1]. */
export function sumWithOwn(n: SecretNode | undefined): { x: SecretNode; own: SecretNode } | undefined {
  if (n?.op !== 'add' || n.tensor !== undefined || n.values) return undefined;
  for (const [x, own] of [n.inputs, [...n.inputs].reverse()] as [SecretNode, SecretNode][]) {
    const alike = own.shape.length >= 2 && own.shape.slice(-2).every((d) => d === 1);
    if (own.own && !x.own && alike && x.shape.join() === n.shape.join()) return { x, own };
  }
  return undefined;
}

/** Looks through views that keep the elements in order or repeat them. */
export function throughViews(n: SecretNode): SecretNode {
  let at = n;
  while (at.op === 'broadcast' || (at.op === 'reshape' && sizeOf(at.shape) === sizeOf(at.inputs[0]!.shape)))
    at = at.inputs[0]!;
  return at;
}
