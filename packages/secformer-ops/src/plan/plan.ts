import { maxWithIndex } from '../compose/arg-max.js';
import { Watch } from '../compose/domain.js';
import { Emitter } from '../compose/emitter.js';
import { FRAC_BITS, MAGNITUDE } from '../compose/formats.js';
import { divide, reciprocal } from '../compose/octave.js';
import { oneHotOf } from '../compose/one-hot.js';
import { prelu } from '../compose/piecewise.js';
import { ofSmall, timesInverse } from '../compose/small.js';
import { attend, logSoftmax, normalise, quadSoftmax, type Unnormalised } from '../compose/softmax.js';
import { topK } from '../compose/top-k.js';
import { type Bounds, boundsOf } from '../graph/bounds.js';
import type { ElementwiseOp } from '../graph/functions.js';
import { checkGraph, type Graph, type GraphNode, parametersOf } from '../graph/graph.js';
import { needed } from '../graph/needed.js';
import { bucketsFor, CHOICES } from '../program/buckets.js';
import { ProgramBuilder } from '../program/builder.js';
import type { Program } from '../program/program.js';
import { check, type Shape, sizeOf } from '../program/types.js';
import type { Suite } from '../suites/suite.js';
import { checkConstants } from './constants.js';
import { type IndexBinding, inBuckets } from './lookup.js';
import { checkDomains, claimedMagnitude, type NodeRanges, scoresOf } from './ranges.js';
import { SELECTING, selectedDifferences, selections } from './selected.js';
import { notNegative } from './sign.js';
import { smallOperand } from './small.js';
import { digests, type Watched } from './watched.js';

/** Operations whose results claim the range that calibration has seen: the others know theirs. */
const ARITHMETIC = new Set(['add', 'sub', 'mul', 'div', 'matMul', 'square', 'sum', 'cumSum', 'prelu']);

/** Bits of a one-hot operand and its product: values of 16 fractional bits below 2^15 fit 32. */
const LOOKUP_BITS = 32;
/** The same where calibration has seen larger values, in a table or as sums of rows. */
const WIDE_LOOKUP_BITS = 64;

/**
 * What the planner has to know of a graph's input: the type its share has at the nodes, and the widths of openings
 * stored beside it.
 */
export interface InputState {
  fracBits: number;
  bits: number;
  magnitude: number;
  stored: number[];
}

/** The type of a tensor that a client writes. */
export const writtenTensor: InputState = { fracBits: FRAC_BITS, bits: 64, magnitude: MAGNITUDE, stored: [] };

/** Where an input of the Program comes from. */
export type Binding = { kind: 'share'; slot: number } | { kind: 'opened'; slot: number; width: number } | IndexBinding;

export interface Plan {
  program: Program;
  bindings: Binding[];
  /** Program keeps, in order: a graph output that stays as a tensor, or a new opening of an input */
  keeps: ({ kind: 'output'; output: number } | { kind: 'opened'; slot: number; width: number })[];
  /**
   * of what is behind the revealed values in the Program's outputs: digests that are not all zero where an operation's
   * values have left the domain of its protocol
   */
  checks: Watched[];
}

/**
 * From a graph to a Program: which protocol, which scale and modulus, where truncations go, and the schedule. Pure and
 * deterministic.
 * @param revealed indices into graph.outputs that the client reads
 * @param kept indices into graph.outputs that stay at the nodes
 * @param ranges what calibration has seen of every node; without it values are taken to stay below 2^14
 * @param salt of lookups in buckets: drawn at random before any index is known, where others choose what is looked up
 * @param watched whether operations tell where their values leave the domain of their protocol
 */
export function plan(
  graph: Graph,
  suite: Suite,
  states: readonly InputState[],
  revealed: readonly number[],
  kept: readonly number[] = [],
  ranges?: NodeRanges,
  salt = 0,
  watched = false,
): Plan {
  checkGraph(graph);
  checkConstants(graph, ranges !== undefined, kept);
  check(
    ranges === undefined || ranges.length === graph.nodes.length,
    () => `${ranges?.length} ranges for a graph of ${graph.nodes.length} nodes`,
  );
  if (ranges) checkDomains(graph, suite, ranges);
  const less = needed(graph);
  const lowering = new Lowering(less.graph, suite, states, ranges && less.origin.map((i) => ranges[i]!), salt, watched);
  const outputs = less.graph.outputs.map((o) => lowering.share(o));
  const { builder, emitter, bindings, slots } = lowering;
  const keeps: Plan['keeps'] = kept.map((output) => ({ kind: 'output', output }));
  const keptValues = kept.map((i) => outputs[i]!);
  for (const [v, widths] of emitter.fresh) {
    for (const [width, opened] of widths) {
      keeps.push({ kind: 'opened', slot: slots.get(v)!, width });
      keptValues.push(opened);
    }
  }
  const watching = digests(emitter, less.graph, less.origin);
  return {
    program: builder.build([...revealed.map((i) => outputs[i]!), ...watching.map((d) => d.value)], keptValues),
    bindings,
    keeps,
    checks: watching.map((d) => d.check),
  };
}

type Lowered = { value: number } | { soft: Unnormalised; value?: number } | { constant: number[] };

/** One-hot rows in a product that is larger than the usual bits hold, by what calibration has seen of it. */
function widerLookups({ nodes }: Graph, ranges: NodeRanges | undefined): Set<number> {
  const wide = new Set<number>();
  nodes.forEach((n, i) => {
    const seen = ranges?.[i];
    if (n.op !== 'matMul' || !seen || claimedMagnitude(seen) <= LOOKUP_BITS - 1 - FRAC_BITS) return;
    for (const x of n.in) if (nodes[x]!.op === 'oneHot') wide.add(x);
  });
  return wide;
}

class Lowering {
  readonly builder = new ProgramBuilder();
  readonly emitter = new Emitter(this.builder);
  readonly bindings: Binding[] = [];
  /** slot of each input's share, by value */
  readonly slots = new Map<number, number>();
  readonly #nodes: Lowered[] = [];
  /** of one-hot rows that are looked up in buckets: the matrix of hits, by the node; its value is that of places */
  readonly #hits = new Map<number, number>();
  /** nodes that are inverses by `ofSmall` */
  readonly #inverses = new Set<number>();
  readonly #graph: Graph;
  readonly #suite: Suite;
  readonly #salt: number;
  readonly #ranges: NodeRanges | undefined;
  readonly #selected: ReadonlySet<GraphNode>;
  /** the difference that each product of a selection takes */
  readonly #selections: ReadonlyMap<GraphNode, number>;
  /** of every node, where secret indices are used */
  readonly #bounds: readonly (Bounds | undefined)[];

  constructor(
    graph: Graph,
    suite: Suite,
    states: readonly InputState[],
    ranges: NodeRanges | undefined,
    salt: number,
    watched: boolean,
  ) {
    this.#graph = graph;
    this.#suite = suite;
    this.#salt = salt;
    this.#ranges = ranges;
    this.#selected = new Set([...selectedDifferences(graph)].map((i) => graph.nodes[i]!));
    this.#selections = new Map([...selections(graph)].map(([i, difference]) => [graph.nodes[i]!, difference]));
    this.#bounds = graph.nodes.some((n) => n.op === 'oneHotOf') ? boundsOf(graph) : [];
    const watch = watched ? new Watch() : undefined;
    this.emitter.watch = watch;
    const buckets = inBuckets(graph);
    const wide = widerLookups(graph, ranges);
    for (const i of wide) buckets.delete(i);
    const inputs = graph.nodes.map((n, i) =>
      n.op === 'input' || n.op === 'oneHot'
        ? this.#input(n, i, states, buckets.has(i), wide.has(i) ? WIDE_LOOKUP_BITS : LOOKUP_BITS)
        : undefined,
    );
    graph.nodes.forEach((node, i) => {
      const given = inputs[i];
      if (given !== undefined) {
        this.#nodes.push({ value: given });
        return;
      }
      this.builder.tag = node.op;
      if (watch) watch.node = i;
      const seen = ranges?.[i];
      const lowered = this.#claimed(node, seen ? claimedMagnitude(seen) : undefined);
      this.#nodes.push(lowered);
      if ('value' in lowered && lowered.value !== undefined) {
        const { shape } = this.emitter.type(lowered.value);
        check(
          shape.join() === node.shape.join(),
          () => `node ${i} (${node.op}) has shape [${shape}], the graph says [${node.shape}]`,
        );
      }
    });
    this.builder.tag = 'output';
  }

  /** All Program inputs come first, whatever the order of the graph's nodes. */
  #input(node: GraphNode, at: number, states: readonly InputState[], inBuckets: boolean, width: number): number {
    if (node.op === 'oneHot') {
      const { slot, depth } = node;
      const ones = (part: IndexBinding['part'], shape: number[]) => {
        this.bindings.push({ kind: 'oneHot', slot, depth, part, salt: this.#salt });
        return this.builder.input({ kind: 'oneHot', shape, width });
      };
      if (!inBuckets) return ones('rows', [...node.shape]);
      const count = node.shape[0]!;
      this.#hits.set(at, ones('hits', [depth, CHOICES]));
      return ones('places', [count, bucketsFor(count)]);
    }
    check(node.op === 'input', () => `node ${node.op} is not an input`);
    const { fracBits, bits, magnitude, stored } = states[node.slot]!;
    const common = { shape: [...node.shape], fracBits, bits, magnitude };
    const share = this.builder.input({ kind: 'share', ...common });
    this.bindings.push({ kind: 'share', slot: node.slot });
    this.slots.set(share, node.slot);
    const openings = new Map<number, number>();
    for (const width of stored) {
      openings.set(width, this.builder.input({ kind: 'opened', ...common, width }));
      this.bindings.push({ kind: 'opened', slot: node.slot, width });
    }
    this.emitter.persistent(share, openings);
    return share;
  }

  #constant(i: number): number[] | undefined {
    const n = this.#nodes[i]!;
    return 'constant' in n ? n.constant : undefined;
  }

  #shapeOf(i: number): Shape {
    return this.#graph.nodes[i]!.shape;
  }

  /** A node's value as a share. */
  share(i: number): number {
    const e = this.emitter;
    const n = this.#nodes[i]!;
    if ('constant' in n) return e.constantShare(n.constant, this.#shapeOf(i), FRAC_BITS);
    if ('soft' in n) {
      n.value ??= normalise(e, n.soft);
      return n.value;
    }
    const t = e.type(n.value);
    return t.kind === 'opened' ? e.emit('unwrap', [n.value]) : n.value;
  }

  /** Lowers a node whose results are known to stay below 2^magnitude. */
  #claimed(node: GraphNode, magnitude: number | undefined): Lowered {
    const e = this.emitter;
    if (magnitude === undefined || !ARITHMETIC.has(node.op)) return this.#lower(node);
    e.limit = Math.max(MAGNITUDE, magnitude);
    const lowered = this.#lower(node);
    e.limit = MAGNITUDE;
    if (!('value' in lowered) || lowered.value === undefined || e.type(lowered.value).kind !== 'share') return lowered;
    return { value: e.claim(lowered.value, magnitude) };
  }

  #lower(node: GraphNode): Lowered {
    const e = this.emitter;
    const x = () => this.share(node.in[0]!);
    const y = () => this.share(node.in[1]!);
    switch (node.op) {
      case 'constant':
        return { constant: node.values };
      case 'add':
      case 'sub':
      case 'mul':
      case 'div':
        return { value: this.#arithmetic(node) };
      case 'square':
        return { value: e.square(this.share(this.#squared(node.in[0]!))) };
      case 'rsqrt':
      case 'sqrt':
      case 'log': {
        const small = this.#ofSmall(node.op, node.in[0]!);
        if (small !== undefined && node.op === 'rsqrt') this.#inverses.add(this.#nodes.length);
        return { value: small ?? this.#suite.elementwise[node.op].emit(e, x(), {}) };
      }
      case 'reciprocal': {
        const small = this.#ofSmall(node.op, node.in[0]!);
        if (small !== undefined) this.#inverses.add(this.#nodes.length);
        return { value: small ?? reciprocal(e, x(), notNegative(this.#graph, node.in[0]!)) };
      }
      case 'prelu':
        return { value: e.reach.over(x(), (v) => prelu(e, v, y())) };
      case 'gelu':
        return { value: this.#suite.gelu(e, x(), node.form) };
      case 'softmax':
        return this.#weights(this.#suite.softmax(e, x()));
      case 'quad':
        return this.#quad(node);
      case 'logSoftmax':
        return { value: logSoftmax(e, x()) };
      case 'layerNorm':
        return { value: this.#suite.layerNorm(e, x(), node.epsilon) };
      case 'matMul':
        return { value: this.#matMul(node) };
      case 'reshape':
        return { value: e.reshape(x(), node.shape) };
      case 'transpose':
        return { value: e.transpose(x(), node.perm) };
      case 'slice':
        return { value: e.slice(x(), node.begin, node.shape, node.strides) };
      case 'view':
        return { value: e.view(x(), node.shape, node.strides, node.offset) };
      case 'pick':
        return { value: e.pick(x(), node.indices, node.shape) };
      case 'broadcast':
        return { value: e.broadcast(x(), node.shape) };
      case 'concat':
        return {
          value: e.concat(
            node.in.map((i) => this.share(i)),
            node.axis,
          ),
        };
      case 'sum':
        return {
          value: e.sum(this.#summable(x(), sizeOf(node.axes.map((a) => this.#shapeOf(node.in[0]!)[a]!))), node.axes),
        };
      case 'max':
      case 'argMax': {
        const positive = notNegative(this.#graph, node.in[0]!);
        if (node.op === 'max') return { value: e.reach.over(x(), (v) => maxWithIndex(e, v, false, positive).max) };
        return { value: e.reach.over(x(), (v) => maxWithIndex(e, v, true, positive).index!) };
      }
      case 'oneHotOf':
        return { value: oneHotOf(e, this.#suite, x(), node.depth, this.#bounds[node.in[0]!]) };
      case 'topK': {
        const { values, indices } = topK(e, x(), node.k);
        return { value: node.index ? indices : values };
      }
      case 'cumSum':
        return { value: e.cumSum(this.#summable(x(), node.shape.at(-1)!), node.exclusive, node.reverse) };
      default: {
        const simple = this.#suite.elementwise[node.op as ElementwiseOp];
        check(simple !== undefined, () => `there is no operation '${node.op}'`);
        const emit = (v: number) => simple.emit(e, v, parametersOf(node));
        return { value: SELECTING.has(node.op) ? e.reach.over(x(), emit) : emit(x()) };
      }
    }
  }

  /**
   * 2Quad. A mask over the keys is cheapest on the keys: with K' = mask∘K and c·mask in the place of c, a masked score
   * is 0 before it is squared, and the weights need no mask of their own. A bias is 0 where the mask is, so that it
   * needs no product.
   */
  #quad(node: GraphNode & { op: 'quad' }): Lowered {
    const e = this.emitter;
    const { quad } = this.#suite;
    const [scores, mask, bias] = node.in as [number, number?, number?];
    if (mask === undefined) return this.#weights(quad(e, this.share(scores), node.c));
    const { product, scale } = this.#scaledProduct(scores);
    const shape = this.#shapeOf(mask);
    const keysOnly = shape.length === 1 || shape.at(-2) === 1;
    if (
      quad !== quadSoftmax ||
      product.op !== 'matMul' ||
      !product.transposeB ||
      product.transposeA ||
      !keysOnly ||
      shape.at(-1) !== node.shape.at(-1)
    ) {
      return this.#weights(
        quad(e, this.#biased(node, this.share(scores), bias), node.c, e.broadcast(this.share(mask), node.shape)),
      );
    }
    const [query, key] = product.in as [number, number];
    const column = e.reshape(this.share(mask), [...shape.slice(0, -2), shape.at(-1)!, 1]);
    const masked = e.product(e.operand(this.share(query)), e.operand(e.mul(this.share(key), column)), false, true);
    const shifted = e.add(e.scale(masked, scale), e.broadcast(e.scale(this.share(mask), node.c), node.shape));
    return this.#weights(
      quadSoftmax(e, bias === undefined ? shifted : e.add(shifted, e.broadcast(this.share(bias), node.shape)), 0),
    );
  }

  /** Scores with their bias, as narrow as calibration has seen both. */
  #biased(node: GraphNode, scores: number, bias: number | undefined): number {
    if (bias === undefined) return scores;
    const e = this.emitter;
    const sum = e.add(scores, e.broadcast(this.share(bias), node.shape));
    const seen = this.#ranges && scoresOf(node, this.#ranges);
    return seen ? e.claim(sum, claimedMagnitude(seen)) : sum;
  }

  /** A node that is another one times a public number. */
  #scaledProduct(at: number): { product: GraphNode; scale: number } {
    const node = this.#graph.nodes[at]!;
    const [a, b] = node.in as [number, number];
    const constant =
      node.op === 'mul' ? (this.#constant(b) ?? this.#constant(a)) : node.op === 'div' ? this.#constant(b) : undefined;
    if (constant?.length !== 1) return { product: node, scale: 1 };
    const of = this.#graph.nodes[this.#constant(a) ? b : a]!;
    return { product: of, scale: node.op === 'div' ? 1 / constant[0]! : constant[0]! };
  }

  #weights(made: number | Unnormalised): Lowered {
    return typeof made === 'number' ? { value: made } : { soft: made };
  }

  #arithmetic(node: GraphNode): number {
    const e = this.emitter;
    const [a, b] = node.in as [number, number];
    const [ca, cb] = [this.#constant(a), this.#constant(b)];
    if (cb) return this.#withConstant(node, this.share(a), cb, this.#shapeOf(b), false);
    if (ca) return this.#withConstant(node, this.share(b), ca, this.#shapeOf(a), true);
    if (node.op === 'sub') return this.#difference(a, b, this.#selected.has(node));
    if (node.op === 'add') {
      const [na, nb] = [a, b].map((i) => this.#graph.nodes[i]!);
      if (nb!.op === 'neg') return this.#difference(a, nb!.in[0]!);
      return na!.op === 'neg' ? this.#difference(b, na!.in[0]!) : e.add(this.share(a), this.share(b));
    }
    if (node.op === 'mul') {
      if (a === b) return e.square(this.share(a));
      const difference = this.#selections.get(node);
      if (difference !== undefined) {
        const bit = this.share(difference === a ? b : a);
        return e.reach.over(this.share(difference), (d) => e.mul(bit, d));
      }
      if (this.#isInverse(b)) return timesInverse(e, this.share(a), this.share(b));
      return this.#isInverse(a) ? timesInverse(e, this.share(b), this.share(a)) : e.mul(this.share(a), this.share(b));
    }
    const inverse = this.#ofSmall('reciprocal', b);
    if (inverse !== undefined) return timesInverse(e, this.share(a), inverse);
    return divide(e, this.share(a), this.share(b), notNegative(this.#graph, b));
  }

  /** An inverse that has more than 16 fractional bits, which a product is to keep, through views. */
  #isInverse(i: number): boolean {
    const n = this.#graph.nodes[i]!;
    return this.#inverses.has(i) || ((n.op === 'reshape' || n.op === 'broadcast') && this.#isInverse(n.in[0]!));
  }

  /** A square does not need the sign of its operand. */
  #squared(i: number): number {
    const n = this.#graph.nodes[i]!;
    return n.op === 'abs' || n.op === 'neg' ? n.in[0]! : i;
  }

  /** A function of a positive value that may be smaller than 16 fractional bits can tell; none where it cannot. */
  #ofSmall(op: 'rsqrt' | 'sqrt' | 'log' | 'reciprocal', at: number): number | undefined {
    const e = this.emitter;
    const found = smallOperand(this.#graph, op, at);
    if (!found) return undefined;
    const { core, views, ...operand } = found.offset;
    return views.reduce(
      (x, n) =>
        n.op === 'transpose'
          ? e.transpose(x, n.perm)
          : n.op === 'reshape'
            ? e.reshape(x, n.shape)
            : e.broadcast(x, n.shape),
      ofSmall(e, found.kind, { v: this.share(core), ...operand }),
    );
  }

  /** A product of matrices that has no room for a sum of n of its values, truncated: a mean of them is in range. */
  #summable(v: number, n: number): number {
    const e = this.emitter;
    const { magnitude, fracBits, bits } = e.share(v);
    return bits < 64 && magnitude + Math.ceil(Math.log2(Math.max(1, n))) + fracBits + 2 > bits ? e.wide(v) : v;
  }

  /** @param selected whether something selects by it, which needs a bit more than the values have */
  #difference(a: number, b: number, selected = false): number {
    const e = this.emitter;
    const sameSign = notNegative(this.#graph, a) && notNegative(this.#graph, b);
    const spare = (v: number) => {
      const { magnitude, fracBits, bits } = e.share(v);
      return magnitude + 1 + fracBits + 2 <= bits;
    };
    const operands = [this.share(a), this.share(b)] as [number, number];
    const [x, y] = selected && !sameSign && !operands.every(spare) ? operands.map((v) => e.wide(v)) : operands;
    return e.reach.difference(x!, y!, sameSign);
  }

  /** x op c, or c op x if `reversed`. */
  #withConstant(node: GraphNode, x: number, c: number[], shape: Shape, reversed: boolean): number {
    const e = this.emitter;
    const single = c.length === 1 && sizeOf(node.shape) === sizeOf(e.type(x).shape) ? c[0] : undefined;
    const broadcast = (v: number) => e.broadcast(v, node.shape);
    if (node.op === 'add' || node.op === 'sub') {
      const sign = node.op === 'sub' && !reversed ? -1 : 1;
      const from = node.op === 'sub' && reversed ? e.negate(x) : x;
      if (single !== undefined) return broadcast(e.addConstant(from, sign * single));
      return e.add(
        from,
        e.constantShare(
          c.map((v) => sign * v),
          shape,
          this.emitter.share(from).fracBits,
        ),
      );
    }
    if (node.op === 'div' && reversed) {
      const inverse =
        this.#ofSmall('reciprocal', node.in[1]!) ?? reciprocal(e, x, notNegative(this.#graph, node.in[1]!));
      return this.#withConstant({ ...node, op: 'mul' } as GraphNode, inverse, c, shape, false);
    }
    const factors = node.op === 'div' ? c.map((v) => 1 / v) : c;
    check(factors.every(Number.isFinite), () => `${node.op} by a constant that is zero or not finite`);
    return single !== undefined ? broadcast(e.scale(x, factors[0]!)) : e.mulConstant(x, factors, shape);
  }

  /** Rows of a table, summed in buckets and then taken from there. */
  #lookup(hits: number, a: number, b: number): number {
    const e = this.emitter;
    const places = (this.#nodes[a] as { value: number }).value;
    const table = e.operand(this.share(b));
    const t = e.opened(table);
    const magnitude = Math.min(e.limit, LOOKUP_BITS - 1 - t.fracBits);
    const sums = e.emit('bucketSums', [hits, table], {
      buckets: e.type(places).shape[1]!,
      salt: this.#salt,
      magnitude,
    });
    const { bits } = e.share(sums);
    const rows = e.emit('open', [sums], { shift: 0, width: bits, offsetLog: -1, share: 'modular', bits });
    return e.product(places, rows);
  }

  #isOneHot(i: number): boolean {
    const node = this.#graph.nodes[i]!;
    return node.op === 'oneHotOf' || (node.op === 'reshape' && this.#isOneHot(node.in[0]!));
  }

  /**
   * Rows of a table where one-hot rows say: no larger than what is in it, so that a modulus with room for that does.
   */
  #rowsOf(a: number, b: number): number {
    const e = this.emitter;
    const table = e.operand(this.share(b));
    const { fracBits, magnitude, width } = e.opened(table);
    const bits = Math.min(width, Math.max(LOOKUP_BITS, fracBits + magnitude + 1));
    return e.product(e.operand(this.share(a), bits), table, false, false, magnitude);
  }

  #matMul(node: GraphNode & { op: 'matMul' }): number {
    const e = this.emitter;
    const [a, b] = node.in as [number, number];
    const hits = this.#hits.get(a);
    if (hits !== undefined) return this.#lookup(hits, a, b);
    if (this.#isOneHot(a) && !node.transposeA && !node.transposeB) return this.#rowsOf(a, b);
    const left = this.#nodes[a]!;
    if ('soft' in left && left.value === undefined && !node.transposeA)
      return attend(e, left.soft, this.share(b), node.transposeB);
    // A result beyond the default range needs wider operands
    const width = e.limit > MAGNITUDE + 1 ? 64 : undefined;
    const opened = (i: number) => {
      const n = this.#nodes[i]!;
      if ('value' in n && n.value !== undefined && e.type(n.value).kind === 'opened') return n.value;
      return e.operand(this.share(i), width);
    };
    return e.product(opened(a), opened(b), node.transposeA, node.transposeB);
  }
}
