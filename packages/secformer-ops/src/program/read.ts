/**
 * A Program's JSON text as values, hostile until shown otherwise. Written by hand because it stops at the first thing
 * that is wrong and looks at nothing longer than its limit; a schema walks all that there is, and makes an error of
 * each part.
 */
import { z } from 'zod';
import { type Instruction, int } from '../instruction/primitive.js';
import { check, ProgramError } from '../instruction/types.js';
import { programLimits } from '../limits.js';

const shape = z.array(int(0, 2 ** 31)).max(8);
const common = { shape, fracBits: int(-64, 80), bits: int(1, 64), magnitude: int(-64, 63) };

/**
 * Where a Program's first values come from: a share, a stored opening (of a tensor that an earlier run opened, modulo
 * 2^width), zeros and ones, one-hot rows mostly, that their owner masks and sends to both parties, or a tensor that
 * both parties have in full, by the digest of its bytes.
 */
const input = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('share'), ...common }),
  z.object({ kind: z.literal('opened'), ...common, width: int(2, 64) }),
  z.object({ kind: z.literal('oneHot'), shape, width: int(2, 64) }),
  z.object({
    kind: z.literal('public'),
    shape,
    fracBits: common.fracBits,
    magnitude: common.magnitude,
    digest: z.string().regex(/^[0-9a-f]{64}$/),
  }),
]);
/** An input of a Program: a share, a stored opening, a masked one-hot matrix, or a public tensor. */
export type ProgramInput = z.infer<typeof input>;

/**
 * A straight-line program on shares. Values are numbered: inputs first, then one for each instruction. Instructions
 * stand in the order of the schedule: round by round, what is local before what opens.
 */
export interface Program {
  version: 1;
  inputs: ProgramInput[];
  constants: { fracBits: number; values: number[] }[];
  instructions: Instruction[];
  /** values revealed to the client, re-shared */
  outputs: number[];
  /** values that stay at the nodes as tensors of the session */
  keeps: number[];
}

type Loose = Record<string, unknown>;

/** Longest list of numbers, and of lists, that an attribute may be; every schema of attributes asks for fewer. */
const ATTRIBUTE_LENGTH = 64;

const [COMMA, COLON, BRACKET, BRACE] = [0x2c, 0x3a, 0x5b, 0x7b];

/**
 * Before anything is made of a text: it has at most as many values as commas and brackets and braces that open, and as
 * many names as colons.
 */
function checkValues(bytes: Uint8Array): void {
  let [commas, lists, objects, names] = [0, 0, 0, 0];
  for (let i = 0; i < bytes.length; i++) {
    const b = bytes[i];
    if (b === COMMA) commas++;
    else if (b === BRACKET) lists++;
    else if (b === BRACE) objects++;
    else if (b === COLON) names++;
  }
  const { instructions, inputs, constantLists } = programLimits;
  const atMost = (count: number, what: string, most: number) =>
    check(count <= most, () => `a program of ${count} ${what}; the limit is ${most}`);
  atMost(objects, 'objects', instructions + inputs + constantLists + 1);
  atMost(lists, 'lists', programLimits.lists);
  atMost(names, 'names', programLimits.names);
  atMost(commas + lists + objects, 'values', programLimits.values);
}

/**
 * @returns the Program as its text has it: all that does not depend on an instruction's kind is checked, attributes are
 * not
 */
export function parseProgram(bytes: Uint8Array): Program {
  check(
    bytes.length <= programLimits.bytes,
    () => `a program of ${bytes.length} bytes; the limit is ${programLimits.bytes}`,
  );
  checkValues(bytes);
  let candidate: unknown;
  try {
    candidate = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ProgramError('the program is not JSON');
  }
  const { version, inputs, constants, instructions, outputs, keeps } = object(candidate, 'the program');
  check(version === 1, () => 'version: only 1 is known');
  const program: Program = {
    version,
    inputs: list(inputs, 'inputs', programLimits.inputs).map(inputOf),
    constants: list(constants, 'constants', programLimits.constantLists).map((c, i) => {
      const { fracBits, values } = object(c, `constants.${i}`);
      return {
        fracBits: integer(fracBits, -64, 80, `constants.${i}.fracBits`),
        values: list(values, `constants.${i}.values`, programLimits.constants) as number[],
      };
    }),
    instructions: list(instructions, 'instructions', programLimits.instructions).map(instructionOf),
    outputs: numbers(outputs, 'outputs', programLimits.outputs),
    keeps: numbers(keeps, 'keeps', programLimits.keeps),
  };
  const count = program.constants.reduce((n, c) => n + c.values.length, 0);
  check(
    count <= programLimits.constants,
    () => `${count} numbers in constants; the limit is ${programLimits.constants}`,
  );
  for (const [i, { values }] of program.constants.entries()) {
    for (const v of values) if (!Number.isFinite(v)) throw new ProgramError(`constants.${i}.values: not only numbers`);
  }
  return program;
}

function object(v: unknown, where: string): Loose {
  check(typeof v === 'object' && v !== null && !Array.isArray(v), () => `${where}: expected an object`);
  return v as Loose;
}

function list(v: unknown, where: string, most: number): unknown[] {
  check(Array.isArray(v), () => `${where}: expected a list`);
  check(v.length <= most, () => `${where}: ${v.length} of them; the limit is ${most}`);
  return v;
}

function integer(v: unknown, low: number, high: number, where: string): number {
  check(
    Number.isInteger(v) && (v as number) >= low && (v as number) <= high,
    () => `${where}: expected a whole number from ${low} to ${high}`,
  );
  return v as number;
}

function numbers(v: unknown, where: string, most: number): number[] {
  const all = list(v, where, most) as number[];
  for (const n of all)
    if (!(Number.isInteger(n) && n >= 0 && n <= 2 ** 31))
      throw new ProgramError(`${where}: expected numbers of values`);
  return all;
}

function inputOf(v: unknown, i: number): ProgramInput {
  const where = `inputs.${i}`;
  list(object(v, where).shape, `${where}.shape`, 8);
  const parsed = input.safeParse(v);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new ProgramError(`${[where, ...issue.path].join('.')}: ${issue.message}`);
}

function instructionOf(v: unknown, i: number): Instruction {
  const where = `instructions.${i}`;
  const instruction = object(v, where);
  const { op, tag } = instruction;
  check(typeof op === 'string' && op.length <= 32, () => `${where}.op: expected a name`);
  check(
    tag === undefined || (typeof tag === 'string' && tag.length <= 64),
    () => `${where}.tag: expected at most 64 characters`,
  );
  numbers(instruction.in, `${where}.in`, programLimits.operands);
  for (const name in instruction) {
    const a = instruction[name];
    if (!Array.isArray(a) || name === 'in') continue;
    list(a, `${where}.${name}`, ATTRIBUTE_LENGTH);
    for (const part of a) if (Array.isArray(part)) list(part, `${where}.${name}`, ATTRIBUTE_LENGTH);
  }
  return instruction as Instruction;
}
