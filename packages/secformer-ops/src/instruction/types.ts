import { SecformerError, sizeOf } from '@secformer/ring';

/** Sizes of a tensor's axes; [] is one number. */
export type Shape = readonly number[];

/** An additively shared tensor: words right modulo 2^bits, real = signed integer / 2^fracBits, |real| < 2^magnitude. */
export interface ShareType {
  kind: 'share';
  shape: Shape;
  fracBits: number;
  bits: number;
  magnitude: number;
}

/**
 * A tensor that was opened under a mask r: the parties know m = y + offset + r mod 2^width and shares of y, the dealer
 * knows r.
 * modular: y is meant modulo 2^width, and m − offset is a Beaver opening E. Otherwise y + offset is an integer in [0,
 * 2^(width−1)), and y = m − offset − r + 2^width·(1 − msb m)·msb r over the integers.
 */
export interface OpenedType {
  kind: 'opened';
  shape: Shape;
  fracBits: number;
  width: number;
  /** log2 of the offset, −1 for none */
  offsetLog: number;
  modular: boolean;
  /** modulus of the share of y that the parties keep beside m, 0 if they keep none */
  bits: number;
  magnitude: number;
  /** the parties have shares of the wrap-around beside that of y */
  lifted?: true;
  /** the opening of a tensor that stays for many runs */
  stays?: true;
}

/** Xor-shared bits, `planes` of them for every element, 64 to a word. */
export interface BitsType {
  kind: 'bits';
  shape: Shape;
  planes: number;
}

/** Bits opened under β: the parties know c = b ⊕ β, the dealer β. */
export interface OpenBitsType {
  kind: 'openBits';
  shape: Shape;
  planes: number;
}

/**
 * A comparison under way: for every threshold and chunk the shared bits [low < r] and [low = r], and the shared xor of
 * the top bits.
 */
export interface ChunksType {
  kind: 'chunks';
  shape: Shape;
  planes: number;
  chunks: number;
}

/** A tensor that both parties have in full: words of `fracBits` fractional bits, |real| < 2^magnitude. */
export interface PublicType {
  kind: 'public';
  shape: Shape;
  fracBits: number;
  magnitude: number;
}

/** What a value of a Program is; `kind` tells them apart. */
export type ValueType = ShareType | OpenedType | BitsType | OpenBitsType | ChunksType | PublicType;

/** Longest message: it travels to the client, who wrote what it quotes. */
const MESSAGE_LENGTH = 1000;

/** A Program that does not fit: an unknown operation, a shape, a range or a modulus that would give wrong answers. */
export class ProgramError extends SecformerError {
  constructor(message: string) {
    super('BAD_PROGRAM', message.length > MESSAGE_LENGTH ? `${message.slice(0, MESSAGE_LENGTH - 1)}…` : message);
    this.name = 'ProgramError';
  }
}

/** The same error, naming the instruction that it is of. */
export function inInstruction(error: unknown, { op, tag }: { op: string; tag?: unknown }, index: number): unknown {
  return error instanceof ProgramError
    ? new ProgramError(`instruction ${index} (${op}${tag ? ` of ${tag}` : ''}): ${error.message}`)
    : error;
}

/** Makes sure of a condition. @throws ProgramError with the message where it does not hold */
export function check(ok: boolean, message: () => string): asserts ok {
  if (!ok) throw new ProgramError(message());
}

/** A type in a few words, for messages. */
export function describe(t: ValueType): string {
  const shape = `[${t.shape.join(',')}]`;
  if (t.kind === 'share') return `share ${shape} f=${t.fracBits} bits=${t.bits} |v|<2^${t.magnitude}`;
  if (t.kind === 'opened')
    return `opened ${shape} f=${t.fracBits} width=${t.width}${t.modular ? ' modular' : ''} |v|<2^${t.magnitude}`;
  if (t.kind === 'public') return `public ${shape} f=${t.fracBits} |v|<2^${t.magnitude}`;
  return `${t.kind} ${shape}×${t.planes}`;
}

/** Operands that a message names. */
const NAMED = 8;

/** Types in a few words, eight of them at most, for messages. */
export function describeAll(types: readonly ValueType[]): string {
  const named = types.slice(0, NAMED).map(describe).join('; ');
  return types.length > NAMED ? `${named} and ${types.length - NAMED} more` : named;
}

/** A share type, refused unless the value fits its modulus: |v|·2^f < 2^(bits−1). */
export function shareType(shape: Shape, fracBits: number, bits: number, magnitude: number): ShareType {
  check(bits >= 1 && bits <= 64, () => `a modulus has 1 to 64 bits, got ${bits}`);
  check(fracBits >= -64 && fracBits <= 80, () => `fracBits ${fracBits} is outside −64 to 80`);
  check(magnitude + fracBits <= bits - 1, () => {
    const needs = `${magnitude + fracBits + 1} bits`;
    return `|v| < 2^${magnitude} with ${fracBits} fractional bits needs ${needs}, the share is right modulo 2^${bits}`;
  });
  return { kind: 'share', shape, fracBits, bits, magnitude };
}

/**
 * Most bits of a word of a public tensor, sign included: the modulus of a fast matrix product, whose right operand it
 * is.
 */
export const PUBLIC_BITS = 49;

/** Bits that the words of a public tensor take, sign included. */
export const publicBits = ({ fracBits, magnitude }: Pick<PublicType, 'fracBits' | 'magnitude'>): number =>
  Math.max(1, fracBits + magnitude + 1);

/** A public type, refused unless its words fit. */
export function publicType(shape: Shape, fracBits: number, magnitude: number): PublicType {
  check(fracBits >= -64 && fracBits <= 80, () => `fracBits ${fracBits} is outside −64 to 80`);
  const bits = fracBits + magnitude + 1;
  check(
    bits <= PUBLIC_BITS,
    () => `|v| < 2^${magnitude} with ${fracBits} fractional bits needs ${bits} bits; public words have ${PUBLIC_BITS}`,
  );
  return { kind: 'public', shape, fracBits, magnitude };
}

/** What an opening adds to its value, in units of its last place. */
export const offsetOf = ({ offsetLog }: { offsetLog: number }): bigint =>
  offsetLog < 0 ? 0n : 1n << BigInt(offsetLog);

/** Whether two shapes, or two parts of them, are the same. */
export function sameShape(a: Shape, b: Shape, from = 0): boolean {
  if (a.length !== b.length) return false;
  for (let i = from; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** NumPy broadcasting of two shapes. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    check(x === y || x === 1 || y === 1, () => `shapes [${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

export { sizeOf };

/** Planes of a value of bits; 1 for one of words. */
export function planesOf(t: ValueType): number {
  return ('planes' in t ? t.planes : 1) * (t.kind === 'chunks' ? 2 * t.chunks + 1 : 1);
}
