/** What a party's step and the dealer's have in common: the instruction with its types, and the arrays of a value. */
import type { Words } from '@secformer/ring';
import type { DealerValue, PartyValue, Primitive } from '../instruction/primitive.js';
import { type CheckedProgram, primitiveOf } from './program.js';

/** An instruction, what it is, and the types of its operands and its result. */
export function instructionAt({ program, types }: CheckedProgram, index: number) {
  const i = program.instructions[index]!;
  const p = primitiveOf(i) as unknown as Primitive<unknown>;
  return { i, p, ins: i.in.map((v) => types[v]!), out: types[program.inputs.length + index]! };
}

// Arrays that an arena holds; a stored tensor and a public one belong to none

export function arraysOfDealer(v: DealerValue): (Words | undefined)[] {
  return v.stored ? [] : [v.r, v.difference, v.total, v.beta];
}

export function arraysOfValue(v: PartyValue): (Words | undefined)[] {
  return v.stored ? [] : [v.words, v.share, v.m, v.half, v.wrapSet, v.wrapClear, v.planes];
}
