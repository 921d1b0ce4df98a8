/** Index inputs: where their ones are, and the masks under which they leave this side. */
import { type Kernels, Secret, sizeOf, type Words } from '@secformer/ring';
import { clientMask, maskOneHot, onesOf } from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import type { Planned } from './planner.js';
import type { RunRequest } from './run-request.js';

/** Keys of the two halves of an input's mask. */
export const KEYS_BYTES = 64;

/**
 * The masks of a run's indices, from the keys that the dealer gave for them: those of both halves, one input after
 * another.
 */
export function inputMasks(
  kernels: Kernels,
  { plan: { bindings }, checked: { program } }: Planned,
  keys: Uint8Array,
): Words[] {
  const inputs = bindings.flatMap((b, i) =>
    b.kind === 'oneHot' ? [program.inputs[i] as { shape: number[]; width: number }] : [],
  );
  if (keys.length !== inputs.length * KEYS_BYTES)
    throw new NodeError('dealer', 'BAD_MESSAGE', `sent ${keys.length} bytes of keys for ${inputs.length} inputs`);
  return inputs.map(({ shape, width }, i) => {
    const [a, b] = [0, 1].map(
      (half) =>
        new Secret(
          keys.slice(i * KEYS_BYTES + (half * KEYS_BYTES) / 2, i * KEYS_BYTES + ((half + 1) * KEYS_BYTES) / 2),
        ),
    );
    return clientMask(kernels, sizeOf(shape), width, [a!, b!]);
  });
}

/** Where the ones are of every index input. @throws SecformerError INPUT_REFUSED, LOOKUP_UNPLACED */
export function onesOfInputs(request: RunRequest, { plan: { bindings } }: Planned): Int32Array[] {
  return bindings.flatMap((b) =>
    b.kind === 'oneHot' ? [onesOf(b, (request.slots[b.slot] as { indices: Int32Array }).indices)] : [],
  );
}

/** Indices under their masks, which are used up. */
export function maskInputs(
  kernels: Kernels,
  ones: Int32Array[],
  { plan: { bindings }, checked: { program } }: Planned,
  masks: Words[],
): Uint8Array[] {
  const widths = bindings.flatMap((b, i) =>
    b.kind === 'oneHot' ? [(program.inputs[i] as { width: number }).width] : [],
  );
  return widths.map((width, i) => maskOneHot(kernels, ones[i]!, width, masks[i]!));
}
