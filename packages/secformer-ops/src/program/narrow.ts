import type { Instruction } from '../instruction/primitive.js';
import { check, describe, type ValueType } from '../instruction/types.js';
import { inferInstruction, type Program, primitiveOf } from './program.js';

/**
 * The same Program with every share right modulo no more than what its users read. Instructions are written as if a
 * share were to serve anybody, modulo 2^64;
 * what goes into a matrix product modulo 2^48, say, needs 48 bits, and the dealer's corrections are as wide as the
 * shares. P0's share of one is a stream as wide, so P1's is as uniform as before.
 * @param before the types of the Program's values
 */
export function narrowed(program: Program, before: readonly ValueType[]): Program {
  const first = program.inputs.length;
  const needed = new Uint8Array(before.length);
  for (const v of [...program.outputs, ...program.keeps]) needed[v] = bitsOf(before[v]!);
  const instructions = [...program.instructions];
  for (let index = instructions.length - 1; index >= 0; index--) {
    const i = instructions[index]!;
    const p = primitiveOf(i);
    const ins = i.in.map((v) => before[v]!);
    const out = before[first + index]!;
    const bits = Math.min(bitsOf(out), Math.max(needed[first + index]!, leastBits(out)));
    if (bits < bitsOf(out))
      instructions[index] = { ...i, ...(p.narrow?.(bits, ins, i as never) as Partial<Instruction> | undefined) };
    const needs = p.needs?.(bits, ins, i as never) ?? ins.map(bitsOf);
    i.in.forEach((v, at) => {
      needed[v] = Math.max(needed[v]!, Math.min(needs[at]!, bitsOf(ins[at]!)));
    });
  }
  const after = before.slice(0, first);
  instructions.forEach((i, index) => {
    const t = inferInstruction(i, after);
    check(
      bitsOf(t) >= needed[first + index]!,
      () => `${i.op} narrowed to ${describe(t)}, ${needed[first + index]} bits are read`,
    );
    after.push(t);
  });
  return { ...program, instructions };
}

/** The modulus of a value's share, 0 where there is none. */
function bitsOf(t: ValueType): number {
  return t.kind === 'share' || t.kind === 'opened' ? t.bits : 0;
}

/** What the claimed range takes. */
function leastBits(t: ValueType): number {
  return t.kind === 'share' || t.kind === 'opened' ? Math.max(1, t.magnitude + t.fracBits + 1) : 0;
}
