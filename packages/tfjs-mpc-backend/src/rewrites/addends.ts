/**
 * What the caller knows of a sum, taken out of it: masks and biases, wherever they were added. Which operand of a sum
 * is the caller's own follows from what was recorded, and never from values; only public numbers are looked at.
 */
import { sizeOf } from '@secformer/ring';
import { broadcastShapes, type Shape } from '@secformer/secformer-ops';
import { passing, publicNumber, type SecretNode, VIEWS } from '../node-values.js';
import { plaintextOf } from '../own.js';
import type { Owner } from '../steps.js';
import { traitsOf } from '../traits.js';
import { type Floor, SOFTMAX_FLOOR } from './floor.js';
import { matchLogSoftmax } from './softmax.js';

/** x = scores + addend: what the nodes have to compute, absent where all is known, and what the caller knows. */
export interface Sum {
  scores: SecretNode | undefined;
  addend: SecretNode | undefined;
}

/** Sums, scalings and views that are looked through. */
const DEPTH = 64;

/** Public values at or below this say that a place is not meant, whatever stood there: below a softmax, … */
export const FAR_BELOW_SOFTMAX = -1000;
/** … below all else, … */
export const FAR = -30_000;
/** … and where something is still to be multiplied. */
const FAR_BEFORE_SCALING = -1e8;

const joined = (op: 'add' | 'sub' | 'mul' | 'div', a: SecretNode, b: SecretNode) =>
  passing(op, [a, b], broadcastShapes(a.shape, b.shape));
const opposite = (x: SecretNode) => passing('neg', [x], x.shape);
/** A part of a sum in the sum's shape. */
const spread = (part: SecretNode, to: Shape) =>
  part.shape.join() === to.join() ? part : passing('broadcast', [part], to);

/**
 * What is added to the values of x, taken out of it. Of a sum with addends of a publisher and of a client the client's
 * are taken out.
 * @param reader whose values may be taken out; if absent, anybody's
 */
export function addendOf(x: SecretNode, far = FAR, reader?: Owner): Sum {
  const sum = new Addends(reader).of(x, far, DEPTH);
  return !reader && sum.addend?.owner === 'nobody' ? addendOf(x, far, 'client') : sum;
}

/** One walk: what is there twice is taken apart once. */
class Addends {
  readonly #done = new Map<string, Sum>();
  readonly #reader: Owner | undefined;

  constructor(reader: Owner | undefined) {
    this.#reader = reader;
  }

  /** Is it known to whom it is for? */
  known(x: SecretNode): boolean {
    return x.own && this.#mayKnow(x);
  }

  #mayKnow({ owner }: SecretNode): boolean {
    return !this.#reader || owner === this.#reader || owner === 'public';
  }

  of(x: SecretNode, far: number, depth: number): Sum {
    const key = `${x.id} ${far}`;
    const before = this.#done.get(key);
    if (before) return before;
    const sum = this.#of(x, far, depth);
    this.#done.set(key, sum);
    return sum;
  }

  #of(x: SecretNode, far: number, depth: number): Sum {
    if (this.known(x) || (isMask(x) && this.#mayKnow(x))) return { scores: undefined, addend: x };
    const whole: Sum = { scores: x, addend: undefined };
    // At the nodes as it is
    if (x.tensor !== undefined || depth === 0) return whole;
    const inner = (i: SecretNode) => this.of(i, far, depth - 1);
    const logits = matchLogSoftmax(x);
    if (logits) return x.attr('floored') ? whole : loggedSum(x, logits, inner(logits).addend);
    switch (x.op) {
      case 'add':
      case 'sub':
        return summed(x, inner(x.inputs[0]!), inner(x.inputs[1]!));
      case 'neg':
        return mapped(x, inner(x.inputs[0]!), opposite);
      case 'mul':
      case 'div':
        return scaled(
          x,
          (i) => this.of(i, FAR_BEFORE_SCALING, depth - 1),
          (i) => this.known(i),
        );
      case 'select':
        return selected(x, inner, far, this.known(x.inputs[0]!));
      case 'concat':
        return concatenated(x, x.inputs.map(inner));
      case 'reshape':
      case 'transpose':
      case 'slice':
      case 'broadcast':
        return viewed(x, inner(x.inputs[0]!));
      case 'view':
      case 'pick':
      case 'gather':
      case 'sum':
      case 'mean':
        return carried(x, inner(x.inputs[0]!));
      default:
        return whole;
    }
  }
}

/** The logarithm of a masked softmax: that of scores at the floor, and what the floor has taken. */
function loggedSum(x: SecretNode, logits: SecretNode, addend: SecretNode | undefined): Sum {
  if (!addend) return { scores: x, addend: undefined };
  const scores = passing('logSoftmax', [logits], x.shape, { floored: true });
  return { scores, addend: passing('belowFloor', [addend], addend.shape, floorOf()) };
}

/**
 * What the caller could compute, though it is not only arithmetic, times a public number that makes a mask of it, and
 * rows looked up in a table of such: not products of matrices, which are a model's.
 */
function isMask(x: SecretNode): boolean {
  return x.knowable && traitsOf(x).far && isLookup(x, DEPTH);
}

function isLookup(x: SecretNode, depth: number): boolean {
  if (x.own) return true;
  if (depth === 0) return false;
  // A column times a row sums over nothing: a mask's, not a model's
  const outer = x.op === 'matMul' && x.inputs[0]!.shape.at(x.attr('transposeA') ? -2 : -1) === 1;
  return (outer || VIEWS.has(x.op) || LOOKUPS.has(x.op)) && x.inputs.every((i) => isLookup(i, depth - 1));
}

const LOOKUPS: ReadonlySet<string> = new Set(['gather', 'add', 'sub', 'neg', 'mul']);

/** How masks end below softmax and its logarithm. */
export function floorOf(floor = SOFTMAX_FLOOR, shifts = true): Floor & Record<string, unknown> {
  return { floor, weights: true, shifts, open: 1 };
}

function summed(x: SecretNode, a: Sum, b: Sum): Sum {
  if (!a.addend && !b.addend) return { scores: x, addend: undefined };
  const op = x.op as 'add' | 'sub';
  const addend =
    a.addend && b.addend
      ? joined(op, a.addend, b.addend)
      : (a.addend ?? (op === 'sub' ? opposite(b.addend!) : b.addend));
  const alone = a.scores ?? (op === 'sub' && b.scores ? opposite(b.scores) : b.scores);
  const scores = a.scores && b.scores ? joined(op, a.scores, b.scores) : alone;
  return { scores, addend };
}

function mapped(x: SecretNode, { scores, addend }: Sum, f: (part: SecretNode) => SecretNode): Sum {
  if (!addend || !scores) return { scores: x, addend: undefined };
  return { scores: f(scores), addend: f(addend) };
}

/** A sum times, or divided by, something of the caller's. */
function scaled(x: SecretNode, inner: (i: SecretNode) => Sum, known: (i: SecretNode) => boolean): Sum {
  const [a, b] = x.inputs as [SecretNode, SecretNode];
  if (known(b)) return mapped(x, inner(a), (part) => joined(x.op as 'mul' | 'div', part, b));
  if (known(a) && x.op === 'mul') return mapped(x, inner(b), (part) => joined('mul', a, part));
  return { scores: x, addend: undefined };
}

/** Under a condition that the caller knows: what it chose of its own is added, what it left out is multiplied by 0. */
function selected(x: SecretNode, inner: (i: SecretNode) => Sum, far: number, known: boolean): Sum {
  const [c, t, e] = x.inputs as [SecretNode, SecretNode, SecretNode];
  if (!known) return { scores: x, addend: undefined };
  const [yes, no] = [inner(t), inner(e)];
  if (!yes.addend && !no.addend) return { scores: x, addend: undefined };
  const choose = (p: SecretNode | undefined, q: SecretNode | undefined) =>
    passing('select', [c, p ?? publicNumber(0), q ?? publicNumber(0)], x.shape);
  const left = (p: SecretNode | undefined, q: SecretNode | undefined) =>
    p && q ? choose(p, q) : passing('mul', [p ? c : passing('sub', [publicNumber(1), c], c.shape), (p ?? q)!], x.shape);
  const addend = choose(yes.addend, no.addend);
  // Made of both a publisher's and a client's: see `addendOf`
  if (!yes.scores && !no.scores) return { scores: undefined, addend };
  if (yes.scores && no.scores) return { scores: choose(yes.scores, no.scores), addend };
  // What is public and far below everything needs no product: nothing that is added to it matters
  if (no.scores && isFar(t, far)) return { scores: no.scores, addend };
  if (yes.scores && isFar(e, far)) return { scores: yes.scores, addend };
  return { scores: left(yes.scores, no.scores), addend };
}

/** Is it public, and at each place as far below everything? */
function isFar(n: SecretNode, far: number): boolean {
  return n.own && traitsOf(n).public && plaintextOf(n).every((v) => v <= far);
}

/** Parts side by side; where one has no scores, or nothing is added, it has zeros. */
function concatenated(x: SecretNode, parts: Sum[]): Sum {
  if (!parts.some(({ addend }) => addend && traitsOf(addend).far)) return { scores: x, addend: undefined };
  const side = (of: 'scores' | 'addend') => {
    const all = parts.map((part, i) => spread(part[of] ?? publicNumber(0), x.inputs[i]!.shape));
    return passing('concat', all, x.shape, x.attrs);
  };
  return { scores: side('scores'), addend: side('addend') };
}

/** What is linear and takes every element of its operand, of both parts. */
function carried(x: SecretNode, { scores, addend }: Sum): Sum {
  if (!addend || !scores || !traitsOf(addend).far || (x.op === 'gather' && !x.ownIndices))
    return { scores: x, addend: undefined };
  const { shape } = x.inputs[0]!;
  const of = (part: SecretNode) => {
    const made = passing(x.op, [spread(part, shape)], x.shape, x.attrs);
    made.takeIndicesOf(x);
    if (x.ownIndices) made.origin = x.origin ?? x;
    return made;
  };
  return { scores: of(scores), addend: of(addend) };
}

/** The same view of both parts, of the addend as small as it was. */
function viewed(x: SecretNode, { scores, addend }: Sum): Sum {
  if (!addend || !scores) return { scores: x, addend: undefined };
  const from = x.inputs[0]!.shape;
  // What has fewer axes than the sum has them in front, of size 1
  const ranked = (part: SecretNode) =>
    part.shape.length === from.length
      ? part
      : passing('reshape', [part], [...Array<number>(from.length - part.shape.length).fill(1), ...part.shape]);
  const view = (part: SecretNode, small: boolean): SecretNode => {
    if (x.op === 'broadcast') return part;
    if (x.op === 'transpose') {
      const p = ranked(part);
      return passing(
        'transpose',
        [p],
        x.attr<number[]>('perm').map((at) => p.shape[at]!),
        x.attrs,
      );
    }
    if (x.op === 'slice') {
      const p = ranked(part);
      const begin = x.attr<number[]>('begin').map((at, i) => (p.shape[i] === 1 ? 0 : at));
      return passing(
        'slice',
        [p],
        x.shape.map((d, i) => (p.shape[i] === 1 ? Math.min(1, d) : d)),
        { ...x.attrs, begin },
      );
    }
    const kept = small ? withOnes(ranked(part).shape, from, x.shape) : undefined;
    return kept ? passing('reshape', [part], kept) : passing('reshape', [spread(part, from)], x.shape);
  };
  return { scores: view(scores, false), addend: view(addend, true) };
}

/** A part's shape after a reshape that only adds or takes away axes of size 1; undefined if it does more. */
function withOnes(part: Shape, from: Shape, to: Shape): number[] | undefined {
  const real = (shape: Shape) => shape.flatMap((d, i) => (d === 1 ? [] : [i]));
  const [before, after] = [real(from), real(to)];
  if (before.map((i) => from[i]).join() !== after.map((i) => to[i]).join() || sizeOf(from) === 0) return undefined;
  const out = to.map(() => 1);
  after.forEach((axis, k) => {
    out[axis] = part[before[k]!]!;
  });
  return out;
}
