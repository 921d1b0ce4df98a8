import { EncodingError } from '@secformer/ring';
import { MAGNITUDE } from '../compose/formats.js';
import { boundsOf } from '../graph/bounds.js';
import { type Graph, type GraphNode, parametersOf } from '../graph/graph.js';

/** log2 of the largest number that shares hold: 63 bits less 16 fractional ones, with one to add. */
const LARGEST = 46;
/** log2 of the smallest factor: times the largest value of the default range it is still 2^−30. */
const SMALLEST = -44;
/** log2 of the factors and terms that no input of a function with a domain of its own is meant to have. */
const UNMEANT = 12;

/** Functions that hold less than the default range, and the input that they hold. */
export const NARROW: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['softmax', 'logSoftmax'].map((op) => [op, '−1023 to 1023'])),
  ...Object.fromEntries(['gelu', 'erf', 'tanh', 'sigmoid', 'silu', 'softplus'].map((op) => [op, '−2032 to 2032'])),
};

/** Parameters that may lie beyond every value: bounds and thresholds. */
const BOUNDS = new Set(['low', 'high', 'than', 'to']);

const shown = (v: number) => (Number.isFinite(v) ? String(Number(v.toPrecision(4))) : String(v)).replace('-', '−');

function refuse(op: string, what: string): never {
  throw new EncodingError(`${op}: ${what}`);
}

/**
 * Refuses public numbers that would make every answer wrong: what is not finite or larger than shares hold, factors
 * that leave nothing, and what takes the input of a function with a domain of its own far out of it, as a mask of −1e9
 * does that was not written beside a softmax.
 * @param measured ranges are known, which say more about an input than its factors
 * @param kept places in the graph's outputs that stay at the nodes for other graphs
 * @throws EncodingError naming the operation, the number, and what to do
 */
export function checkConstants({ nodes, outputs }: Graph, measured: boolean, kept: readonly number[] = []): void {
  nodes.forEach((node) => {
    for (const [name, v] of Object.entries(parametersOf(node))) {
      if (Number.isNaN(v) || !(BOUNDS.has(name) || Math.abs(v) < 2 ** LARGEST))
        refuse(node.op, `${shown(v)} as its ${name}, which is no number that shares hold`);
    }
    node.in.forEach((x, at) => {
      const operand = nodes[x]!;
      if (operand.op === 'constant') checkValues(node, operand.values, at);
    });
    if (!measured && NARROW[node.op]) checkInput(nodes, node, node.in[0]!);
  });
  if (measured) return;
  const terms = largeTerms({ nodes, outputs });
  for (const i of kept) {
    const term = terms[outputs[i]!];
    if (term !== undefined)
      refuse(
        nodes[outputs[i]!]!.op,
        `${shown(term)} among its public numbers, in a value that stays at the nodes; ${RANGE}`,
      );
  }
}

const RANGE = `it computes with values below 2^${MAGNITUDE}. Scale the values, or let calibrate() see what they are`;

/**
 * Of each node a public number beyond the range that it has for a value: it is a view of one, or a bit times one. Read,
 * it is there. In a sum it would leave no room for the other side, and everything else would take it modulo twice the
 * range.
 * @throws EncodingError where something takes it
 */
function largeTerms(graph: Graph): (number | undefined)[] {
  const { nodes } = graph;
  const bounds = boundsOf(graph);
  const terms: (number | undefined)[] = [];
  const large = (v: number) => !(Math.abs(v) < 2 ** MAGNITUDE);
  nodes.forEach((node, i) => {
    const constant = (x: number) => nodes[x]!.op === 'constant';
    const scaled = (node.op === 'mul' && node.in.some(constant)) || (node.op === 'div' && constant(node.in[1]!));
    let term = scaled ? bounds[i]?.find(large) : undefined;
    for (const x of node.in) {
      const operand = nodes[x]!;
      if (operand.op !== 'constant') term ??= terms[x];
      else if (TERMS.has(node.op) || CARRIES.has(node.op)) term ??= operand.values.find(large);
    }
    if (term !== undefined && !scaled && !CARRIES.has(node.op))
      refuse(node.op, `its input has ${shown(term)}, and ${RANGE}`);
    terms.push(term);
  });
  return terms;
}

/** Operations to which a public number is a term. */
const TERMS = new Set(['add', 'sub', 'concat']);
/** Operations that hand on what the ring holds. */
const CARRIES = new Set(['neg', 'reshape', 'transpose', 'slice', 'view', 'pick', 'broadcast', 'sum', 'cumSum']);

function checkValues({ op, in: { length } }: GraphNode, values: readonly number[], at: number): void {
  const wrong = values.find((v) => !(Math.abs(v) < 2 ** LARGEST));
  if (wrong !== undefined) {
    const why = `${shown(wrong)} among its public numbers; shares hold finite numbers below 2^${LARGEST}`;
    refuse(
      op,
      `${why}. Use one in range, or clip it (a pooling window of nothing but padding makes −Infinity and 0/0 too)`,
    );
  }
  const divides = op === 'div' && at === 1;
  if (!divides && !(op === 'mul' && length === 2)) return;
  const factor = values.find((v) => (divides && v === 0) || (v !== 0 && !inFactors(divides ? 1 / v : v)));
  if (factor === undefined) return;
  const factors = `shares are multiplied by numbers from 2^${SMALLEST} to 2^${LARGEST}`;
  refuse(op, `${divides ? 'a division by' : 'a factor of'} ${shown(factor)}; ${factors}, so scale in smaller steps`);
}

const inFactors = (v: number) => Math.abs(v) >= 2 ** SMALLEST && Math.abs(v) < 2 ** LARGEST;

/** Looks for a public factor or term, through what is linear. */
function checkInput(nodes: readonly GraphNode[], of: GraphNode, at: number): void {
  const seen = new Set<number>();
  const open = [at];
  for (let i = open.pop(); i !== undefined; i = open.pop()) {
    const node = nodes[i]!;
    if (seen.has(i) || !LINEAR.has(node.op)) continue;
    seen.add(i);
    const inverse = node.op === 'div' ? -1 : 1;
    for (const [place, x] of node.in.entries()) {
      const operand = nodes[x]!;
      if (operand.op !== 'constant') {
        if (node.op !== 'div' || place === 0) open.push(x);
        continue;
      }
      const large = operand.values.find((v) => Math.abs(v) ** inverse >= 2 ** UNMEANT);
      if (large === undefined || (node.op === 'div' && place === 0)) continue;
      const how =
        node.op === 'add' || node.op === 'sub' ? 'has' : node.op === 'mul' ? 'is multiplied by' : 'is divided by';
      const remedy = 'Scale or clip its input, or let calibrate() see what it is';
      refuse(of.op, `its input ${how} ${shown(large)}, and it holds ${NARROW[of.op]}. ${remedy}`);
    }
  }
}

const LINEAR = new Set(['add', 'sub', 'mul', 'div', 'neg', 'reshape', 'transpose', 'slice', 'view', 'broadcast']);
