/**
 * What the caller's own process knows without the nodes: the plaintext of a recorded value all of whose ancestors the
 * caller wrote or has read. Of it masks are made what they mean, and indices and constants are folded.
 */
import { sizeOf } from '@secformer/ring';
import { broadcastReals, evaluateNode, type GraphNode, type Shape } from '@secformer/secformer-ops';
import { passing, type RecordedOp, type SecretNode } from './node-values.js';
import { belowFloor, biasOnly, checkBits, floorRows, notMasked, openRows } from './rewrites/floor.js';

/**
 * Plaintext of an own value, element by element in double precision.
 * @throws TypeError where the value is not known here: see `SecretNode.knowable`
 */
export function plaintextOf(n: SecretNode): Float64Array {
  const done = new Map<SecretNode, Float64Array>();
  for (const next of inOrder(n))
    done.set(
      next,
      made(next, (i) => done.get(i)!),
    );
  return done.get(n)!;
}

function written(n: SecretNode): boolean {
  return n.values !== undefined || n.op === 'constant';
}

function made(n: SecretNode, of: (input: SecretNode) => Float64Array): Float64Array {
  if (n.values) return Float64Array.from(n.values);
  if (n.op === 'constant') return Float64Array.from(n.attr<number[]>('values'));
  if (!n.knowable) throw new TypeError(`the value of a '${n.op}' of shape [${n.shape}] is not known to the caller`);
  return evaluateKnown(
    n,
    n.inputs.map(of),
    n.inputs.map((i) => i.shape),
    n.ownIndices,
  );
}

/** An operation in plaintext, in double precision, of operands and of the indices of those that have some. */
export function evaluateKnown(
  n: { op: RecordedOp; shape: Shape; attrs: Record<string, unknown> },
  ins: Float64Array[],
  shapes: Shape[],
  indices: Int32Array | undefined,
): Float64Array {
  switch (n.op) {
    case 'oneHot':
      return ones(indices!, n.shape.at(-1)!);
    case 'gather':
      return rowsOf(ins[0]!, indices!, sizeOf(shapes[0]!.slice(1)));
    case 'mean': {
      const axes = n.attrs.axes as number[];
      const sums = evaluateNode({ op: 'sum', in: [], shape: n.shape, axes }, ins, shapes, []);
      return sums.map((v) => v / sizeOf(axes.map((a) => shapes[0]![a]!)));
    }
    case 'select': {
      const [c, t, e] = ins.map((v, i) => broadcastReals(v, shapes[i]!, n.shape)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      // Not e + c·(t − e), which is no number where one of them is infinite
      return c.map((bit, i) => (bit !== 0 ? t[i]! : e[i]!));
    }
    case 'floorRows':
      return floorRows(ins[0]!, shapes[0]!, n.attrs);
    case 'belowFloor':
      return belowFloor(ins[0]!, shapes[0]!, n.attrs);
    case 'openRows':
      return openRows(ins[0]!, shapes[0]!);
    case 'notMasked':
      return notMasked(ins[0]!, shapes[0]!, n.attrs);
    case 'biasOnly':
      return biasOnly(ins[0]!);
    case 'bits':
      checkBits(ins[0]!);
      return ins[0]!;
    default:
      return evaluateNode({ op: n.op, in: [], shape: n.shape, ...n.attrs } as unknown as GraphNode, ins, shapes, []);
  }
}

function rowsOf(table: Float64Array, indices: Int32Array, width: number): Float64Array {
  const out = new Float64Array(indices.length * width);
  indices.forEach((index, i) => {
    out.set(table.subarray(index * width, (index + 1) * width), i * width);
  });
  return out;
}

function ones(indices: Int32Array, depth: number): Float64Array {
  const out = new Float64Array(indices.length * depth);
  indices.forEach((index, i) => {
    out[i * depth + index] = 1;
  });
  return out;
}

/**
 * What an own value is: the same for two that are made of the same tensors in the same way. Small public numbers count
 * by their values, all else by the tensor.
 */
export function identityOf(n: SecretNode): string {
  const names = new Map<SecretNode, string>();
  for (const next of inOrder(n)) {
    const named = written(next) || (next.ownIndices && !next.origin);
    names.set(
      next,
      named
        ? nameOf(next)
        : `${next.op}${next.origin?.id ?? ''}${attributesOf(next.attrs)}` +
            `[${next.shape}](${next.inputs.map((i) => names.get(i))})`,
    );
  }
  return names.get(n)!;
}

function nameOf(n: SecretNode): string {
  const byValues = n.op === 'constant' && !n.values && sizeOf(n.shape) <= NAMED_BY_VALUES;
  return byValues ? `[${n.shape}]${n.attr<number[]>('values')}` : `#${n.id}`;
}

/** What a value is made of, and the value: operands before what is made of them. */
export function inOrder(n: SecretNode): SecretNode[] {
  const done = new Set<SecretNode>();
  const left = [n];
  for (let next = left.at(-1); next; next = left.at(-1)) {
    const missing = done.has(next) || written(next) ? [] : next.inputs.filter((i) => !done.has(i));
    if (missing.length > 0) {
      left.push(...missing);
      continue;
    }
    left.pop();
    done.add(next);
  }
  return [...done];
}

/** Does a gate go into it, of which some suites make another function than its name says? */
export function isGated(n: SecretNode): boolean {
  return inOrder(n).some(({ op, values }) => values === undefined && (op === 'erf' || op === 'tanh'));
}

/** Public tensors of so many elements are told apart by their values. */
export const NAMED_BY_VALUES = 16;

/** Attributes as text, in which −∞, ∞ and NaN are not alike. */
export function attributesOf(attrs: object): string {
  return JSON.stringify(attrs, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

/** The tensor that something made of own values lives as long as: the youngest of those that it is made of. */
export function youngestOf(n: SecretNode): SecretNode | undefined {
  let youngest: SecretNode | undefined;
  const seen = new Set<SecretNode>();
  const left = [n];
  for (let next = left.pop(); next; next = left.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const holder = next.origin ?? next;
    if (holder.values || holder.ownIndices) {
      if (!youngest || holder.id > youngest.id) youngest = holder;
    } else left.push(...next.inputs);
  }
  return youngest;
}

/** An expression of what the caller knows that outlives the recorded nodes that it was made of. */
export function copyOf(n: SecretNode): SecretNode {
  const copies = new Map<SecretNode, SecretNode>();
  for (const of of inOrder(n)) {
    const inputs = written(of) ? [] : of.inputs.map((i) => copies.get(i)!);
    const copy = passing(of.op, inputs, of.shape, of.attrs);
    copy.values = of.values;
    copy.privacy = of.privacy;
    copy.step = of.step;
    copy.takeIndicesOf(of);
    copies.set(of, copy);
  }
  return copies.get(n)!;
}
