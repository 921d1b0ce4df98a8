/**
 * Sums, differences, products and quotients of nodes: with public numbers, of values far apart that something selects
 * by, and with the inverses of values that may be small.
 */
import { FRAC_BITS, MAGNITUDE } from '../compose/formats.js';
import { divide, reciprocal } from '../compose/octave.js';
import { carriedSum, minusPublic, plusPublic, timesPublic } from '../compose/public.js';
import { ofSmall, timesInverse } from '../compose/small.js';
import type { GraphNode } from '../graph/graph.js';
import { check, type Shape, sizeOf } from '../instruction/types.js';
import type { LoweredNodes } from './lowered.js';
import { roomOfSums, selectedDifferences, selections } from './selected.js';
import { notNegative } from './sign.js';
import { smallOperand } from './small.js';

/** Lowers nodes that are arithmetic, with what it has to know of the others: which are inverses, which select. */
export class Arithmetic {
  readonly #nodes: LoweredNodes;
  /** nodes that are inverses by `ofSmall` */
  readonly #inverses = new Set<number>();
  readonly #selected: ReadonlySet<GraphNode>;
  /** log2 of what a sum has to have room for, where that is less than the default range */
  readonly #room: ReadonlyMap<GraphNode, number>;
  /** the difference that each product of a selection takes */
  readonly #selections: ReadonlyMap<GraphNode, number>;

  constructor(nodes: LoweredNodes) {
    const { graph } = nodes;
    this.#nodes = nodes;
    this.#selected = new Set([...selectedDifferences(graph)].map((i) => graph.nodes[i]!));
    this.#room = roomOfSums(graph);
    this.#selections = new Map([...selections(graph)].map(([i, difference]) => [graph.nodes[i]!, difference]));
  }

  /** A sum, difference, product or quotient. */
  lower(node: GraphNode): number {
    const e = this.#nodes.emitter;
    const [a, b] = node.in as [number, number];
    const [ca, cb] = [this.#nodes.constant(a), this.#nodes.constant(b)];
    if (cb) return this.#withConstant(node, this.#nodes.share(a), cb, this.#nodes.shapeOf(b), false);
    if (ca) return this.#withConstant(node, this.#nodes.share(b), ca, this.#nodes.shapeOf(a), true);
    const [pa, pb] = [this.#nodes.public(a), this.#nodes.public(b)];
    if (node.op !== 'div' && (pa ?? pb) !== undefined) return this.#withPublic(node, a, b, pa, pb);
    const carried = this.#carriedSum(node, a, b);
    if (carried !== undefined) return carried;
    if (node.op === 'sub') return this.#difference(node, a, b, this.#selected.has(node));
    if (node.op === 'add') {
      const [na, nb] = [a, b].map((i) => this.#nodes.graph.nodes[i]!);
      if (nb!.op === 'neg') return this.#difference(node, a, nb!.in[0]!);
      return na!.op === 'neg' ? this.#difference(node, b, na!.in[0]!) : e.add(...this.#operands(node, a, b));
    }
    if (node.op === 'mul') {
      if (a === b) return e.square(this.#nodes.share(a));
      const difference = this.#selections.get(node);
      if (difference !== undefined) {
        const bit = this.#nodes.share(difference === a ? b : a);
        return e.reach.over(this.#nodes.share(difference), (d) => e.mul(bit, d));
      }
      if (this.#isInverse(b)) return timesInverse(e, this.#nodes.share(a), this.#nodes.share(b));
      return this.#isInverse(a)
        ? timesInverse(e, this.#nodes.share(b), this.#nodes.share(a))
        : e.mul(this.#nodes.share(a), this.#nodes.share(b));
    }
    const inverse = this.#ofSmall('reciprocal', b);
    if (inverse !== undefined) return timesInverse(e, this.#nodes.share(a), inverse);
    return divide(e, this.#nodes.share(a), this.#nodes.share(b), notNegative(this.#nodes.graph, b));
  }

  /** A sum, difference or product of which a side is a public tensor. */
  #withPublic(node: GraphNode, a: number, b: number, pa: number | undefined, pb: number | undefined): number {
    const e = this.#nodes.emitter;
    const reversed = pb === undefined;
    const [x, p] = reversed ? [this.#nodes.share(b), pa!] : [this.#nodes.share(a), pb];
    if (node.op === 'mul') return timesPublic(e, x, p);
    if (node.op === 'add') return plusPublic(e, x, p);
    return reversed ? plusPublic(e, e.negate(x), p) : minusPublic(e, x, p);
  }

  /** A sum of values that public tensors have made, at the scale that they have. */
  #carriedSum(node: GraphNode, a: number, b: number): number | undefined {
    if ((node.op !== 'add' && node.op !== 'sub') || this.#selected.has(node)) return undefined;
    const least = this.#room.get(node) ?? MAGNITUDE;
    return carriedSum(this.#nodes.emitter, node.op, this.#nodes.share(a), this.#nodes.share(b), least);
  }

  /** Whether a node is, through views, an inverse of more than 16 fractional bits, which a product has to keep. */
  #isInverse(i: number): boolean {
    const n = this.#nodes.graph.nodes[i]!;
    return this.#inverses.has(i) || ((n.op === 'reshape' || n.op === 'broadcast') && this.#isInverse(n.in[0]!));
  }

  /** A square does not need the sign of its operand. */
  squared(i: number): number {
    const n = this.#nodes.graph.nodes[i]!;
    return n.op === 'abs' || n.op === 'neg' ? n.in[0]! : i;
  }

  /** A function of a positive value that may be too small for 16 fractional bits; undefined where it cannot be. */
  #ofSmall(op: 'rsqrt' | 'sqrt' | 'log' | 'reciprocal', at: number): number | undefined {
    const e = this.#nodes.emitter;
    const found = smallOperand(this.#nodes.graph, op, at);
    if (!found) return undefined;
    const { core, views, ...operand } = found.offset;
    return views.reduce(
      (x, n) =>
        n.op === 'transpose'
          ? e.transpose(x, n.perm)
          : n.op === 'reshape'
            ? e.reshape(x, n.shape)
            : e.broadcast(x, n.shape),
      ofSmall(e, found.kind, { v: this.#nodes.share(core), ...operand }),
    );
  }

  /** A product of matrices that has no room for a sum of n of its values, truncated: a mean of them is in range. */
  summable(v: number, n: number): number {
    const e = this.#nodes.emitter;
    const { magnitude, fracBits, bits } = e.share(v);
    return bits < 64 && magnitude + Math.ceil(Math.log2(Math.max(1, n))) + fracBits + 2 > bits ? e.wide(v) : v;
  }

  /** Both sides of a sum. A scale that is too fine for what it may be, as of a scaled product, is given up first. */
  #operands(node: GraphNode, a: number, b: number): [number, number] {
    const e = this.#nodes.emitter;
    const both = [this.#nodes.share(a), this.#nodes.share(b)] as [number, number];
    const types = both.map((v) => e.share(v));
    const fine = Math.max(...types.map((t) => t.fracBits));
    const room = Math.min(...types.map((t) => Math.min(64, t.bits + fine - t.fracBits))) - 1 - fine;
    const least = Math.min(this.#room.get(node) ?? MAGNITUDE, e.format.room);
    const cramped = fine > FRAC_BITS && room < least && types.some((t) => t.magnitude >= least);
    return cramped ? (both.map((v) => e.truncated(v)) as [number, number]) : both;
  }

  /** @param selected whether something selects by it, which needs a bit more than the values have */
  #difference(node: GraphNode, a: number, b: number, selected = false): number {
    const e = this.#nodes.emitter;
    const sameSign = notNegative(this.#nodes.graph, a) && notNegative(this.#nodes.graph, b);
    const spare = (v: number) => {
      const { magnitude, fracBits, bits } = e.share(v);
      return magnitude + 1 + fracBits + 2 <= bits;
    };
    const operands = this.#operands(node, a, b);
    const [x, y] = selected && !sameSign && !operands.every(spare) ? operands.map((v) => e.wide(v)) : operands;
    return e.reach.difference(x!, y!, sameSign);
  }

  /** x op c, or c op x if `reversed`. */
  #withConstant(node: GraphNode, x: number, c: number[], shape: Shape, reversed: boolean): number {
    const e = this.#nodes.emitter;
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
          e.fracBitsBeside(from, c),
        ),
      );
    }
    if (node.op === 'div' && reversed) {
      const inverse =
        this.#ofSmall('reciprocal', node.in[1]!) ?? reciprocal(e, x, notNegative(this.#nodes.graph, node.in[1]!));
      return this.#withConstant({ ...node, op: 'mul' } as GraphNode, inverse, c, shape, false);
    }
    const factors = node.op === 'div' ? c.map((v) => 1 / v) : c;
    check(factors.every(Number.isFinite), () => `${node.op} by a constant that is zero or not finite`);
    return single !== undefined ? broadcast(e.scale(x, factors[0]!)) : e.mulConstant(x, factors, shape);
  }

  /** A root, a logarithm or a reciprocal, of a value that may be small or not. */
  ofPositive(op: 'rsqrt' | 'sqrt' | 'log' | 'reciprocal', x: number): number {
    const e = this.#nodes.emitter;
    const small = this.#ofSmall(op, x);
    if (small === undefined) {
      const v = this.#nodes.share(x);
      return op === 'reciprocal'
        ? reciprocal(e, v, notNegative(this.#nodes.graph, x))
        : this.#nodes.suite.elementwise[op].emit(e, v, {});
    }
    if (op === 'rsqrt' || op === 'reciprocal') this.#inverses.add(this.#nodes.current);
    return small;
  }
}
