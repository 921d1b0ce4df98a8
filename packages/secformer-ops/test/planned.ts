/** Graphs, planned and run. */
import { decodeFixed, encodeFixed, type Words } from '@secformer/ring';
import {
  checkProgram,
  evaluateGraph,
  type Graph,
  type GraphNode,
  type NodeRanges,
  onesOf,
  plan,
  runTogether,
  type ShareType,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { kernels } from './harness.js';

/** Runs a graph on shares and in floating point; the largest difference. */
export async function difference(
  graph: Graph,
  inputs: Float32Array[],
  suite = 'exact',
  salt?: number,
  ranges?: NodeRanges,
): Promise<number> {
  const states = inputs.map(() => writtenTensor);
  const planned = plan(
    graph,
    suiteOf(suite),
    states,
    graph.outputs.map((_, i) => i),
    [],
    ranges,
    { salt },
  );
  const checked = checkProgram(planned.program);
  const given = planned.bindings.map((b): Words | Int32Array =>
    b.kind === 'oneHot' ? onesOf(b, Int32Array.from(inputs[b.slot]!)) : encodeFixed(kernels, inputs[b.slot]!, 16, 14),
  );
  const run = await runTogether(kernels, checked, given);
  const want = evaluateGraph(
    graph,
    inputs.map((v) => Float64Array.from(v)),
  );
  let worst = 0;
  checked.program.outputs.forEach((v, i) => {
    const t = checked.types[v] as ShareType;
    decodeFixed(kernels, run.reveal(v), t.bits, t.fracBits).forEach((x, j) => {
      worst = Math.max(worst, Math.abs(x - want[i]![j]!));
    });
  });
  return worst;
}

export const nodes = (...list: GraphNode[]) => list;
