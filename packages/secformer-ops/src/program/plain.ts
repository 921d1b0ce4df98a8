import type { PlainContext, Primitive } from '../instruction/primitive.js';
import { type CheckedProgram, primitiveOf } from './program.js';

/** The real function behind an instruction, of plain operands; undefined where it means nothing without its mask. */
export function plainOf(checked: CheckedProgram, index: number, ins: Float64Array[]): Float64Array | undefined {
  const { program, types } = checked;
  const i = program.instructions[index]!;
  const p = primitiveOf(i) as unknown as Primitive<unknown>;
  const context: PlainContext<unknown> = {
    a: i,
    types: i.in.map((v) => types[v]!),
    out: types[program.inputs.length + index]!,
    ins,
    constants: program.constants.map((c) => c.values),
  };
  return p.plain(context);
}

/**
 * Runs a Program in floating point: what its shares stand for, without masks, rounding or ranges.
 * @param inputs reals of each input; of a one-hot input the matrix itself
 * @returns values by number, as the other interpreters do; only outputs and keeps are left
 */
export function runPlain(checked: CheckedProgram, inputs: readonly Float64Array[]): Float64Array[] {
  const { program, dies } = checked;
  const values: Float64Array[] = [...inputs];
  const first = program.inputs.length;
  program.instructions.forEach((i, index) => {
    const out = plainOf(
      checked,
      index,
      i.in.map((v) => values[v]!),
    );
    // A borrow depends on the mask; who uses it knows the answer without it
    values[first + index] = out ?? new Float64Array(0);
    for (const v of dies[index]!) delete values[v];
  });
  return values;
}
