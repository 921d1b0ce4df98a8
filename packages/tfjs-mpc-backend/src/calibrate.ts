import { throwIfAborted } from '@secformer/party-node';
import { type NodeRanges, plan, suiteOf, widen, writtenTensor } from '@secformer/secformer-ops';
import { dispose, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { type Calibration, fingerprints, rangesOf } from './calibration.js';
import type { Compiled } from './compile.js';
import { configuration } from './config.js';
import type { SecretNode } from './node-values.js';
import { evaluateCompiled } from './plaintext.js';
import { compiledFor } from './reads.js';
import { stateOf } from './written-state.js';

/**
 * Runs a model on samples in plaintext, on this machine, and records the range of every operation: the planner then
 * claims those ranges, with a margin of two, instead of the default ±16384, so openings are narrower, and values beyond
 * the default fit.
 * @throws ProgramError where a sample leaves the domain of an operation's protocol, naming both; the signal's reason
 */
export async function calibrated<S>(
  model: (sample: S) => Tensor | Tensor[],
  samples: Iterable<S>,
  suite: string,
  nodeOf: (t: Tensor) => SecretNode,
  { before, signal }: { before?: Calibration | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Calibration> {
  throwIfAborted(signal);
  const calibration: Calibration = { version: 1, ranges: { ...before?.ranges } };
  for (const sample of samples) {
    const made = tidy(() => model(sample));
    const outputs = Array.isArray(made) ? made : [made];
    try {
      for (const t of outputs) {
        const compiled = compiledFor(nodeOf(t), { ...configuration(), suite, calibration: undefined });
        const values = evaluateCompiled(compiled);
        fingerprints(compiled.job.graph).forEach((key, i) => {
          calibration.ranges[key] = widen(calibration.ranges[key], values[i]!);
        });
        verify(compiled, rangesOf(calibration, compiled.job.graph)!);
        // Events come between two of them, a click on 'stop' too
        await new Promise((resolve) => setTimeout(resolve));
        throwIfAborted(signal);
      }
    } finally {
      dispose(outputs);
    }
  }
  return calibration;
}

/** Plans with the ranges, which refuses what no protocol holds. */
function verify({ job, sources }: Compiled, ranges: NodeRanges): void {
  const states = job.slots.map((s) => {
    const write = 'indices' in s ? undefined : sources.get(s.tensor)?.();
    return write ? stateOf(write) : writtenTensor;
  });
  plan(job.graph, suiteOf(job.suite), states, job.revealed, [], ranges);
}
