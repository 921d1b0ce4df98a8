import { scratch, type Words } from '@secformer/ring';
import type { PartyContext } from '../program/primitive.js';
import { check, describe, type OpenedType, type ValueType } from '../program/types.js';

/** The types of a product's operands. */
export function twoOpened(ins: ValueType[]): [OpenedType, OpenedType] {
  const [x, y] = ins;
  check(ins.length === 2 && x?.kind === 'opened' && y?.kind === 'opened', () => `a product needs two opened values, got ${ins.map(describe).join('; ')}`);
  check(x.bits > 0 && y.bits > 0, () => 'a product needs the shares of both operands');
  return [x, y];
}

/** m less its offset: what is public of an opened value. */
export function publicPart(c: PartyContext<unknown>, i: number): Words {
  const t = c.types[i] as OpenedType;
  const m = c.ins[i]!.m!;
  if (t.offsetLog < 0) return m;
  const out = scratch(m.length);
  c.kernels.affine(out, m, 1n, BigInt.asUintN(64, -(1n << BigInt(t.offsetLog))), 64);
  return out;
}
