/** The interpreter at the dealer: it draws what the parties draw, and sends P1 its share of every correction. */
import {
  Arena,
  type Kernels,
  Purpose,
  type RunStreams,
  SecformerError,
  scratch,
  scratchBytes,
  type Words,
} from '@secformer/ring';
import { type Block, blockBytes, packBlock } from '../instruction/blocks.js';
import type { DealContext, DealerValue } from '../instruction/primitive.js';
import { differing } from './cost.js';
import type { CheckedProgram } from './program.js';
import { arraysOfDealer, instructionAt } from './step.js';

/**
 * Where the dealer writes P1's corrections; the bytes are used again once this has resolved, and never if it rejects.
 */
export type MaterialSink = (bytes: Uint8Array) => Promise<void>;

/** What the dealer needs for a run. */
export interface DealerRun {
  kernels: Kernels;
  checked: CheckedProgram;
  /** masks of stored openings and of one-hot inputs; nothing for shares */
  inputs: DealerValue[];
  /** streams shared with P0 and with P1 */
  streams: readonly [RunStreams, RunStreams];
  emit: MaterialSink;
  /**
   * Where so many bytes of corrections may be written, as if they were emitted now; undefined where there is no such
   * room. They are written before anything more is asked for or emitted.
   */
  room?: (bytes: number) => Promise<Uint8Array | undefined>;
  arena?: Arena;
  /** lets the event loop breathe, and throws if the run was aborted */
  pause?: () => Promise<void>;
}

/**
 * The dealer's run of a Program: draws what the parties will draw, and sends P1 its share of every correction.
 * @returns its values, by number: stored openings that stay. Of the arena it has nothing more, however it ends.
 */
export async function runDealer(run: DealerRun): Promise<DealerValue[]> {
  const { checked, emit } = run;
  const arena = run.arena ?? new Arena(0);
  const { program, dies } = checked;
  const first = program.inputs.length;
  const values: DealerValue[] = [...run.inputs];
  // Packed corrections that are not sent yet
  let packed: Uint8Array[] = [];
  try {
    const differ = differing(checked);
    for (const index of program.instructions.keys()) {
      await run.pause?.();
      const { i, p, ins, out } = instructionAt(checked, index);
      const blocks = p.material?.(ins, i, out) ?? [];
      const bytes = blocks.reduce((sum, b) => sum + blockBytes(b), 0);
      const room = bytes > 0 ? await run.room?.(bytes) : undefined;
      const dealt = dealInstruction(run, arena, index, values, differ.has(first + index), blocks, room);
      values[first + index] = dealt.value;
      packed = dealt.packed;
      while (packed.length > 0) {
        const bytes = packed[0]!;
        await emit(bytes);
        packed.shift();
        arena.release([bytes]);
      }
      for (const v of dies[index]!) {
        if (v >= first) arena.release(arraysOfDealer(values[v]!));
        delete values[v];
      }
    }
    return values;
  } catch (error) {
    // The first may yet be read by the link that failed to send it
    arena.disown(packed.slice(0, 1));
    arena.release(packed.slice(1));
    throw error;
  } finally {
    for (const v of values.slice(first)) if (v) arena.release(arraysOfDealer(v));
  }
}

/**
 * The dealer's value of an instruction's result, and the corrections as they are sent; all their arrays are held for
 * the caller.
 * @param blocks of the corrections
 * @param room for them, one behind the other: what is written there is not returned
 */
function dealInstruction(
  run: DealerRun,
  arena: Arena,
  index: number,
  values: readonly DealerValue[],
  differs: boolean,
  blocks: readonly Block[],
  room: Uint8Array | undefined,
): { value: DealerValue; packed: Uint8Array[] } {
  const { kernels, checked, streams } = run;
  const { i, p, ins, out } = instructionAt(checked, index);
  const maskKey = (slot: number) => streams[0].key(Purpose.mask, index, slot);
  return arena.during(
    () => {
      const differences: Words[] = [];
      const masks = (p.masks?.(ins, i, out) ?? []).map((b, slot) => {
        const [mine, other] = streams.map((s) => s.claim(Purpose.mask, index, slot).words(b.count, b.bits)) as [
          Words,
          Words,
        ];
        if (differs) {
          const difference = scratch(b.count);
          kernels.sub(difference, other, mine);
          differences.push(difference);
        }
        if (b.xor) kernels.xor(mine, mine, other);
        else kernels.add(mine, mine, other);
        return mine;
      });
      const context: DealContext<unknown> = {
        kernels,
        a: i,
        types: ins,
        out,
        ins: i.in.map((v) => values[v]!),
        masks,
        differences,
        maskKey,
      };
      const { value, material = [] } = p.deal?.(context) ?? { value: {} };
      if (material.length !== blocks.length)
        throw new SecformerError(
          'PROTOCOL_DRIFT',
          `${i.op} declares ${blocks.length} corrections and deals ${material.length}`,
        );
      let at = 0;
      const packed = blocks.map((b, slot) => {
        const words = material[slot]!;
        if (words.length !== b.count)
          throw new SecformerError(
            'PROTOCOL_DRIFT',
            `${i.op} declares ${b.count} words of correction ${slot} and deals ${words.length}`,
          );
        const theirs = streams[0].claim(Purpose.correction, index, slot);
        const length = blockBytes(b);
        const bytes = room?.subarray(at, at + length) ?? scratchBytes(length);
        at += length;
        if (b.xor) {
          const noise = theirs.words(b.count, b.bits);
          kernels.xor(noise, words, noise);
          packBlock(kernels, bytes, noise, b);
        } else {
          theirs.subtractFrom(words, b.bits, bytes);
        }
        return bytes;
      });
      return { value, packed: room ? [] : packed };
    },
    ({ value, packed }) => [...arraysOfDealer(value), ...packed],
  );
}
