import { type Calibration, rangesOf } from './calibration.js';
import { Compiler, newTensor } from './compiler.js';
import { factorsOf } from './factors.js';
import type { SecretNode } from './node-values.js';
import { peeled } from './peel.js';
import type { RunJob, Write } from './runtime/messages.js';

/**
 * What a read turns into: a job for the session, what it may have to share first, and which recorded nodes stay at the
 * nodes.
 */
export interface Compiled {
  job: RunJob;
  /** how to share each tensor that the caller wrote */
  sources: Map<number, () => Write>;
  kept: { node: SecretNode; tensor: number }[];
  /** tensors that products of matrices take as they are */
  factors: ReadonlySet<number>;
  /** what the caller's process makes of the run's first output, if it is not what was asked for */
  finish: ((values: Float32Array) => Float32Array) | undefined;
  /** recorded nodes whose tensors the run takes, which have to stay there until it is over */
  needs: ReadonlySet<SecretNode>;
}

/**
 * Compiles the reading of one node: its ancestors up to what the nodes or the caller have.
 * @param fold whether the caller's process computes what it knows by itself, before the nodes and after them
 */
export function compile(target: SecretNode, suite: string, calibration?: Calibration, fold = true): Compiled {
  const { pending, uses } = usesOf([target]);
  const compiler = new Compiler(suite, uses, fold);
  const { core, finish } = fold ? peeled(target, suite) : { core: target, finish: undefined };
  const outputs = [compiler.whole(core)];
  const kept: Compiled['kept'] = [];
  for (const n of staying(pending, uses, target, compiler)) {
    outputs.push(compiler.emitted(n)!);
    kept.push({ node: n, tensor: newTensor() });
  }
  const graph = compiler.graph(outputs);
  const job: RunJob = {
    graph,
    slots: compiler.slots,
    revealed: [0],
    kept: kept.map(({ tensor }, i) => ({ output: i + 1, tensor })),
    suite,
  };
  const ranges = rangesOf(calibration, graph);
  if (ranges) job.ranges = ranges;
  return { job, sources: compiler.sources, factors: factorsOf(job), kept, needs: compiler.needs, finish };
}

/** What has to be computed for some values, and how many of these nodes take each node. */
export function usesOf(targets: readonly SecretNode[]): { pending: Set<SecretNode>; uses: Map<SecretNode, number> } {
  const pending = new Set<SecretNode>();
  const uses = new Map<SecretNode, number>();
  const left = [...targets];
  for (let n = left.pop(); n; n = left.pop()) {
    if (pending.has(n) || n.values || n.tensor !== undefined) continue;
    pending.add(n);
    for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
    for (let i = n.inputs.length - 1; i >= 0; i--) left.push(n.inputs[i]!);
  }
  return { pending, uses };
}

/**
 * What stays at the nodes, so that nothing is computed twice: values that a live handle or a node outside this read
 * still refers to. One that was not computed as such, for a rewrite has swallowed it, leaves behind what it is made of.
 */
function staying(
  pending: ReadonlySet<SecretNode>,
  uses: ReadonlyMap<SecretNode, number>,
  target: SecretNode,
  compiler: Compiler,
): Set<SecretNode> {
  const kept = new Set<SecretNode>();
  const left = [...pending].filter((n) => n.users > (uses.get(n) ?? 0)).reverse();
  const seen = new Set(left);
  for (let n = left.pop(); n; n = left.pop()) {
    if (n === target || n.own || !pending.has(n)) continue;
    if (compiler.emitted(n) !== undefined) {
      kept.add(n);
      continue;
    }
    for (const i of n.inputs) {
      if (seen.has(i)) continue;
      seen.add(i);
      left.push(i);
    }
  }
  return kept;
}
