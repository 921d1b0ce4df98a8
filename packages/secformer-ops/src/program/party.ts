/** The interpreter at a party: its run of a Program, round by round. */
import {
  Arena,
  encodeConstant,
  type Kernels,
  Purpose,
  SecformerError,
  scratch,
  type Words,
  zeros,
} from '@secformer/ring';
import { type Block, blockBytes, packBlock, unpackBlock } from '../instruction/blocks.js';
import type { PartyContext, PartyValue, Primitive } from '../instruction/primitive.js';
import { arraysOf, type DrawFrom, type Drawn, draw, giveUp, type PreparedParty } from './draw.js';
import { type CheckedProgram, tagOf } from './program.js';
import { arraysOfValue, instructionAt } from './step.js';
import { newTrace, note, type RunTrace, worked } from './trace.js';

/**
 * Where a party's link to the other one is asked to carry a round. `mine` is used again once this has resolved, and
 * never if it rejects, for then it may still be on its way out; what it resolves to goes back to the arena if it came
 * from there.
 */
export type Exchange = (round: number, mine: Uint8Array, expected: number) => Promise<Uint8Array>;

/** What a party needs for a run. */
export interface PartyRun extends DrawFrom {
  inputs: PartyValue[];
  exchange: Exchange;
  /** what was drawn ahead */
  prepared?: PreparedParty;
  trace?: RunTrace;
  /** sees every value as it is made: for runs of all roles in one process only */
  observe?: (value: number, v: PartyValue) => void;
}

interface Step {
  p: Primitive<unknown>;
  c: PartyContext<unknown>;
  opens: Block | undefined;
  drawn: Drawn;
  tag: string;
}

/** What a run of a party has of its arena at a moment; an aborted run gives it all back. */
interface Borrowed {
  values: PartyValue[];
  drawn: Set<Drawn>;
  frames: Uint8Array[];
}

/**
 * A party's run of a Program. However it ends, of the arena it then has no more than what it returns.
 * @returns its values, by number; only keeps are left, which have arrays of their own, and outputs, whose arrays the
 * caller releases (`releaseOutputs`)
 */
export async function runParty(run: PartyRun): Promise<PartyValue[]> {
  const arena = run.arena ?? new Arena(0);
  const first = run.checked.program.inputs.length;
  const borrowed: Borrowed = { values: [...run.inputs], drawn: new Set(), frames: [] };
  try {
    await partySteps(run, arena, borrowed);
    keepValues(run.checked, arena, borrowed.values);
    return borrowed.values;
  } catch (error) {
    // Inputs belong to whoever runs the Program
    for (const v of borrowed.values.slice(first)) if (v) arena.release(arraysOfValue(v));
    for (const drawn of borrowed.drawn) arena.release(arraysOf(drawn));
    arena.release(borrowed.frames);
    giveUp(arena, run.prepared);
    throw error;
  }
}

/**
 * Gives values that stay for later runs arrays of their own: those of the arena may be larger than what is in them, and
 * go back there.
 */
function keepValues({ program }: CheckedProgram, arena: Arena, values: PartyValue[]): void {
  for (const v of new Set(program.keeps)) {
    const { share } = values[v]!;
    if (v < program.inputs.length || !share || values[v]!.stored) continue;
    const own = new BigUint64Array(share);
    arena.release([share]);
    values[v] = { share: own };
  }
}

async function partySteps(run: PartyRun, arena: Arena, borrowed: Borrowed): Promise<void> {
  const { kernels, role, checked, exchange } = run;
  const { program, rounds, dies } = checked;
  const { values } = borrowed;
  const trace = run.trace ?? newTrace();
  const first = program.inputs.length;
  const constants = encodeConstants(checked);
  const nothing = zeros(0);

  const stepOf = async (index: number): Promise<Step> => {
    const { i, p, ins, out } = instructionAt(checked, index);
    const drawn = run.prepared?.get(index) ?? (await draw(run, arena, index));
    run.prepared?.delete(index);
    borrowed.drawn.add(drawn);
    const { masks, material } = drawn;
    const maskKey = (slot: number) => run.streams.key(Purpose.mask, index, slot);
    const c: PartyContext<unknown> = {
      kernels,
      role,
      a: i,
      types: ins,
      out,
      ins: i.in.map((v) => values[v]!),
      masks,
      opened: nothing,
      material,
      maskKey,
      constants,
    };
    return { p, c, opens: p.opens?.(ins, i, out), drawn, tag: tagOf(i) };
  };
  const finish = (index: number, { p, drawn }: Step, context: () => PartyContext<unknown>) => {
    const value = arena.during(() => p.finish(context()), arraysOfValue);
    values[first + index] = value;
    run.observe?.(first + index, value);
    borrowed.drawn.delete(drawn);
    arena.release(arraysOf(drawn));
    for (const v of dies[index]!) {
      if (v >= first) arena.release(arraysOfValue(values[v]!));
      delete values[v];
    }
  };

  for (const [number, round] of rounds.entries()) {
    for (const index of round.local) {
      await run.pause?.();
      const step = await stepOf(index);
      const start = performance.now();
      finish(index, step, () => step.c);
      worked(trace, step.tag, start, number);
    }
    if (round.openings.length === 0) continue;
    const frame = arena.borrow(round.bytes);
    borrowed.frames = [frame];
    const pending: { index: number; step: Step; at: number }[] = [];
    let at = 0;
    const tags = new Set<string>();
    for (const index of round.openings) {
      await run.pause?.();
      const step = await stepOf(index);
      const start = performance.now();
      const { p, c, tag } = step;
      const block = step.opens!;
      const length = blockBytes(block);
      arena.during(
        () => {
          const [bytes, mine] = [frame.subarray(at, at + length), p.begin!(c)];
          if ('mask' in mine) kernels.packOpening(bytes, mine.share, mine.mask, mine.how);
          else packBlock(kernels, bytes, mine, block);
        },
        () => [],
      );
      pending.push({ index, step, at });
      at += length;
      const cost = worked(trace, tag, start, number);
      cost.bytes += length;
      if (!tags.has(tag)) cost.rounds++;
      tags.add(tag);
    }
    const start = performance.now();
    const theirs = await sent(arena, borrowed, () => exchange(number, frame, round.bytes));
    const waited = performance.now() - start;
    trace.waitMs += waited;
    note(trace, 'wait', waited, number, round.bytes);
    trace.bytesSent += round.bytes;
    trace.rounds++;
    if (theirs.length !== round.bytes)
      throw new SecformerError(
        'BAD_FRAME',
        `round ${number}: ${theirs.length} bytes came, the schedule says ${round.bytes}`,
      );
    for (const { index, step, at } of pending) {
      const start = performance.now();
      finish(index, step, () => ({ ...step.c, opened: combine(kernels, step.opens!, frame, theirs, at) }));
      worked(trace, step.tag, start, number);
    }
    arena.release(borrowed.frames.splice(0));
  }
}

/**
 * The other party's frame. If the exchange fails, the link may still read this party's frame, so nothing may ever be
 * written there again.
 */
async function sent(arena: Arena, { frames }: Borrowed, exchange: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    const theirs = await exchange();
    frames.push(theirs);
    return theirs;
  } catch (error) {
    arena.disown(frames.splice(0));
    throw error;
  }
}

/**
 * Gives a run's outputs back to the arena that it had its arrays from, except for what it keeps. A value that is
 * revealed twice is held once.
 */
export function releaseOutputs(arena: Arena, { program }: CheckedProgram, values: readonly PartyValue[]): void {
  for (const v of new Set(program.outputs)) if (v >= program.inputs.length) arena.release(arraysOfValue(values[v]!));
}

/** The sum (or xor) of both parties' openings, at their place in the round's frames. */
function combine(kernels: Kernels, block: Block, mine: Uint8Array, theirs: Uint8Array, at: number): Words {
  const length = blockBytes(block);
  const [a, b] = [mine.subarray(at, at + length), theirs.subarray(at, at + length)];
  if (!block.xor) {
    const opened = scratch(block.count);
    kernels.unpackSum(opened, a, b, block.bits);
    return opened;
  }
  // Padding of a plane stays zero
  const [opened, other] = [zeros(block.count), zeros(block.count)];
  unpackBlock(kernels, opened, a, block);
  unpackBlock(kernels, other, b, block);
  kernels.xor(opened, opened, other);
  return opened;
}

function encodeConstants({ program }: CheckedProgram): Words[] {
  return program.constants.map(({ fracBits, values }) =>
    BigUint64Array.from(values, (v) => encodeConstant(v, fracBits)),
  );
}
