import type { Kernels, OpeningMask, Secret, Words } from '@secformer/ring';
import { z } from 'zod';
import type { Block } from './blocks.js';
import type { PublicWords } from './public-words.js';
import type { StoredOpening } from './stored-opening.js';
import type { ValueType } from './types.js';

/**
 * What a party holds for a value. An opened value has a share, or the half of the mask that it follows from, unless its
 * type says bits 0.
 */
export interface PartyValue {
  /** a tensor that stays for many runs */
  stored?: StoredOpening;
  /** a public tensor, as it came */
  known?: PublicWords;
  /** a public tensor's words modulo 2^64, of a view of one */
  words?: Words;
  share?: Words;
  m?: Words;
  /** of a modular opening: r_i, and the share is [i=0]·(m − offset) − r_i */
  half?: Words;
  /**
   * a lifted opening's share of the wrap-around, y + offset = m − r + 2^width·wrap: the first where msb m = 1, else the
   * second
   */
  wrapSet?: Words;
  wrapClear?: Words;
  /** planes of bits: shared bits, opened bits c, or for chunks l | e | top one after another */
  planes?: Words;
}

/** What the dealer knows of a value: the mask r of an opened one, β of opened bits; of shares, nothing. */
export interface DealerValue {
  r?: Words;
  /** r1 − r0 of a modular opening, where a matrix product needs it */
  difference?: Words;
  /** a tensor that stays for many runs */
  stored?: StoredOpening;
  /** of a lifted opening: r0 + r1 before the reduction */
  total?: Words;
  beta?: Words;
}

/** An instruction as a Program has it: `in` are value numbers, what else it has are the attributes of its primitive. */
export interface Instruction {
  op: string;
  in: number[];
  [attribute: string]: unknown;
}

/** Which of the two parties. */
export type Role = 0 | 1;

/**
 * One instruction of a Program. The declarations (`masks`, `material`, `opens`) drive the dealer's interpreter and the
 * party's alike: the dealer returns exactly the declared material, the party is handed exactly that, and the frame of a
 * round has exactly the declared length. At most one opening an instruction; what has none is local.
 */
export interface Primitive<A = Record<string, unknown>> {
  name: string;
  attributes: z.ZodType<A>;
  /** @throws ProgramError where the operands do not fit */
  infer(ins: ValueType[], a: A): ValueType;
  /** of each operand, the modulus (bits) that its share needs for a result right modulo 2^bits; all it has if absent */
  needs?(bits: number, ins: ValueType[], a: A): number[];
  /**
   * attributes for a result right modulo 2^bits only; absent where the result has no wider modulus than its operands
   */
  narrow?(bits: number, ins: ValueType[], a: A): Partial<A> | undefined;
  /**
   * the dealer needs the difference of each operand's halves of the mask: 'always', or where somebody 'passes' on that
   * of the result
   */
  differences?: 'always' | 'passes';
  /** streams that the dealer shares with each party: the value's mask is the sum (or xor) of the two halves */
  masks?(ins: ValueType[], a: A, out: ValueType): Block[];
  /** dealer's values, re-shared: P0's share is a stream, P1's is sent */
  material?(ins: ValueType[], a: A, out: ValueType): Block[];
  /** what each party sends in this instruction's round */
  opens?(ins: ValueType[], a: A, out: ValueType): Block;
  /** the dealer's side: `masks` are the combined masks; returns the out value and the material */
  deal?(c: DealContext<A>): { value: DealerValue; material?: Words[] };
  /** what this party puts into the opening: words, or a share to be masked on its way into the frame */
  begin?(c: PartyContext<A>): Words | MaskedShare;
  /** the party's value, from the combined opening and its share of the material */
  finish(c: PartyContext<A>): PartyValue;
  /**
   * What it stands for, in floating point: of shares and openings the reals, of bits zeros and ones plane after plane.
   * Undefined where a value means nothing without its mask.
   */
  plain(c: PlainContext<A>): Float64Array | undefined;
  /** the range of the first operand that the instruction is right for, if that is narrower than its type says */
  holds?(ins: ValueType[], a: A): [number, number] | undefined;
  /** largest difference of a value from `plain` of the same operands; 0 if absent */
  error?(a: A, out: ValueType): number;
  /** multiply-adds at a party, or what takes as long; if absent, elements and planes of operands and result */
  work?(ins: ValueType[], a: A, out: ValueType): number;
  /** what the arrays of `begin`, `finish` and `deal` take; if absent, no more than their results */
  memory?: Memory<A>;
}

/** An array in memory, or one that lies in it. */
export interface Cell {
  bytes: number;
  /** by how many values and steps it is held */
  holds: number;
}

/** The arrays of a value at a party or at the dealer; stored tensors are not counted. */
export type Cells = { readonly [array in keyof PartyValue | keyof DealerValue]?: Cell };

/** What `Arena` would see of a step: the same arrays made, held and released as the step itself does. */
export interface Memory<A> {
  /** As the step `begin`. */
  begin?(c: MemoryContext<A>): void;
  /** As the step `finish`. @returns the arrays of the party's value */
  finish?(c: MemoryContext<A>): Cells;
  /** As the step `deal`. @returns the arrays of the dealer's value */
  deal?(c: MemoryContext<A>): Cells;
}

/** What a step's memory is declared of. */
export interface MemoryContext<A> {
  a: A;
  types: ValueType[];
  out: ValueType;
  ins: readonly Cells[];
  masks: readonly Cell[];
  differences: readonly Cell[];
  /** all of it lies in one array */
  material: Cell;
  opened: Cell;
  /** a new array, to be part of the result */
  make(words: number): Cell;
  /** new arrays that are gone when the step is done */
  takes(words: number): void;
}

/** A share and the party's half of the mask of its opening. */
export interface MaskedShare {
  share: Words;
  mask: Words;
  how: OpeningMask;
}

/** What `plain` computes from: operands as reals, in row-major order. */
export interface PlainContext<A> {
  a: A;
  types: ValueType[];
  out: ValueType;
  ins: Float64Array[];
  constants: readonly (readonly number[])[];
}

/** What the dealer computes an instruction from. */
export interface DealContext<A> {
  kernels: Kernels;
  a: A;
  types: ValueType[];
  out: ValueType;
  ins: DealerValue[];
  masks: Words[];
  /** r1 − r0 of every mask, where the result's is needed */
  differences: Words[];
  /** of P0's half */
  maskKey(slot: number): Secret;
}

/** What a party computes an instruction from. */
export interface PartyContext<A> {
  kernels: Kernels;
  role: Role;
  a: A;
  types: ValueType[];
  out: ValueType;
  ins: PartyValue[];
  masks: Words[];
  /** the sum (or xor) of both parties' openings; empty in `begin` and for local instructions */
  opened: Words;
  material: Words[];
  /** of this party's half */
  maskKey(slot: number): Secret;
  constants: readonly Words[];
}

/** Attributes of an instruction that has none. */
export const noAttributes: z.ZodType<Record<string, unknown>> = z.object({});

/** Gives a primitive its attribute type. */
export function primitive<A>(p: Primitive<A>): Primitive<A> {
  return p;
}

/** A whole number from min to max, as an attribute. */
export const int = (min: number, max: number) => z.number().int().min(min).max(max);
/** A 64-bit integer as decimal text, for JSON has no such number. */
export const integerText = z.string().regex(/^-?\d{1,20}$/);
