/** Index inputs as masked one-hot matrices: the positions of the ones, and the masks. */
import { type Kernels, Secret, sizeOf, type Words } from '@secformer/ring';
import { clientMask, maskOneHot, onesOf } from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import type { OneHotInput } from './runnable.js';

/** Bytes of the two keys, one for each half of an input's mask. */
export const KEYS_BYTES = 64;

/**
 * The masks of a run's index inputs, in order, expanded from the dealer's keys.
 * @param keys for each input the keys of both halves
 * @throws NodeError BAD_MESSAGE if there are too few keys or too many
 */
export function inputMasks(kernels: Kernels, inputs: readonly OneHotInput[], keys: Uint8Array): Words[] {
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

/**
 * Positions of the ones in every index input.
 * @param indices by the slot of an input's binding
 * @throws SecformerError INPUT_REFUSED, LOOKUP_UNPLACED
 */
export function onesOfInputs(inputs: readonly OneHotInput[], indices: (slot: number) => Int32Array): Int32Array[] {
  return inputs.map(({ binding }) => onesOf(binding, indices(binding.slot)));
}

/** The masked index inputs, packed. Consumes `masks`. */
export function maskInputs(
  kernels: Kernels,
  ones: Int32Array[],
  inputs: readonly OneHotInput[],
  masks: Words[],
): Uint8Array[] {
  return inputs.map(({ width }, i) => maskOneHot(kernels, ones[i]!, width, masks[i]!));
}
