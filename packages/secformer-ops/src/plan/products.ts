/** Products of matrices: of shares, of weights that are divided afterwards, and with one-hot rows, which look up. */

import type { Emitter } from '../compose/emitter.js';
import { FRAC_BITS, MAGNITUDE, PRODUCT_BITS } from '../compose/formats.js';
import { weighed } from '../compose/public.js';
import { ATTENTION_BITS, attend } from '../compose/softmax.js';
import type { GraphNode } from '../graph/graph.js';
import type { OpenedType } from '../instruction/types.js';
import { LOOKUP_BITS } from './inputs.js';
import type { LoweredNodes } from './lowered.js';
import type { Scores } from './scores.js';

/** Of a product of weights of attention, what holds its result: ±2^15 and a sign. */
const WEIGHED_BITS = 16;

/** What products depend on beside their operands. */
export interface Products {
  /** the matrices of hits of one-hot rows that are looked up in buckets, by node */
  hits: ReadonlyMap<number, number>;
  /** of the buckets */
  salt: number;
}

/** Rows of a table, summed in buckets and then taken from there. */
function lookup(nodes: LoweredNodes, salt: number, hits: number, a: number, b: number): number {
  const e = nodes.emitter;
  const places = (nodes.at(a) as { value: number }).value;
  const table = nodes.public(b) ?? e.operand(nodes.share(b));
  const { fracBits } = e.type(table) as OpenedType;
  const magnitude = Math.min(e.limit, LOOKUP_BITS - 1 - fracBits);
  const sums = e.emit('bucketSums', [hits, table], {
    buckets: e.type(places).shape[1]!,
    salt,
    magnitude,
  });
  const { bits } = e.share(sums);
  const rows = e.emit('open', [sums], { shift: 0, width: bits, offsetLog: -1, share: 'modular', bits });
  return e.product(places, rows);
}

function isOneHot(nodes: LoweredNodes, i: number): boolean {
  const node = nodes.graph.nodes[i]!;
  return node.op === 'oneHotOf' || (node.op === 'reshape' && isOneHot(nodes, node.in[0]!));
}

/** The rows of a table that one-hot rows name: no larger than its values, so a modulus with room for these will do. */
function rowsOf(nodes: LoweredNodes, a: number, b: number): number {
  const e = nodes.emitter;
  const table = e.operand(nodes.share(b));
  const { fracBits, magnitude, width } = e.opened(table);
  const bits = Math.min(width, Math.max(LOOKUP_BITS, fracBits + magnitude + 1));
  return e.product(e.operand(nodes.share(a), bits), table, false, false, magnitude);
}

/** A node's value where it has been opened for other reasons. */
function openedNode(nodes: LoweredNodes, i: number): number | undefined {
  const n = nodes.at(i);
  return 'value' in n && n.value !== undefined && nodes.emitter.type(n.value).kind === 'opened' ? n.value : undefined;
}

/** Modulo a few bits more, or fewer, scores are opened once: else they would have to be truncated first. */
function widthOfScores(nodes: LoweredNodes, node: GraphNode, { finer, by }: Scores): number | undefined {
  const { scoreBits } = nodes.suite;
  if (!scoreBits || node.in.some((i) => openedNode(nodes, i) !== undefined)) return undefined;
  const e = nodes.emitter;
  const values = node.in.map((i) => nodes.share(i));
  const fracBits = values.map((v) => e.operandBits(v, bitsOfScores(e, v)));
  const needed = scoreBits[by](fracBits.reduce((a, b) => a + b, finer));
  if (needed > 64) return undefined;
  const narrow = e.format.bits < FRAC_BITS || values.every((v) => e.carried.has(v));
  return narrow ? needed : Math.max(PRODUCT_BITS, needed);
}

/** Fractional bits of an operand of scores. */
function bitsOfScores(e: Emitter, v: number): number {
  const { query } = e.format;
  return e.carried.has(v) ? Math.min(ATTENTION_BITS, query) : query;
}

/**
 * A product of matrices.
 * @param of what becomes of it, if it is scores of attention
 */
export function product(
  nodes: LoweredNodes,
  node: GraphNode & { op: 'matMul' },
  { hits: allHits, salt }: Products,
  of?: Scores,
): number {
  const e = nodes.emitter;
  const [a, b] = node.in as [number, number];
  const hits = allHits.get(a);
  if (hits !== undefined) return lookup(nodes, salt, hits, a, b);
  const [pa, pb] = [nodes.public(a), nodes.public(b)];
  if (pb !== undefined) return weighed(e, nodes.share(a), pb, node);
  if (pa !== undefined) return weighed(e, nodes.share(b), pa, { ...node, left: true });
  if (isOneHot(nodes, a) && !node.transposeA && !node.transposeB) return rowsOf(nodes, a, b);
  const left = nodes.at(a);
  if ('soft' in left && left.value === undefined && !node.transposeA)
    return attend(e, left.soft, nodes.share(b), node.transposeB);
  if (node.weighs && e.limit <= MAGNITUDE + 1) {
    const { weight, value } = e.format;
    const bits = weight + value + WEIGHED_BITS;
    const [x, y] = [e.operand(nodes.share(a), bits, weight), e.operand(nodes.share(b), bits, value)];
    return e.product(x, y, node.transposeA, node.transposeB);
  }
  // A result beyond the default range needs wider operands
  const wide = e.limit > MAGNITUDE + 1;
  const scores = wide || of === undefined ? undefined : widthOfScores(nodes, node, of);
  const width = wide ? 64 : (scores ?? e.productBits(nodes.share(a), nodes.share(b), node.shape.at(-1)!));
  const opened = (i: number) => {
    const before = openedNode(nodes, i);
    if (before !== undefined) return before;
    const v = nodes.share(i);
    return e.operand(v, width, scores === undefined ? e.format.bits : bitsOfScores(e, v));
  };
  return e.product(opened(a), opened(b), node.transposeA, node.transposeB);
}
