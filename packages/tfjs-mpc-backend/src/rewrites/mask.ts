import type { SecretNode } from '../node-values.js';

/** An additive mask below this leaves no weight that a probability of 20 bits could show, and fits the scores' range. */
const CLAMP = -800;
/** Values at or below this are meant as "no weight", not as a score. */
const MASKED = -1000;

interface Masked {
  scores: SecretNode;
  leaf: SecretNode;
  /** −1 where the mask is subtracted */
  sign: 1 | -1;
}

/** scores + mask, the mask a tensor that the caller wrote or computed from what never was secret. */
function maskedScores(n: SecretNode): Masked | undefined {
  if (n.op !== 'add' && n.op !== 'sub') return undefined;
  const [a, b] = n.inputs as [SecretNode, SecretNode];
  const isMask = (m: SecretNode, sign: number) => m.values?.some((v) => sign * v <= MASKED) ?? false;
  if (isMask(b, n.op === 'add' ? 1 : -1)) return { scores: a, leaf: b, sign: n.op === 'add' ? 1 : -1 };
  if (n.op === 'add' && isMask(a, 1)) return { scores: b, leaf: a, sign: 1 };
  return undefined;
}

/** Masks of −10000, −1e9, −3.4e38 before a softmax with exponentials: clamped to −800, still secret. */
export function clampMask(n: SecretNode, floor = CLAMP): (Masked & { values: () => Float32Array }) | undefined {
  const m = maskedScores(n);
  return m && { ...m, values: () => m.leaf.values!.map((v) => Math.max(floor, m.sign * v)) };
}

/** The same masks before 2Quad, where a large negative score would get the largest weight: zeros and ones that multiply. */
export function multiplicativeMask(n: SecretNode): (Masked & { keep: () => Float32Array }) | undefined {
  const m = maskedScores(n);
  if (!m) return undefined;
  if (!m.leaf.values?.every((v) => m.sign * v <= MASKED || v === 0)) return undefined;
  return { ...m, keep: () => m.leaf.values!.map((v) => (m.sign * v <= MASKED ? 0 : 1)) };
}
