/** A graph's inputs as those of the Program: tensors of the session with their openings, and one-hot rows. */
import type { Emitter } from '../compose/emitter.js';
import { FRAC_BITS, MAGNITUDE } from '../compose/formats.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import { bucketsFor, CHOICES } from '../instruction/buckets.js';
import { check } from '../instruction/types.js';
import { type IndexBinding, inBuckets } from './lookup.js';
import { claimedMagnitude, type NodeRanges } from './ranges.js';

/** Bits of a one-hot operand and its product: values of 16 fractional bits below 2^15 fit 32. */
export const LOOKUP_BITS = 32;
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
  /** its owner has written openings alone: a plan that takes its share cannot be run */
  withoutShare?: boolean;
  /** used by one run alone: openings of it are not kept */
  once?: boolean;
  /** of a public tensor: the digest of its bytes; its `bits` are those of a word, and nothing of it is opened */
  digest?: string;
}

/** The type of a tensor that a client writes. */
export const writtenTensor: InputState = { fracBits: FRAC_BITS, bits: 64, magnitude: MAGNITUDE, stored: [] };

/** Where an input of the Program comes from. */
export type Binding =
  | { kind: 'share'; slot: number }
  | { kind: 'opened'; slot: number; width: number }
  | { kind: 'public'; slot: number }
  | IndexBinding;

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

/** All Program inputs, which come first, whatever the order of the graph's nodes. */
export class Inputs {
  readonly bindings: Binding[] = [];
  /** slot of each input's share, by value */
  readonly slots = new Map<number, number>();
  /** of one-hot rows that are looked up in buckets: the matrix of hits, by the node; its value is that of places */
  readonly hits = new Map<number, number>();
  /** values of the graph's inputs, by node; undefined for the other nodes */
  readonly values: readonly (number | undefined)[];
  readonly #emitter: Emitter;
  readonly #salt: number;

  constructor(
    emitter: Emitter,
    graph: Graph,
    states: readonly InputState[],
    ranges: NodeRanges | undefined,
    salt: number,
  ) {
    this.#emitter = emitter;
    this.#salt = salt;
    const buckets = inBuckets(graph);
    const wide = widerLookups(graph, ranges);
    for (const i of wide) buckets.delete(i);
    this.values = graph.nodes.map((n, i) =>
      n.op === 'input' || n.op === 'oneHot'
        ? this.#input(n, i, states, buckets.has(i), wide.has(i) ? WIDE_LOOKUP_BITS : LOOKUP_BITS)
        : undefined,
    );
  }

  #input(node: GraphNode, at: number, states: readonly InputState[], inBuckets: boolean, width: number): number {
    if (node.op === 'oneHot') {
      const { slot, depth } = node;
      const ones = (part: IndexBinding['part'], shape: number[]) => {
        this.bindings.push({ kind: 'oneHot', slot, depth, part, salt: this.#salt });
        return this.#emitter.builder.input({ kind: 'oneHot', shape, width });
      };
      if (!inBuckets) return ones('rows', [...node.shape]);
      const count = node.shape[0]!;
      this.hits.set(at, ones('hits', [depth, CHOICES]));
      return ones('places', [count, bucketsFor(count)]);
    }
    check(node.op === 'input', () => `node ${node.op} is not an input`);
    const { fracBits, bits, magnitude, stored, once, digest } = states[node.slot]!;
    if (digest !== undefined) {
      this.bindings.push({ kind: 'public', slot: node.slot });
      return this.#emitter.builder.input({ kind: 'public', shape: [...node.shape], fracBits, magnitude, digest });
    }
    const common = { shape: [...node.shape], fracBits, bits, magnitude };
    const share = this.#emitter.builder.input({ kind: 'share', ...common });
    this.bindings.push({ kind: 'share', slot: node.slot });
    if (once) return share;
    this.slots.set(share, node.slot);
    const openings = new Map<number, number>();
    for (const width of stored) {
      openings.set(width, this.#emitter.builder.input({ kind: 'opened', ...common, width }));
      this.bindings.push({ kind: 'opened', slot: node.slot, width });
    }
    this.#emitter.persistent(share, openings);
    return share;
  }
}
