import { sha256 } from '@noble/hashes/sha2.js';
import { blockBytes } from '../instruction/blocks.js';
import type { Instruction, Primitive } from '../instruction/primitive.js';
import { check, describe, inInstruction, publicType, shareType, sizeOf, type ValueType } from '../instruction/types.js';
import { programLimits } from '../limits.js';
import { primitives } from '../protocols/index.js';
import { costOf, type ProgramCost } from './cost.js';
import { type Program, type ProgramInput, parseProgram } from './read.js';
import type { Round, Schedule } from './schedule.js';

export type { Program, ProgramInput, Round };

/** A Program that every node has checked for itself, with what the checker found out. */
export interface CheckedProgram extends Schedule {
  hash: Uint8Array;
  cost: ProgramCost;
}

/** What an instruction is an instance of. @throws ProgramError where there is no such instruction */
export function primitiveOf(i: Instruction): Primitive<never> {
  const p = primitives.get(i.op);
  check(p !== undefined, () => `there is no instruction '${i.op}'`);
  return p;
}

/** The type that an input has in a Program. @throws ProgramError where its modulus does not hold it */
export function inputType(i: ProgramInput): ValueType {
  if (i.kind === 'oneHot') {
    // 0 or 1, modulo 2^width
    return {
      kind: 'opened',
      shape: i.shape,
      fracBits: 0,
      width: i.width,
      offsetLog: -1,
      modular: true,
      bits: i.width,
      magnitude: 1,
    };
  }
  if (i.kind === 'public') return publicType(i.shape, i.fracBits, i.magnitude);
  const { shape, fracBits, bits, magnitude } = i;
  const share = shareType(shape, fracBits, bits, magnitude);
  if (i.kind === 'share') return share;
  check(i.width <= bits, () => `an opening of ${i.width} bits of a share modulo 2^${bits}`);
  return { kind: 'opened', shape, fracBits, width: i.width, offsetLog: -1, modular: true, bits: i.width, magnitude };
}

/** An instruction's attributes as its primitive knows them, and nothing else. */
function attributesOf(p: Primitive<never>, i: Instruction): Record<string, unknown> {
  const parsed = p.attributes.safeParse(i);
  check(
    parsed.success,
    () => `${i.op}: ${parsed.error?.issues.map((e) => `${e.path.join('.')}: ${e.message}`).join('; ')}`,
  );
  return parsed.data as Record<string, unknown>;
}

function inferType(p: Primitive<never>, ins: ValueType[], a: Record<string, unknown>): ValueType {
  const out = p.infer(ins, a as never);
  const elements = sizeOf(out.shape);
  check(
    elements <= programLimits.elements,
    () => `${p.name} makes ${elements} elements, the limit is ${programLimits.elements}`,
  );
  if ('planes' in out)
    check(
      out.planes <= programLimits.planes,
      () => `${p.name} makes ${out.planes} planes, the limit is ${programLimits.planes}`,
    );
  return out;
}

/** Infers the type of an instruction's result. Shared by the checker and the scheduler. */
export function inferInstruction(i: Instruction, types: readonly ValueType[]): ValueType {
  const p = primitiveOf(i);
  return inferType(
    p,
    i.in.map((v) => types[v]!),
    attributesOf(p, i),
  );
}

/** What a constant holds, looked at once however many instructions use it. */
class Constants {
  readonly #of: Program['constants'];
  readonly #wholes = new Map<number, { low: number; high: number } | undefined>();

  constructor(constants: Program['constants']) {
    this.#of = constants;
  }

  check(i: Instruction, ins: readonly ValueType[]): void {
    if (typeof i.constant !== 'number') return;
    const c = this.#of[i.constant];
    const wants = Array.isArray(i.shape) ? sizeOf(i.shape as number[]) : -1;
    check(
      c !== undefined && c.values.length === wants,
      () => `constant ${i.constant} has ${c?.values.length} numbers, the instruction wants ${wants}`,
    );
    const given = i.op === 'constant' ? i.fracBits : i.constantBits;
    check(
      c.fracBits === given,
      () => `constant ${i.constant} has ${c.fracBits} fractional bits, the instruction says ${given}`,
    );
    if (i.op !== 'pick') return;
    const range = this.#whole(i.constant);
    const n = sizeOf(ins[0]!.shape);
    check(range !== undefined && range.low >= -1 && range.high < n, () => `picks beyond the ${n} elements there are`);
  }

  /** The range of a constant of whole numbers; undefined where some are not. */
  #whole(constant: number): { low: number; high: number } | undefined {
    if (this.#wholes.has(constant)) return this.#wholes.get(constant);
    let [low, high] = [0, -1];
    let whole = true;
    for (const v of this.#of[constant]!.values) {
      whole &&= Number.isInteger(v);
      if (v < low) low = v;
      if (v > high) high = v;
    }
    const range = whole ? { low, high } : undefined;
    this.#wholes.set(constant, range);
    return range;
  }
}

/**
 * Checks a Program as hostile: shape of the JSON, every operand, range and modulus, the schedule's order, and what it
 * costs.
 * @throws ProgramError naming the instruction
 */
export function checkProgram(candidate: unknown): CheckedProgram {
  return readProgram(new TextEncoder().encode(JSON.stringify(candidate)));
}

/** A Program from the bytes of its JSON text; the hash that nodes compare is of these bytes. */
export function readProgram(bytes: Uint8Array): CheckedProgram {
  const program = parseProgram(bytes);
  const { instructions } = program;
  const types: ValueType[] = program.inputs.map(inputType);
  for (const t of types)
    check(
      sizeOf(t.shape) <= programLimits.elements,
      () => `an input of ${sizeOf(t.shape)} elements, the limit is ${programLimits.elements}`,
    );
  const first = types.length;
  const constants = new Constants(program.constants);
  const level: number[] = types.map(() => 0);
  const rounds: Round[] = [];
  const lastUse = new Map<number, number>();
  const opened = new Map<number, number>();
  const tags = new Set<string>();
  instructions.forEach((read, index) => {
    try {
      for (const v of read.in) {
        check(v < first + index, () => `operand ${v} is not computed yet`);
        lastUse.set(v, index);
      }
      const p = primitiveOf(read);
      const ins = read.in.map((v) => types[v]!);
      const a = attributesOf(p, read);
      const out = inferType(p, ins, a);
      // What runs is what was checked: attributes that the primitive does not know are gone
      const i: Instruction = {
        ...a,
        op: read.op,
        in: read.in,
        ...(read.tag !== undefined && { tag: read.tag }),
        ...(read.guarded === true && { guarded: true }),
      };
      instructions[index] = i;
      constants.check(i, ins);
      tags.add(tagOf(i));
      check(tags.size <= programLimits.tags, () => `more than ${programLimits.tags} names of operations`);
      let at = 0;
      for (const v of i.in) at = Math.max(at, level[v]!);
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
      types.push(out);
    } catch (error) {
      throw inInstruction(error, read, index);
    }
  });
  for (const v of [...program.outputs, ...program.keeps]) check(v < types.length, () => `output ${v} does not exist`);
  for (const v of program.outputs)
    check(types[v]!.kind === 'share', () => `output ${v} is ${describe(types[v]!)}; only shares are revealed`);
  for (const v of program.keeps) {
    const t = types[v]!;
    check(
      t.kind === 'share' || (t.kind === 'opened' && t.stays === true),
      () => `value ${v} (${describe(t)}) cannot be kept`,
    );
  }
  const kept = new Set([...program.outputs, ...program.keeps]);
  const dies: number[][] = instructions.map(() => []);
  // What nobody uses is dead at once
  for (let v = first; v < types.length; v++) if (!lastUse.has(v)) lastUse.set(v, v - first);
  for (const [v, index] of lastUse) if (!kept.has(v)) dies[index]!.push(v);
  const parts = rounds.flatMap((r) => inParts(r, (index) => opened.get(index)!));
  const unpriced = { program, types, rounds: parts, dies };
  return { ...unpriced, hash: sha256(bytes), cost: costOf(unpriced) };
}

/** The name that an instruction's costs are counted under. */
export const tagOf = ({ op, tag }: Instruction): string => (tag ? String(tag) : op);

/** A round cut where its frame would pass the limit: what is opened in one part is gone from memory before the next. */
function inParts({ local, openings, bytes }: Round, bytesOf: (index: number) => number): Round[] {
  const parts: Round[] = [{ local, openings: [], bytes: 0 }];
  if (bytes <= programLimits.roundBytes) return [{ local, openings, bytes }];
  for (const index of openings) {
    const last = parts.at(-1)!;
    if (last.openings.length > 0 && last.bytes + bytesOf(index) > programLimits.roundBytes)
      parts.push({ local: [], openings: [], bytes: 0 });
    const to = parts.at(-1)!;
    to.openings.push(index);
    to.bytes += bytesOf(index);
  }
  return parts;
}
