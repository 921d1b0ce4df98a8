import { SecformerError } from '@secformer/ring';
import { evaluateNodes } from '@secformer/secformer-ops';
import type { Compiled } from './compile.js';

/** Plaintext of every slot of a compiled read, from what the caller wrote. */
export function plainInputs({ job, sources }: Compiled): Float64Array[] {
  return job.slots.map((slot) => {
    if ('indices' in slot) return Float64Array.from(slot.indices);
    const source = sources.get(slot.tensor);
    if (!source) {
      throw new SecformerError(
        'NOT_PLAIN',
        'a tensor of this graph is known to the nodes alone; use tensors that you wrote and results that were not ' +
          'kept by an earlier read',
      );
    }
    return Float64Array.from(source().values);
  });
}

/** Every node of a compiled read in floating point. */
export function evaluateCompiled(compiled: Compiled): Float64Array[] {
  return evaluateNodes(compiled.job.graph, plainInputs(compiled));
}
