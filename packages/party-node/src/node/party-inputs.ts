/** What a party's run of a Program begins with. */
import { type Kernels, packedBytes, type RunStreams, sizeOf, type Words } from '@secformer/ring';
import { type CheckedProgram, oneHotMask, openOneHot, type PartyValue } from '@secformer/secformer-ops';
import type { Given, NodeRun } from './run.js';
import { sharedValue } from './run-input.js';

/** This party's masks of one-hot inputs, by input. */
export function inputMasks({ program }: CheckedProgram, streams: RunStreams): Map<number, Words> {
  const masks = new Map<number, Words>();
  program.inputs.forEach((input, i) => {
    if (input.kind === 'oneHot') masks.set(i, oneHotMask(sizeOf(input.shape), input.width, streams, i));
  });
  return masks;
}

/**
 * The inputs' values: what the client has masked is opened, what is stored is read on use.
 * @param room words for what is opened
 */
export function inputsOf(
  kernels: Kernels,
  run: NodeRun,
  { payload, shares }: Given,
  masks: Map<number, Words>,
  room: Map<number, Words>,
): PartyValue[] {
  let [at, share] = [0, 0];
  return run.inputs.map((b, i) => {
    if (b.kind === 'oneHot') {
      const { shape, width } = run.checked.program.inputs[i] as { shape: number[]; width: number };
      const packed = payload.subarray(at, at + packedBytes(sizeOf(shape), width));
      at += packed.length;
      return openOneHot(kernels, packed, width, masks.get(i)!, room.get(i)!);
    }
    if (b.kind === 'share') return sharedValue(run.session.tensor(shares[share++]!).share!);
    if (b.kind === 'public') return { known: run.public(i) };
    if (b.kind === 'weight') return run.model!.value(b.tensor);
    return run.opening(b).atParty();
  });
}
