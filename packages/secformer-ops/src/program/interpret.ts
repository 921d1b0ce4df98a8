/** The interpreters: one for a party, one for the dealer, driven by the same declarations of the same primitives. */
import {
  Arena,
  encodeConstant,
  type Kernels,
  Purpose,
  packedBytes,
  type RunStreams,
  SecformerError,
  scratch,
  scratchBytes,
  type Words,
  zeros,
} from '@secformer/ring';
import { type Block, blockBytes, packBlock, unpackBlock } from './blocks.js';
import { differing } from './cost.js';
import type { DealContext, DealerValue, PartyContext, PartyValue, Primitive, Role } from './primitive.js';
import { type CheckedProgram, primitiveOf, tagOf } from './program.js';

type AnyPrimitive = Primitive<unknown>;

/**
 * Where a party's link to the other one is asked to carry a round. `mine` is used again once this has resolved, and
 * never if it rejects, for then it may still be on its way out; what it resolves to goes back to the arena if it came
 * from there.
 */
export type Exchange = (round: number, mine: Uint8Array, expected: number) => Promise<Uint8Array>;
/** Where P1 reads its corrections, in the dealer's order; they stay valid until the next call. */
export type MaterialSource = (bytes: number) => Promise<Uint8Array>;
/**
 * Where the dealer writes P1's corrections; the bytes are used again once this has resolved, and never if it rejects.
 */
export type MaterialSink = (bytes: Uint8Array) => Promise<void>;

/**
 * What one logical operation took at this node. Times are local work; waiting for the other side is `waitMs` of the
 * run.
 */
export interface OperationCost {
  op: string;
  ms: number;
  /** sent by this party */
  bytes: number;
  rounds: number;
}

/** A stretch of a party's time: one operation's work of a round, or waiting for the other party. */
export interface TraceEvent {
  name: string;
  /** milliseconds since 1970, with fractions */
  start: number;
  ms: number;
  round: number;
  /** sent by this party in the round, for waits */
  bytes?: number;
}

export interface RunTrace {
  perOp: Map<string, OperationCost>;
  waitMs: number;
  bytesSent: number;
  rounds: number;
  /** kept if present */
  events?: TraceEvent[];
}

/** @param events whether every stretch of time is kept too */
export function newTrace(events = false): RunTrace {
  return { perOp: new Map(), waitMs: 0, bytesSent: 0, rounds: 0, ...(events && { events: [] }) };
}

/** Adds a stretch that ends now; what continues the last one makes it longer. */
function note({ events }: RunTrace, name: string, ms: number, round: number, bytes?: number): void {
  if (!events) return;
  const start = performance.timeOrigin + performance.now() - ms;
  const last = events.at(-1);
  if (last && last.name === name && last.round === round && bytes === undefined) last.ms = start + ms - last.start;
  else events.push({ name, start, ms, round, ...(bytes !== undefined && { bytes }) });
}

function costOf(trace: RunTrace, op: string): OperationCost {
  let c = trace.perOp.get(op);
  if (!c) {
    c = { op, ms: 0, bytes: 0, rounds: 0 };
    trace.perOp.set(op, c);
  }
  return c;
}

/** Counts the work on an operation since `start`. */
function worked(trace: RunTrace, tag: string, start: number, round: number): OperationCost {
  const ms = performance.now() - start;
  const cost = costOf(trace, tag);
  cost.ms += ms;
  note(trace, tag, ms, round);
  return cost;
}

export interface PartyRun {
  kernels: Kernels;
  role: Role;
  checked: CheckedProgram;
  inputs: PartyValue[];
  /** streams shared with the dealer */
  streams: RunStreams;
  exchange: Exchange;
  /** P1 only: P0 derives its shares of the material */
  material?: MaterialSource;
  /** what was drawn ahead */
  prepared?: PreparedParty;
  /** memory that one run after another uses */
  arena?: Arena;
  /** lets the event loop breathe, and throws if the run was aborted */
  pause?: () => Promise<void>;
  trace?: RunTrace;
  /** sees every value as it is made: for runs of all roles in one process only */
  observe?: (value: number, v: PartyValue) => void;
}

/** What a party has drawn for an instruction. */
interface Drawn {
  masks: Words[];
  material: Words[];
}

function arraysOf({ masks, material }: Drawn): Words[] {
  return [...masks, ...material];
}

// What is stored is of no arena

function arraysOfDealer(v: DealerValue): (Words | undefined)[] {
  return v.stored ? [] : [v.r, v.difference, v.total, v.beta];
}

function arraysOfValue(v: PartyValue): (Words | undefined)[] {
  return v.stored ? [] : [v.share, v.m, v.half, v.wrapSet, v.wrapClear, v.planes];
}

/** Randomness of a run that a party holds ahead: instructions as far as the room went, by number. */
export type PreparedParty = Map<number, Drawn>;

/** Lets go of what was drawn for a run that will not come. */
export function giveUp(arena: Arena, prepared: PreparedParty | undefined): void {
  for (const drawn of prepared?.values() ?? []) arena.release(arraysOf(drawn));
  prepared?.clear();
}

/** An instruction, what it is, and the types of its operands and its result. */
function instructionAt({ program, types }: CheckedProgram, index: number) {
  const i = program.instructions[index]!;
  const p = primitiveOf(i) as unknown as AnyPrimitive;
  return { i, p, ins: i.in.map((v) => types[v]!), out: types[program.inputs.length + index]! };
}

/** Everything that an instruction takes from streams and from the dealer; its arrays are held for the caller. */
async function draw(
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

type DrawFrom = Pick<PartyRun, 'kernels' | 'role' | 'checked' | 'streams' | 'material' | 'pause' | 'arena'>;

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

interface Step {
  p: AnyPrimitive;
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
    // Inputs are of whoever runs the Program
    for (const v of borrowed.values.slice(first)) if (v) arena.release(arraysOfValue(v));
    for (const drawn of borrowed.drawn) arena.release(arraysOf(drawn));
    arena.release(borrowed.frames);
    giveUp(arena, run.prepared);
    throw error;
  }
}

/**
 * Gives what stays for later runs arrays of its own: those of the arena may be larger than what is in them, and go back
 * there.
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
 * The other party's frame. One that an exchange failed to send may yet be read by the link: nothing else may ever stand
 * there.
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
  // What pads a plane stays zero
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

export interface DealerRun {
  kernels: Kernels;
  checked: CheckedProgram;
  /** masks of stored openings and of one-hot inputs; nothing for shares */
  inputs: DealerValue[];
  /** streams shared with P0 and with P1 */
  streams: readonly [RunStreams, RunStreams];
  emit: MaterialSink;
  arena?: Arena;
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
      const dealt = dealInstruction(run, arena, index, values, differ.has(first + index));
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
 */
function dealInstruction(
  run: DealerRun,
  arena: Arena,
  index: number,
  values: readonly DealerValue[],
  differs: boolean,
): { value: DealerValue; packed: Uint8Array[] } {
  const { kernels, checked, streams } = run;
  const { i, p, ins, out } = instructionAt(checked, index);
  const blocks = p.material?.(ins, i, out) ?? [];
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
      const packed = blocks.map((b, slot) => {
        const words = material[slot]!;
        if (words.length !== b.count)
          throw new SecformerError(
            'PROTOCOL_DRIFT',
            `${i.op} declares ${b.count} words of correction ${slot} and deals ${words.length}`,
          );
        const theirs = streams[0].claim(Purpose.correction, index, slot);
        const bytes = scratchBytes(blockBytes(b));
        if (b.xor) {
          const noise = theirs.words(b.count, b.bits);
          kernels.xor(noise, words, noise);
          packBlock(kernels, bytes, noise, b);
        } else {
          theirs.subtractFrom(words, b.bits, bytes);
        }
        return bytes;
      });
      return { value, packed };
    },
    ({ value, packed }) => [...arraysOfDealer(value), ...packed],
  );
}

/**
 * Re-shares an output under a stream that P0 and P1 alone know: P0 adds it, P1 subtracts it. Without it the dealer and
 * the client together could undo masks.
 */
export function reshareOutput(
  kernels: Kernels,
  role: Role,
  share: Words,
  bits: number,
  pairStreams: RunStreams,
  output: number,
): Uint8Array {
  const noise = pairStreams.claim(Purpose.output, output, 0).words(share.length, bits);
  if (role === 0) kernels.add(noise, share, noise);
  else kernels.sub(noise, share, noise);
  const bytes = new Uint8Array(packedBytes(share.length, bits));
  kernels.pack(bytes, noise, bits);
  return bytes;
}

/** The client's end of `reshareOutput`: words of the value modulo 2^bits. */
export function combineOutput(
  kernels: Kernels,
  fromP0: Uint8Array,
  fromP1: Uint8Array,
  count: number,
  bits: number,
): Words {
  const [a, b] = [zeros(count), zeros(count)];
  kernels.unpack(a, fromP0, bits);
  kernels.unpack(b, fromP1, bits);
  kernels.add(a, a, b);
  kernels.affine(a, a, 1n, 0n, bits);
  return a;
}
