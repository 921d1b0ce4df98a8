import { sha256 } from '@noble/hashes/sha2.js';
import { z } from 'zod';
import { programLimits } from '../limits.js';
import { primitives } from '../protocols/index.js';
import { blockBytes } from './blocks.js';
import { type Instruction, int, type Primitive } from './primitive.js';
import { check, describe, ProgramError, shareType, sizeOf, type ValueType } from './types.js';

const shape = z.array(int(0, 2 ** 31)).max(8);
const common = { shape, fracBits: int(-64, 80), bits: int(1, 64), magnitude: int(-64, 63) };

/**
 * Where a Program's first values come from: a share, a stored opening (of a tensor that an earlier run opened, modulo 2^width), or
 * zeros and ones, one-hot rows mostly, that their owner masks and sends to both parties.
 */
const input = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('share'), ...common }),
  z.object({ kind: z.literal('opened'), ...common, width: int(2, 64) }),
  z.object({ kind: z.literal('oneHot'), shape, width: int(2, 64) }),
]);
export type ProgramInput = z.infer<typeof input>;

const schema = z.object({
  version: z.literal(1),
  inputs: z.array(input).max(programLimits.inputs),
  constants: z.array(z.object({ fracBits: int(-64, 80), values: z.array(z.number().finite()) })).max(65536),
  instructions: z.array(z.looseObject({ op: z.string().max(32), in: z.array(int(0, 2 ** 31)).max(4096), tag: z.string().max(64).optional() })).max(programLimits.instructions),
  /** values revealed to the client, re-shared */
  outputs: z.array(int(0, 2 ** 31)),
  /** values that stay at the nodes as tensors of the session */
  keeps: z.array(int(0, 2 ** 31)),
});

/**
 * A straight-line program on shares. Values are numbered: inputs first, then one for each instruction. Instructions stand in the order of
 * the schedule: round by round, what is local before what opens.
 */
export interface Program {
  version: 1;
  inputs: ProgramInput[];
  constants: { fracBits: number; values: number[] }[];
  instructions: Instruction[];
  outputs: number[];
  keeps: number[];
}

/** One round: local instructions, then the openings that share its frame. */
export interface Round {
  local: number[];
  openings: number[];
  /** exact length of the frame that each party sends; 0 in a last round without openings */
  bytes: number;
}

/** A Program that every node has checked for itself, with what the checker found out. */
export interface CheckedProgram {
  program: Program;
  hash: Uint8Array;
  types: ValueType[];
  rounds: Round[];
  /** for each instruction the values that nobody needs after it */
  dies: number[][];
  cost: { rounds: number; online: number; dealer: number };
}

export function primitiveOf(i: Instruction): Primitive<never> {
  const p = primitives.get(i.op);
  check(p !== undefined, () => `there is no instruction '${i.op}'`);
  return p;
}

export function inputType(i: ProgramInput): ValueType {
  if (i.kind === 'oneHot') {
    // 0 or 1, modulo 2^width
    return { kind: 'opened', shape: i.shape, fracBits: 0, width: i.width, offsetLog: -1, modular: true, bits: i.width, magnitude: 1 };
  }
  const { shape, fracBits, bits, magnitude } = i;
  const share = shareType(shape, fracBits, bits, magnitude);
  if (i.kind === 'share') return share;
  check(i.width <= bits, () => `an opening of ${i.width} bits of a share modulo 2^${bits}`);
  return { kind: 'opened', shape, fracBits, width: i.width, offsetLog: -1, modular: true, bits: i.width, magnitude };
}

/** Infers every value's type and round. Shared by the checker and the scheduler. */
export function inferInstruction(i: Instruction, types: readonly ValueType[]): ValueType {
  const p = primitiveOf(i);
  const attributes = p.attributes.safeParse(i);
  check(attributes.success, () => `${i.op}: ${attributes.error?.issues.map((e) => `${e.path.join('.')}: ${e.message}`).join('; ')}`);
  const out = p.infer(
    i.in.map((v) => types[v]!),
    attributes.data as never,
  );
  check(sizeOf(out.shape) <= programLimits.elements, () => `${i.op} makes ${sizeOf(out.shape)} elements, the limit is ${programLimits.elements}`);
  return out;
}

/**
 * Checks a Program as hostile: shape of the JSON, every operand, range and modulus, the schedule's order, and what it costs.
 * @throws ProgramError naming the instruction
 */
export function checkProgram(candidate: unknown): CheckedProgram {
  return readProgram(new TextEncoder().encode(JSON.stringify(candidate)));
}

/** A Program from the bytes of its JSON text; the hash that nodes compare is of these bytes. */
export function readProgram(bytes: Uint8Array): CheckedProgram {
  check(bytes.length <= programLimits.bytes, () => `a program of ${bytes.length} bytes; the limit is ${programLimits.bytes}`);
  let candidate: unknown;
  try {
    candidate = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ProgramError('the program is not JSON');
  }
  const parsed = schema.safeParse(candidate);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new ProgramError(`${issue.path.join('.') || 'program'}: ${issue.message}`);
  }
  const program = parsed.data as unknown as Program;
  check(program.constants.reduce((n, c) => n + c.values.length, 0) <= programLimits.constants, () => `more than ${programLimits.constants} numbers in constants`);
  const types: ValueType[] = program.inputs.map(inputType);
  for (const t of types) check(sizeOf(t.shape) <= programLimits.elements, () => `an input of ${sizeOf(t.shape)} elements, the limit is ${programLimits.elements}`);
  const first = types.length;
  const level: number[] = types.map(() => 0);
  const rounds: Round[] = [];
  const lastUse = new Map<number, number>();
  const opened = new Map<number, number>();
  let dealer = 0;
  program.instructions.forEach((i, index) => {
    try {
      for (const v of i.in) {
        check(v < first + index, () => `operand ${v} is not computed yet`);
        lastUse.set(v, index);
      }
      const out = inferInstruction(i, types);
      const p = primitiveOf(i);
      const ins = i.in.map((v) => types[v]!);
      if ('constant' in i && typeof i.constant === 'number') {
        const c = program.constants[i.constant];
        const wants = Array.isArray(i.shape) ? sizeOf(i.shape as number[]) : -1;
        check(c !== undefined && c.values.length === wants, () => `constant ${i.constant} has ${c?.values.length} numbers, the instruction wants ${wants}`);
        const given = i.op === 'constant' ? i.fracBits : i.constantBits;
        if (i.op === 'pick')
          check(
            c.values.every((v) => Number.isInteger(v) && v >= -1 && v < sizeOf(ins[0]!.shape)),
            () => `picks beyond the ${sizeOf(ins[0]!.shape)} elements there are`,
          );
        check(c.fracBits === given, () => `constant ${i.constant} has ${c.fracBits} fractional bits, the instruction says ${given}`);
      }
      const at = Math.max(0, ...i.in.map((v) => level[v]!));
      while (rounds.length <= at) rounds.push({ local: [], openings: [], bytes: 0 });
      check(at === rounds.length - 1, () => `an instruction of round ${at} after one of round ${rounds.length - 1}`);
      const round = rounds[at]!;
      const opens = p.opens?.(ins, i as never, out);
      if (opens) {
        round.openings.push(index);
        round.bytes += blockBytes(opens);
        opened.set(index, blockBytes(opens));
        level.push(at + 1);
      } else {
        check(round.openings.length === 0, () => 'a local instruction after an opening of the same round');
        round.local.push(index);
        level.push(at);
      }
      for (const b of p.material?.(ins, i as never, out) ?? []) dealer += blockBytes(b);
      types.push(out);
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      throw new ProgramError(`instruction ${index} (${i.op}${i.tag ? ` of ${i.tag}` : ''}): ${error.message}`);
    }
  });
  for (const v of [...program.outputs, ...program.keeps]) check(v < types.length, () => `output ${v} does not exist`);
  for (const v of program.outputs) check(types[v]!.kind === 'share', () => `output ${v} is ${describe(types[v]!)}; only shares are revealed`);
  for (const v of program.keeps) {
    const t = types[v]!;
    check(t.kind === 'share' || program.instructions[v - first]?.share === 'kept', () => `value ${v} (${describe(t)}) cannot be kept`);
  }
  const kept = new Set([...program.outputs, ...program.keeps]);
  const dies: number[][] = program.instructions.map(() => []);
  // What nobody uses is dead at once
  for (let v = first; v < types.length; v++) if (!lastUse.has(v)) lastUse.set(v, v - first);
  for (const [v, index] of lastUse) if (!kept.has(v)) dies[index]!.push(v);
  const parts = rounds.flatMap((r) => inParts(r, (index) => opened.get(index)!));
  const openRounds = parts.filter((r) => r.openings.length > 0);
  const cost = { rounds: openRounds.length, online: openRounds.reduce((s, r) => s + r.bytes, 0), dealer };
  return { program, hash: sha256(bytes), types, rounds: parts, dies, cost };
}

/** A round cut where its frame would pass the limit: what is opened in one part is gone from memory before the next. */
function inParts({ local, openings, bytes }: Round, bytesOf: (index: number) => number): Round[] {
  const parts: Round[] = [{ local, openings: [], bytes: 0 }];
  if (bytes <= programLimits.roundBytes) return [{ local, openings, bytes }];
  for (const index of openings) {
    const last = parts.at(-1)!;
    if (last.openings.length > 0 && last.bytes + bytesOf(index) > programLimits.roundBytes) parts.push({ local: [], openings: [], bytes: 0 });
    const to = parts.at(-1)!;
    to.openings.push(index);
    to.bytes += bytesOf(index);
  }
  return parts;
}
