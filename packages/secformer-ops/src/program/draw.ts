/**
 * What a party draws for an instruction: masks out of the streams that it shares with the dealer, and its share of the
 * corrections, out of such a stream at P0, and from the dealer at P1. It may be drawn before the inputs are there.
 */
import {
  Arena,
  type Kernels,
  Purpose,
  packedBytes,
  type RunStreams,
  SecformerError,
  scratch,
  type Words,
} from '@secformer/ring';
import { type Block, blockBytes, unpackBlock } from '../instruction/blocks.js';
import type { Role } from '../instruction/primitive.js';
import type { CheckedProgram } from './program.js';
import { instructionAt } from './step.js';

/** Where P1 reads its corrections, in the dealer's order; they stay valid until the next call. */
export type MaterialSource = (bytes: number) => Promise<Uint8Array>;

/** What a party draws from. */
export interface DrawFrom {
  kernels: Kernels;
  role: Role;
  checked: CheckedProgram;
  /** streams shared with the dealer */
  streams: RunStreams;
  /** P1 only: P0 derives its shares of the material */
  material?: MaterialSource;
  /** memory that one run after another uses */
  arena?: Arena;
  /** yields to the event loop, and throws if the run was aborted */
  pause?: () => Promise<void>;
}

/** What a party has drawn for an instruction. */
export interface Drawn {
  masks: Words[];
  material: Words[];
}

export function arraysOf({ masks, material }: Drawn): Words[] {
  return [...masks, ...material];
}

/** Randomness of a run that a party holds ahead: instructions as far as the room went, by number. */
export type PreparedParty = Map<number, Drawn>;

/** Discards what was drawn for a run that does not take place. */
export function giveUp(arena: Arena, prepared: PreparedParty | undefined): void {
  for (const drawn of prepared?.values() ?? []) arena.release(arraysOf(drawn));
  prepared?.clear();
}

/** Everything that an instruction takes from streams and from the dealer; its arrays are held for the caller. */
export async function draw(
  { kernels, role, checked, streams, material: source }: DrawFrom,
  arena: Arena,
  index: number,
): Promise<Drawn> {
  const { i, p, ins, out } = instructionAt(checked, index);
  const blocks = p.material?.(ins, i, out) ?? [];
  const drawn = arena.during((): Drawn => {
    const masks = (p.masks?.(ins, i, out) ?? []).map((b, slot) =>
      streams.claim(Purpose.mask, index, slot).words(b.count, b.bits),
    );
    // One array for all, block behind block, so that a kernel takes them as they lie
    const all = scratch(blocks.reduce((n, b) => n + b.count, 0));
    let at = 0;
    const material = blocks.map(({ count }) => {
      at += count;
      return all.subarray(at - count, at);
    });
    if (role === 0)
      for (const [slot, b] of blocks.entries())
        streams.claim(Purpose.correction, index, slot).words(b.count, b.bits, material[slot]!);
    return { masks, material };
  }, arraysOf);
  if (role === 0) return drawn;
  try {
    if (!source && blocks.length > 0) throw new SecformerError('NO_MATERIAL', 'party 1 needs a source of corrections');
    for (const [slot, b] of blocks.entries()) await receive(kernels, drawn.material[slot]!, source!, b);
    return drawn;
  } catch (error) {
    arena.release(arraysOf(drawn));
    throw error;
  }
}

/**
 * Words of a correction that are read at once. A source copies what two frames share; of any width, these begin at a
 * byte.
 */
const PART = 8192;

async function receive(kernels: Kernels, to: Words, source: MaterialSource, b: Block): Promise<void> {
  if (b.plane !== undefined) return unpackBlock(kernels, to, await source(blockBytes(b)), b);
  for (let at = 0; at < b.count; at += PART) {
    const part = to.subarray(at, Math.min(b.count, at + PART));
    kernels.unpack(part, await source(packedBytes(part.length, b.bits)), b.bits);
  }
}

/**
 * A party's part of a run before its inputs are there: draws masks and material.
 * @param room bytes that may be held; the rest is drawn during the run
 */
export async function prepareParty(from: DrawFrom, room: number): Promise<PreparedParty> {
  const prepared: PreparedParty = new Map();
  const arena = from.arena ?? new Arena(0);
  let held = 0;
  try {
    for (const index of from.checked.program.instructions.keys()) {
      if (held > room) break;
      await from.pause?.();
      const drawn = await draw(from, arena, index);
      prepared.set(index, drawn);
      for (const w of arraysOf(drawn)) held += w.byteLength;
    }
    return prepared;
  } catch (error) {
    giveUp(arena, prepared);
    throw error;
  }
}
