/** The planner: from a graph to a Program, with where its inputs come from and which of its results stay. */
import { Watch } from '../compose/domain.js';
import { Emitter } from '../compose/emitter.js';
import { checkGraph, type Graph } from '../graph/graph.js';
import { needed } from '../graph/needed.js';
import { FRAC_BITS, OPERAND_FORMATS } from '../graph/operand-format.js';
import { check } from '../instruction/types.js';
import { ProgramBuilder } from '../program/builder.js';
import type { Program } from '../program/program.js';
import type { Suite } from '../suites/suite.js';
import { checkConstants } from './constants.js';
import { type Binding, type InputState, Inputs } from './inputs.js';
import { Lowering } from './lowering.js';
import { checkDomains, type NodeRanges } from './ranges.js';
import { digests, type Watched } from './watched.js';

/** A Program, and where its inputs come from. */
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

/** What a plan depends on beside its graph. */
export interface PlanOptions {
  /** of lookups in buckets: drawn at random before any index is known, where others choose what is looked up */
  salt?: number;
  /** whether operations tell where their values leave the domain of their protocol */
  watched?: boolean;
  /**
   * fractional bits that revealed values leave with at most: what is below would tell of the weights, to whoever asks
   * often
   */
  revealBits?: number;
}

/**
 * From a graph to a Program: which protocol, which scale and modulus, where truncations go, and the schedule. Pure and
 * deterministic.
 * @param revealed indices into graph.outputs that the client reads
 * @param kept indices into graph.outputs that stay at the nodes
 * @param ranges what calibration has seen of every node; without it values are taken to stay below 2^14
 */
export function plan(
  graph: Graph,
  suite: Suite,
  states: readonly InputState[],
  revealed: readonly number[],
  kept: readonly number[] = [],
  ranges?: NodeRanges,
  { salt = 0, watched = false, revealBits }: PlanOptions = {},
): Plan {
  checkGraph(graph);
  const { operandBits = FRAC_BITS } = graph;
  check(
    operandBits === FRAC_BITS || suite.takesFewerBits === true,
    () => `operands of ${operandBits} bits under suite '${suite.name}', which has its own`,
  );
  checkConstants(graph, ranges !== undefined, kept);
  check(
    ranges === undefined || ranges.length === graph.nodes.length,
    () => `${ranges?.length} ranges for a graph of ${graph.nodes.length} nodes`,
  );
  if (ranges) checkDomains(graph, suite, ranges);
  const less = needed(graph);
  const seen = ranges && less.origin.map((i) => ranges[i]!);
  const builder = new ProgramBuilder();
  const emitter = new Emitter(builder);
  emitter.format = OPERAND_FORMATS[operandBits];
  emitter.watch = watched ? new Watch() : undefined;
  const inputs = new Inputs(emitter, less.graph, states, seen, salt);
  const lowering = new Lowering(emitter, less.graph, suite, inputs, seen, salt);
  const outputs = less.graph.outputs.map((o) => lowering.share(o));
  const keeps: Plan['keeps'] = kept.map((output) => ({ kind: 'output', output }));
  const keptValues = kept.map((i) => outputs[i]!);
  for (const [v, widths] of emitter.fresh) {
    for (const [width, opened] of widths) {
      keeps.push({ kind: 'opened', slot: inputs.slots.get(v)!, width });
      keptValues.push(opened);
    }
  }
  const watching = digests(emitter, less.graph, less.origin);
  const shown = revealed.map((i) => coarse(emitter, outputs[i]!, revealBits));
  return {
    program: builder.build([...shown, ...watching.map((d) => d.value)], keptValues),
    bindings: inputs.bindings,
    keeps,
    checks: watching.map((d) => d.check),
  };
}

/** A share with so many fractional bits at most: each party drops the others of its own, which costs nothing. */
function coarse(e: Emitter, v: number, fracBits = Number.POSITIVE_INFINITY): number {
  const shift = e.share(v).fracBits - fracBits;
  return shift > 0 ? e.emit('drop', [v], { shift }) : v;
}

/**
 * A plan without the inputs that nothing of its Program uses, such as shares of weights that are there as openings.
 */
export function withoutUnusedInputs({ program, bindings, ...rest }: Plan): Plan {
  const { inputs, instructions, outputs, keeps } = program;
  const used = new Set([...outputs, ...keeps, ...instructions.flatMap((i) => i.in)]);
  const left = inputs.flatMap((_, i) => (used.has(i) ? [i] : []));
  const renamed = new Map(left.map((from, to) => [from, to]));
  const name = (v: number) => (v < inputs.length ? renamed.get(v)! : v - inputs.length + left.length);
  return {
    ...rest,
    bindings: left.map((i) => bindings[i]!),
    program: {
      ...program,
      inputs: left.map((i) => inputs[i]!),
      instructions: instructions.map((i) => ({ ...i, in: i.in.map(name) })),
      outputs: outputs.map(name),
      keeps: keeps.map(name),
    },
  };
}
