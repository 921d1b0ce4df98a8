/**
 * What products of two opened operands have in common that are sums of many elementwise ones: a single product at each
 * party.
 *
 *   With E = x + r_x open, u_i = E − 2r_xi; so u_0 + u_1 = 2x and u_0 − u_1 = 2d_x, d_x = r_x1 − r_x0. v_i of y
 *   likewise.
 *   s_i = u_i·v_i modulo 2^(a+1):  s_0 + s_1 = ½[(u_0 + u_1)(v_0 + v_1) + (u_0 − u_1)(v_0 − v_1)] = 2(xy + d_x·d_y),
 *   and both are odd where E·D is.
 *   ⟦xy⟧_i = s_i/2, rounded up at P0 and down at P1, and ⟦−d_x·d_y⟧_i modulo 2^a.
 */
import { MINUS_ONE, StoredWords, scratch, type Words } from '@secformer/ring';
import type { DealContext, DealerValue, PartyContext, PartyValue } from '../instruction/primitive.js';
import { check, type OpenedType, type ShareType, type ValueType } from '../instruction/types.js';
import { shareOfTwice, twoOpened } from './operands.js';

/** The product of these operands modulo 2^bits; a right one that stays comes as it is stored. */
type Multiply = (x: Words, y: Words | StoredWords, bits: number) => Words;

/** The types of the operands, whose shares are those of their masks. */
export function twoModular(ins: ValueType[]): [OpenedType, OpenedType] {
  const [x, y] = twoOpened(ins);
  check(x.modular && y.modular, () => 'this product needs modular openings of both operands');
  return [x, y];
}

/** The modulus of the product: one bit more is computed. */
export function productBits(x: OpenedType, y: OpenedType): number {
  return Math.min(x.width, y.width, 63);
}

export function dealProduct(
  { kernels, ins, out }: DealContext<unknown>,
  multiply: Multiply,
): { value: DealerValue; material: Words[] } {
  const [x, y] = ins as [DealerValue, DealerValue];
  const d = x.stored?.words.words ?? x.difference!;
  const minus = scratch(d.length);
  kernels.affine(minus, d, MINUS_ONE, 0n, 64);
  return { value: {}, material: [multiply(minus, y.stored?.words ?? y.difference!, (out as ShareType).bits)] };
}

export function finishProduct(c: PartyContext<unknown>, multiply: Multiply): PartyValue {
  const { bits } = c.out as ShareType;
  const [u, v] = [0, 1].map((i) => c.ins[i]!.stored?.words ?? shareOfTwice(c, i)) as [
    Words | StoredWords,
    Words | StoredWords,
  ];
  const share = multiply(u instanceof StoredWords ? u.words : u, v, bits + 1);
  c.kernels.maskForOpening(share, share, c.material[0]!, {
    offset: c.role === 0 ? 1n : 0n,
    bits: bits + 1,
    shift: 1,
    width: bits,
  });
  return { share };
}
