/**
 * Masks, wherever they were added: they are kept apart from scores until it is known what is computed of both, and end
 * at the floor of that operation. What is masked is the caller's, so what becomes of it is computed in this process.
 */
import { EncodingError } from '@secformer/ring';
import { type GraphNode, QUAD_CONSTANT, suiteOf } from '@secformer/secformer-ops';
import { configuration } from '../config.js';
import type { Emission } from '../emission.js';
import { passing, publicNumber, type SecretNode, VIEWS } from '../node-values.js';
import { plaintextOf, youngestOf } from '../own.js';
import { FAR_FROM, traitsOf } from '../traits.js';
import { addendOf, FAR_BELOW_SOFTMAX, floorOf } from './addends.js';
import { type Floor, LEAST } from './floor.js';
import { floored } from './floored.js';
import { clippedOf, SATURATING } from './saturating.js';

/**
 * What is masked and then multiplied by something of the caller's, such as 0 where it is masked: the mask is
 * multiplied here.
 */
export function unmasked(e: Emission, n: SecretNode): number | undefined {
  if ((n.op !== 'mul' && n.op !== 'div' && n.op !== 'select') || e.bare.has(n) || !traitsOf(n).far) return undefined;
  const { scores, addend } = addendOf(n);
  if (!addend || !scores || scores === n || !traitsOf(addend).far) return undefined;
  e.bare.add(scores);
  return e.push({ op: 'add', in: [e.node(scores), e.own(addend)], shape: n.shape });
}

/** A value whose masks and biases, wherever they were added, end at the floor. */
export function atFloor(
  e: Emission,
  x: SecretNode,
  floor: Floor,
  farFrom = floor.weights ? FAR_BELOW_SOFTMAX : undefined,
): number {
  const { scores, addend } = addendOf(x, farFrom);
  if (!addend) return e.node(floored(x, floor));
  const { far } = traitsOf(addend);
  // A difference of values stays one, for comparisons need all that it can reach
  if (!far && (!scores || (!floor.weights && x.op === 'sub'))) return e.node(x);
  // What nobody said is a mask stays what it is where it can
  const attrs = floor.weights || far ? floor : { ...floor, from: LEAST };
  if (!scores)
    return e.own(passing('floorRows', [addend], addend.shape, { ...attrs, ...(floor.shifts && { open: 0 }) }));
  const open = floor.shifts ? openRowsOf(x, scores, addend) : undefined;
  const shared = e.own(
    passing('floorRows', [addend], addend.shape, { ...attrs, ...(open && { open: 0, zeroed: true }) }),
  );
  if (addend.owner === 'client')
    return e.push({ op: 'add', in: [ofBoth(e, scores, open, floor, farFrom), shared], shape: x.shape });
  return e.push({ op: 'add', in: [e.node(open ?? floored(scores, floor)), shared], shape: x.shape });
}

/** Scores without what a client adds. A publisher's masks and biases are in them yet: they end at their own floor. */
function ofBoth(
  e: Emission,
  scores: SecretNode,
  open: SecretNode | undefined,
  floor: Floor,
  farFrom: number | undefined,
): number {
  if (!addendOf(scores, farFrom).addend) return e.node(open ?? floored(scores, floor));
  const base = atFloor(e, scores, floor, farFrom);
  if (!open || open === scores) return base;
  return e.push({ op: 'mul', in: [base, e.node(open.inputs[1]!)], shape: open.shape });
}

/**
 * Scores of which rows that are masked altogether are 0. In float32 the mask swallows them, and the answer is that of
 * equal scores. What masks keys is the same for all rows, of which some one is read: there it is refused instead.
 */
function openRowsOf(x: SecretNode, scores: SecretNode, addend: SecretNode): SecretNode | undefined {
  const { far, alike } = traitsOf(addend);
  const rows = (n: SecretNode) => n.shape.at(-2) ?? 1;
  if (!far || addend.shape.length < 2 || rows(addend) !== rows(x) || (alike && rows(x) > 1)) return undefined;
  const open = passing('openRows', [addend], [...addend.shape.slice(0, -1), 1]);
  // A public mask that leaves all rows something needs no product
  if (!youngestOf(open) && plaintextOf(open).every((v) => v === 1)) return scores;
  return passing('mul', [scores, open], x.shape);
}

/** A softmax, as the suite has it: under 2Quad a mask is a factor beside a bias. */
export function softmaxOf(e: Emission, n: SecretNode, x: SecretNode): number {
  const { quadratic, maskFloor, shiftable } = suiteOf(e.suite);
  if (!quadratic) {
    const fewRounds = configuration().network === 'wan';
    const from = atFloor(e, x, floorOf(maskFloor, shiftable));
    return e.push({ op: 'softmax', in: [from], shape: n.shape, ...(fewRounds && { fewRounds }) });
  }
  warnOfQuad(e.suite);
  const { scores, addend } = addendOf(x, FAR_BELOW_SOFTMAX);
  if (!addend || (!scores && x.op !== 'add' && x.op !== 'sub' && !traitsOf(addend).far))
    return e.push({ op: 'softmax', in: [e.node(x)], shape: n.shape });
  if (!scores) {
    const parts = [e.own(passing('biasOnly', [addend], x.shape)), e.own(passing('notMasked', [addend], x.shape), 0)];
    return e.push({ op: 'quad', c: QUAD_CONSTANT, in: parts, shape: n.shape });
  }
  const open = openRowsOf(x, scores, addend);
  let from = e.node(open ?? scores);
  if (e.nodes[from]!.shape.join() !== x.shape.join()) from = e.push({ op: 'broadcast', in: [from], shape: x.shape });
  const attrs = { closed: open !== undefined };
  const mask = e.own(passing('notMasked', [addend], addend.shape, attrs), 0);
  const bias = e.own(passing('biasOnly', [addend], addend.shape, attrs));
  return e.push({ op: 'quad', c: QUAD_CONSTANT, in: [from, mask, bias], shape: n.shape });
}

/** A comparison with a public number, which of what is masked is taken before its masks end at the floor. */
export function comparedTo(e: Emission, n: SecretNode): number {
  const [name, to] = Object.entries(n.attrs)[0] as [string, number];
  const [x] = n.inputs as [SecretNode];
  const compare = (from: number, against: number) =>
    e.push({ op: n.op, in: [from], shape: n.shape, [name]: against } as unknown as GraphNode);
  const floor = SATURATING[n.op]!;
  if (!traitsOf(x).far || Math.abs(to) < FAR_FROM) return compare(atFloor(e, x, floor), to);
  // What a float32 sum of a mask and a score is to such a number depends on how it was rounded
  if (!addendOf(x).addend || (n.op === 'equal' && !isChosen(x))) throw comparedFar(n, to);
  const less = passing('sub', [x, publicNumber(to)], x.shape);
  return compare(atFloor(e, less, floor, Number.NEGATIVE_INFINITY), 0);
}

/** Operations that compare with a public number. */
export const COMPARING: ReadonlySet<string> = new Set(['less', 'atMost', 'equal']);

/** Is it chosen by a condition, and only moved since? */
function isChosen(n: SecretNode): boolean {
  return n.op === 'select' || (VIEWS.has(n.op) && n.inputs.length === 1 && isChosen(n.inputs[0]!));
}

function comparedFar(n: SecretNode, to: number): EncodingError {
  return new EncodingError(
    `a comparison of masked values of shape [${n.shape}] with ${to}: which of them are masked follows from ` +
      'secrets, or from how a sum was rounded. Compare the mask itself, or the values before they are masked',
  );
}

let warned = false;

/** Once: a model that was not trained for it answers differently under 2Quad. */
function warnOfQuad(suite: string): void {
  if (warned) return;
  warned = true;
  console.warn(
    `secformer: suite '${suite}' computes softmax as 2Quad, (s+5)²/Σ(s+5)²; use it with models trained that way, ` +
      `or suite 'exact'`,
  );
}

/** A clip of what may be masked. Below the floor nothing ends there: what is masked is refused when it is shared. */
export function clipped(e: Emission, n: SecretNode): number {
  const [x] = n.inputs as [SecretNode];
  const floor = clippedOf(n.attr<number>('low'), n.attr<number>('high'));
  const from = floor ? atFloor(e, x, floor) : e.node(x);
  return e.push({ op: 'clip', in: [from], shape: n.shape, ...n.attrs } as unknown as GraphNode);
}
