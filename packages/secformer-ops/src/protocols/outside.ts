import { type Kernels, type PickedRow, planeWords, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import type { Block } from '../instruction/blocks.js';
import { int, integerText, primitive } from '../instruction/primitive.js';
import { type BitsType, check, describeAll, type OpenedType, offsetOf, sizeOf } from '../instruction/types.js';

const asRow = (w: Words, n: number) => new Uint16Array(w.buffer, w.byteOffset, n);

/**
 * Elements whose tables lie in the lower byte of a row of 16 bits; those of the others lie above them. Tables of 16
 * entries have a row of their own.
 */
export const lowerRows = (n: number, bits: number): number => (bits === 4 ? n : Math.min(n, 64 * Math.ceil(n / 128)));

const tableBlock = (n: number, bits: number): Block => ({
  count: Math.ceil(lowerRows(n, bits) / 4),
  bits: 64,
  xor: true,
});

/**
 * Has a value left an interval? Told from three or four bits of it, without a message between the parties.
 *
 *   1. T cuts b bits from p on out of r, r_c, and xor-shares the table [t < r_c] of all t
 *   2. a party names t, the public chunk of m − origin; t − r_c is ⌊(x − origin)/2^p⌋ modulo 2^b, or one more where the
 *      bits below borrow
 *   3. the bit is [t − r_c > count] = [t > count] ⊕ [t < r_c] ⊕ [t − count − 1 < r_c], all modulo 2^b       (local)
 *
 * Domain the interval is [origin, origin + count·2^p): there the bit is 0, always. From one unit of 2^p beyond it on
 *        either side the bit is 1, always, as far as bits below p + b tell: modulo 2^(p+b). In the units between, it is
 *        1 where the bits borrow, as often as the value is far into the unit.
 * Of a lift (count 2^(b−1), p + b its width, origin −offset) the bit is 1 wherever the lift is wrong: a value that is δ
 *        units beyond the range wraps where r, or r less half the modulus, is within δ of its end, and there the bits
 *        borrow.
 * Cost   no round; dealer 2^b bits an element.
 * View   P1 sees a table masked by P0's stream; the parties send nothing.
 * Source protocols section 5, its tables.
 */
export const outside = primitive({
  name: 'outside',
  attributes: z.object({
    position: int(1, 61),
    bits: int(3, 4),
    /** in units of the value's last place */
    origin: integerText,
    count: int(1, 14),
  }),
  infer(ins, a): BitsType {
    const [x] = ins;
    const ok = ins.length === 1 && x?.kind === 'opened' && a.position + a.bits <= x.width;
    check(ok, () => `outside looks at bits ${a.position} to ${a.position + a.bits - 1} of ${describeAll(ins)}`);
    check(a.count <= 2 ** a.bits - 2, () => `an interval of ${a.count} in 2^${a.bits}`);
    return { kind: 'bits', shape: x.shape, planes: 1 };
  },
  needs: () => [0],
  material: (ins, a) => [tableBlock(sizeOf(ins[0]!.shape), a.bits)],
  deal({ kernels, a, ins }) {
    const r = ins[0]!.r!;
    const lower = lowerRows(r.length, a.bits);
    const rows = Math.ceil(lower / 4);
    const tables = (of: Words) => {
      const words = zeros(rows);
      kernels.chunkTables(asRow(words, of.length), of, { position: a.position, width: a.bits, kind: 'lt' });
      return words;
    };
    const out = tables(r.subarray(0, lower));
    if (lower === r.length) return { value: {}, material: [out] };
    const upper = tables(r.subarray(lower));
    kernels.affine(upper, upper, 256n, 0n, 64);
    kernels.xor(out, out, upper);
    return { value: {}, material: [out] };
  },
  finish({ kernels, role, a, ins, types, material }) {
    const m = ins[0]!.m!;
    const n = m.length;
    const tau = offsetOf(types[0] as OpenedType) + BigInt(a.origin);
    const [out, other] = [scratch(planeWords(n)), scratch(planeWords(n))];
    pick(kernels, other, m, material[0]!, tau + (BigInt(a.count + 1) << BigInt(a.position)), a);
    let tables = material[0]!;
    if (role === 0) {
      // The public part, which is the same in all tables
      tables = scratch(tables.length);
      const above = (2 ** (2 ** a.bits) - 1) & ~(2 ** (a.count + 1) - 1);
      asRow(tables, 4 * tables.length).fill(a.bits === 4 ? above : above * 257);
      kernels.xor(tables, tables, material[0]!);
    }
    pick(kernels, out, m, tables, tau, a);
    kernels.xor(out, out, other);
    return { planes: out };
  },
  plain({ a, ins, types }) {
    const scale = 2 ** (types[0] as OpenedType).fracBits;
    const [low, unit] = [Number(a.origin), 2 ** a.position];
    const high = low + a.count * unit;
    return ins[0]!.map((v) => Number(v * scale < low - unit || v * scale >= high + unit));
  },
});

/** A plane of the entries that chunks of m − tau name. */
function pick(
  kernels: Kernels,
  to: Words,
  m: Words,
  tables: Words,
  tau: bigint,
  { position, bits }: { position: number; bits: number },
): void {
  const lower = lowerRows(m.length, bits);
  const stride = 4 * tables.length;
  const from = (base: 0 | 8): PickedRow[] => [{ table: 0, plane: 0, position, width: bits, base }];
  const word = BigInt.asUintN(64, tau);
  const split = planeWords(lower);
  kernels.pick(to.subarray(0, split), m.subarray(0, lower), asRow(tables, stride), stride, word, from(0));
  if (lower < m.length)
    kernels.pick(to.subarray(split), m.subarray(lower), asRow(tables, stride), stride, word, from(8));
}
