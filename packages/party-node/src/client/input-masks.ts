/** Index inputs as masked one-hot matrices: the positions of the ones, and the masks. */
import { type Kernels, Secret, sizeOf, type Words } from '@secformer/ring';
import { clientMask, maskOneHot, onesOf } from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import type { Planned } from './planner.js';
import type { RunRequest } from './run-request.js';

/** Bytes of the two keys, one for each half of an input's mask. */
export const KEYS_BYTES = 64;

/**
 * The masks of a run's index inputs, in order, expanded from the dealer's keys.
 * @param keys for each input the keys of both halves
 * @throws NodeError BAD_MESSAGE if there are too few keys or too many
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

/** Positions of the ones in every index input. @throws SecformerError INPUT_REFUSED, LOOKUP_UNPLACED */
export function onesOfInputs(request: RunRequest, { plan: { bindings } }: Planned): Int32Array[] {
  return bindings.flatMap((b) =>
    b.kind === 'oneHot' ? [onesOf(b, (request.slots[b.slot] as { indices: Int32Array }).indices)] : [],
  );
}

/** The masked index inputs, packed. Consumes `masks`. */
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
