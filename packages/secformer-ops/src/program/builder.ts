import type { Instruction } from '../instruction/primitive.js';
import type { ValueType } from '../instruction/types.js';
import { narrowed } from './narrow.js';
import { inferInstruction, inputType, type Program, type ProgramInput, primitiveOf } from './program.js';

/**
 * Writes a Program: `emit` appends an instruction (an equal one is reused, so one opening serves all its users),
 * `build` drops what nothing needs and puts the rest in the order of the schedule.
 */
export class ProgramBuilder {
  readonly types: ValueType[] = [];
  readonly #inputs: ProgramInput[] = [];
  readonly #constants: Program['constants'] = [];
  /** by value id; inputs have none */
  readonly #instructions: (Instruction | undefined)[] = [];
  readonly #known = new Map<string, number>();
  readonly #inputIds: number[] = [];
  /** name of the logical operation that instructions emitted now belong to */
  tag = '';
  /** values of instructions emitted now may leave their claimed range where an exact zero multiplies them later */
  guarded = false;

  /** Declares an input. @returns its value number */
  input(i: ProgramInput): number {
    this.#inputs.push(i);
    this.#instructions.push(undefined);
    this.#inputIds.push(this.types.length);
    return this.types.push(inputType(i)) - 1;
  }

  /** Public reals that instructions name. @returns the constant's number, the same for equal ones */
  constant(values: number[], fracBits: number): number {
    const key = `constant ${fracBits} ${values}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.#constants.push({ fracBits, values }) - 1;
    this.#known.set(key, id);
    return id;
  }

  /**
   * Appends an instruction, or finds an equal one.
   * @returns its value number
   * @throws ProgramError where there is no such instruction, or the operands do not fit
   */
  emit(op: string, ins: number[], attributes: Record<string, unknown> = {}): number {
    const key = `${op} ${ins} ${JSON.stringify(attributes)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const instruction: Instruction = {
      op,
      in: ins,
      ...attributes,
      ...(this.tag && { tag: this.tag }),
      ...(this.guarded && { guarded: true }),
    };
    this.types.push(inferInstruction(instruction, this.types));
    const id = this.#instructions.push(instruction) - 1;
    this.#known.set(key, id);
    return id;
  }

  /** @returns the Program in scheduled order, its shares as narrow as their use allows */
  build(outputs: number[], keeps: number[] = []): Program {
    const needed = new Uint8Array(this.types.length);
    for (const v of [...outputs, ...keeps]) needed[v] = 1;
    for (let v = this.types.length - 1; v >= 0; v--)
      if (needed[v]) for (const i of this.#instructions[v]?.in ?? []) needed[i] = 1;
    // Round of each value as soon as possible; sort by (round, local first, written order)
    const level = new Int32Array(this.types.length);
    const order: { v: number; at: number; opens: boolean }[] = [];
    this.#instructions.forEach((i, v) => {
      if (!i || !needed[v]) return;
      const at = Math.max(0, ...i.in.map((x) => level[x] as number));
      const opens = primitiveOf(i).opens !== undefined;
      level[v] = at + (opens ? 1 : 0);
      order.push({ v, at, opens });
    });
    order.sort((a, b) => a.at - b.at || Number(a.opens) - Number(b.opens) || a.v - b.v);
    const renamed = new Map<number, number>();
    this.#inputIds.forEach((v, i) => {
      renamed.set(v, i);
    });
    order.forEach(({ v }, i) => {
      renamed.set(v, this.#inputs.length + i);
    });
    const instructions = order.map(({ v }) => {
      const i = this.#instructions[v]!;
      return { ...i, in: i.in.map((x) => renamed.get(x)!) };
    });
    const rename = (v: number) => renamed.get(v)!;
    const program: Program = {
      version: 1,
      inputs: this.#inputs,
      constants: this.#constants,
      instructions,
      outputs: outputs.map(rename),
      keeps: keeps.map(rename),
    };
    return narrowed(
      program,
      [...this.#inputIds, ...order.map(({ v }) => v)].map((v) => this.types[v]!),
    );
  }
}
