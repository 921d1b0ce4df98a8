/** In which forms a plan takes the tensors that it reads. */
import type { Plan } from './plan.js';

/** Of a tensor at the nodes: whether it is there as a share, and the widths of its openings that stay. */
export interface Forms {
  share: boolean;
  /** in bits, rising */
  widths: readonly number[];
}

/**
 * Of each slot that a plan takes a share of: whether it computes on that share, and the openings that it makes of it to
 * stay. Who owns the tensor can write these openings in the place of a share that nothing else is done with.
 */
export function formsTaken({ program, bindings, keeps }: Plan): Map<number, Forms> {
  const computed = new Set([...program.outputs, ...program.keeps]);
  for (const i of program.instructions)
    if (i.op !== 'open' || i.share !== 'kept') for (const v of i.in) computed.add(v);
  const forms = new Map<number, Forms>();
  bindings.forEach(({ kind, slot }, v) => {
    if (kind !== 'share') return;
    const widths = keeps.flatMap((k) => (k.kind === 'opened' && k.slot === slot ? [k.width] : []));
    forms.set(slot, { share: computed.has(v), widths: [...new Set(widths)].sort((a, b) => a - b) });
  });
  return forms;
}
