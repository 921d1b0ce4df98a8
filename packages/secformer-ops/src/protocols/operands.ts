import { scratch, type Words, zeros } from '@secformer/ring';
import type { PartyContext } from '../instruction/primitive.js';
import { check, describeAll, type OpenedType, offsetOf, type ValueType } from '../instruction/types.js';

/** The types of a product's operands. */
export function twoOpened(ins: ValueType[]): [OpenedType, OpenedType] {
  const [x, y] = ins;
  check(
    ins.length === 2 && x?.kind === 'opened' && y?.kind === 'opened',
    () => `a product needs two opened values, got ${describeAll(ins)}`,
  );
  check(x.bits > 0 && y.bits > 0, () => 'a product needs the shares of both operands');
  return [x, y];
}

type Side = Pick<PartyContext<unknown>, 'kernels' | 'role' | 'types' | 'ins'>;

/** m less its offset: what is public of an opened value. */
export function publicPart(c: Side, i: number): Words {
  const t = c.types[i] as OpenedType;
  const m = c.ins[i]!.m!;
  if (t.offsetLog < 0) return m;
  const out = scratch(m.length);
  c.kernels.affine(out, m, 1n, BigInt.asUintN(64, -offsetOf(t)), 64);
  return out;
}

/** A party's share of an opened value. */
export function shareOf(c: Side, i: number): Words {
  const { share, half } = c.ins[i]!;
  if (share) return share;
  const out = zeros(half!.length);
  c.kernels.sub(out, c.role === 0 ? publicPart(c, i) : out, half!);
  return out;
}

/** A party's share m − 2r_i of 2y. */
export function shareOfTwice(c: Side, i: number): Words {
  const { share, half } = c.ins[i]!;
  const e = publicPart(c, i);
  const out = scratch(e.length);
  if (half) {
    c.kernels.lessTwice(out, e, half);
    return out;
  }
  c.kernels.add(out, share!, share!);
  if (c.role === 0) c.kernels.sub(out, out, e);
  else c.kernels.add(out, out, e);
  return out;
}
