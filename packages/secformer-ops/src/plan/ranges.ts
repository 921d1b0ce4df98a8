import { elementwiseOf } from '../compose/elementwise.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import { ProgramError } from '../instruction/types.js';
import type { Suite } from '../suites/suite.js';
import { smallOperand } from './small.js';

/** Least and largest value of every node of a graph over some samples, null where none is known. */
export type NodeRanges = readonly (readonly [number, number] | null)[];

/** Claimed ranges leave room for inputs that no sample showed: twice what was seen. */
const MARGIN = 2;

/** log2 of the bound that is claimed for a node. */
export function claimedMagnitude([low, high]: readonly [number, number]): number {
  const top = Math.max(Math.abs(low), Math.abs(high)) * MARGIN;
  return top === 0 ? -8 : Math.max(-8, Math.ceil(Math.log2(top)));
}

/** The range of some values, joined with one seen before. */
export function widen(seen: readonly [number, number] | undefined, values: Float64Array): [number, number] {
  let [low, high] = seen ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of values) {
    // Written so that NaN is not overlooked
    if (!(v >= low)) low = v;
    if (!(v <= high)) high = v;
  }
  return [low, high];
}

interface Domain {
  /** which operand */
  operand: number;
  low: number;
  high: number;
}

const ATTENTION = { operand: 0, low: -1023, high: 1023 };
const WINDOW = { operand: 0, low: -2032, high: 2032 };

/**
 * Where an operation's protocol holds, for those that have less than the default range; what a sample shows beyond it
 * would be silently wrong.
 */
function domainOf(op: string, suite: Suite): Domain | undefined {
  if (op === 'softmax') return suite.quadratic ? { operand: 0, low: -2000, high: 2000 } : ATTENTION;
  if (op === 'logSoftmax') return ATTENTION;
  if (op === 'quad') return { operand: 0, low: -2000, high: 2000 };
  if (op === 'gelu')
    return suite.ranges?.gelu ? { operand: 0, low: suite.ranges.gelu[0], high: suite.ranges.gelu[1] } : WINDOW;
  const protocol = elementwiseOf(suite, op);
  // A divisor is looked at apart; what has the default range as its domain is claimed as wide as it was seen
  if (!protocol || op === 'reciprocal' || protocol.domain[0] <= -16384) return undefined;
  return { operand: 0, low: protocol.domain[0], high: protocol.domain[1] };
}

/** The range of 2Quad's scores with their bias, if there is one. */
export function scoresOf({ in: [scores, , bias] }: GraphNode, ranges: NodeRanges): readonly [number, number] | null {
  const [s, b] = [ranges[scores!]!, bias === undefined ? ([0, 0] as const) : ranges[bias]!];
  return s && b && [s[0] + b[0], s[1] + b[1]];
}

/** Smallest size of a divisor whose reciprocal is right. */
const LEAST_DIVISOR = 2 ** -12;

/**
 * Refuses ranges that an operation's protocol does not hold.
 * @throws ProgramError naming the operation, what was seen and what it holds
 */
export function checkDomains({ nodes }: Graph, suite: Suite, ranges: NodeRanges): void {
  nodes.forEach((node, i) => {
    const refuse = (what: string, [low, high]: readonly [number, number], holds: string): never => {
      const seen = `${what} reaches from ${low.toPrecision(4)} to ${high.toPrecision(4)}`;
      const remedy = 'scale it, clip it, or choose another suite';
      throw new ProgramError(`node ${i} (${node.op}): ${seen}, suite '${suite.name}' holds ${holds}; ${remedy}`);
    };
    const own = ranges[i];
    if (own && !own.every(Number.isFinite)) refuse('the result', own, 'finite numbers');
    const divides = node.op === 'div' || node.op === 'reciprocal';
    // Small values have a protocol of their own
    if (smallOperand({ nodes, outputs: [] }, divides ? 'reciprocal' : node.op, node.in.at(-1) ?? 0)) return;
    const domain = domainOf(node.op, suite);
    const seen = domain && (node.op === 'quad' ? scoresOf(node, ranges) : ranges[node.in[domain.operand]!]);
    if (domain && seen && !(seen[0] >= domain.low && seen[1] <= domain.high))
      refuse('its input', seen, `${domain.low} to ${domain.high}`);
    const divisor =
      node.op === 'div' ? ranges[node.in[1]!] : node.op === 'reciprocal' ? ranges[node.in[0]!] : undefined;
    if (divisor && divisor[0] < LEAST_DIVISOR && divisor[1] > -LEAST_DIVISOR)
      refuse('its divisor', divisor, `sizes from ${LEAST_DIVISOR}`);
  });
}
