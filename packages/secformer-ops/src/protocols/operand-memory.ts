/**
 * The arrays that an instruction makes of its operands before it computes: to read what is stored, to have all in one
 * shape, and to have their shares. Functions have the names of those whose arrays they count (operands.ts, product.ts).
 */
import type { Cells, MemoryContext, Primitive } from '../instruction/primitive.js';
import { type OpenedType, type Shape, sizeOf, type ValueType } from '../instruction/types.js';

export type Footprint = Pick<Primitive<never>, 'memory' | 'work'>;

/** The context of an instruction whose attributes do not matter. */
export type Context = MemoryContext<unknown>;

export const lengthOf = (t: ValueType) => sizeOf(t.shape);
export const isStored = (c: Context, i: number) => c.ins[i]!.stored !== undefined;
export const openedType = (c: Context, i: number) => c.types[i] as OpenedType;

// A stored opening makes m or r whenever it is read: a half out of its stream, the double of that, and the words

export function readsWhole(c: Context, i: number): void {
  if (isStored(c, i)) c.takes(3 * lengthOf(c.types[i]!));
}

export function readsHalf(c: Context, i: number): void {
  if (isStored(c, i)) c.takes(lengthOf(c.types[i]!));
}

/** A public tensor's words are brought to 64 bits in a copy. */
export function readsPublic(c: Context, i: number): void {
  if (c.ins[i]!.known) c.takes(lengthOf(c.types[i]!));
}

export function publicPart(c: Context, i: number): void {
  readsWhole(c, i);
  if (openedType(c, i).offsetLog >= 0) c.takes(lengthOf(c.types[i]!));
}

export function shareOf(c: Context, i: number): void {
  readsHalf(c, i);
  if (c.ins[i]!.share) return;
  publicPart(c, i);
  c.takes(lengthOf(c.types[i]!));
}

/** Of an operand of a product: a stored one is read as it lies, or from a copy where it lies in another order. */
export function shareOfTwice(c: Context, i: number): void {
  c.takes(lengthOf(c.types[i]!));
  if (!isStored(c, i)) publicPart(c, i);
}

/** An operand brought to the shape of the result, which takes a copy if it is smaller. */
export function broadcast(c: Context, shape: Shape): void {
  if (sizeOf(shape) !== lengthOf(c.out)) c.takes(lengthOf(c.out));
}

/** One array for each case of the operands' top bits, and where several are open, for those of the last alone. */
export function choices(c: Context, operands: readonly number[]): void {
  const [first, ...others] = operands;
  if (first === undefined) return;
  if (openedType(c, first).modular) {
    choices(c, others);
    return;
  }
  choices(c, others);
  choices(c, others);
  broadcast(c, c.types[first]!.shape);
  c.takes(lengthOf(c.out));
}

export function unknownParts(c: Context, i: number): void {
  readsWhole(c, i);
  broadcast(c, c.types[i]!.shape);
  c.takes((openedType(c, i).modular ? 1 : 4) * lengthOf(c.out));
}

export const cases = (t: ValueType) => ((t as OpenedType).modular ? 1 : 2);

/** So many corrections of as many words as the result, and `more` arrays on the way. */
export const dealsWords = <A>(count: (c: MemoryContext<A>) => number, more = 0) => ({
  deal(c: MemoryContext<A>): Cells {
    readsWhole(c, 0);
    c.takes((count(c) + more) * lengthOf(c.out));
    return {};
  },
});
