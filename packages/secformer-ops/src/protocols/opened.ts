/**
 * Local operations on opened values: the share beside an opening, and differences of openings.
 * Cost: no rounds, no bytes. View: nothing new.
 */
import { scratch, type Words } from '@secformer/ring';
import { z } from 'zod';
import { type DealerValue, noAttributes, primitive } from '../instruction/primitive.js';
import { check, describeAll, type OpenedType, sameShape, shareType } from '../instruction/types.js';
import { magnitude, same } from './linear.js';
import { shareOf } from './operands.js';

/** The share that the parties keep beside an opening, as a share. */
export const unwrap = primitive({
  name: 'unwrap',
  attributes: noAttributes,
  infer(ins) {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'opened' && x.bits > 0, () => 'unwrap needs an opened value with a share');
    return shareType(x.shape, x.fracBits, x.bits, x.magnitude);
  },
  needs: same,
  finish: (c) => ({ share: shareOf(c, 0) }),
  plain: ({ ins }) => ins[0],
});

/**
 * a − b of two modular openings: m, share and mask subtract alike, so the difference is open without a message; without
 * a share where they have none.
 */
export const subOpened = primitive({
  name: 'subOpened',
  attributes: z.object({ magnitude }),
  infer(ins, a) {
    const [x, y] = ins as [OpenedType, OpenedType];
    const ok =
      ins.length === 2 &&
      x.kind === 'opened' &&
      y.kind === 'opened' &&
      x.modular &&
      y.modular &&
      x.width === y.width &&
      x.bits > 0 === y.bits > 0;
    check(
      ok && x.offsetLog === y.offsetLog && x.fracBits === y.fracBits && sameShape(x.shape, y.shape),
      () => `subOpened of ${describeAll(ins)}`,
    );
    const { stays: _, ...rest } = x;
    return { ...rest, offsetLog: -1, magnitude: a.magnitude };
  },
  differences: 'passes',
  deal({ kernels, ins, out }) {
    const [x, y] = ins as [DealerValue, DealerValue];
    const differ = (a: Words, b: Words) => {
      const to = scratch(a.length);
      kernels.sub(to, a, b);
      kernels.affine(to, to, 1n, 0n, (out as OpenedType).width);
      return to;
    };
    return {
      value: { r: differ(x.r!, y.r!), ...(x.difference && { difference: differ(x.difference, y.difference!) }) },
    };
  },
  finish(c) {
    const { kernels, ins, out } = c;
    const { width } = out as OpenedType;
    const m = scratch(ins[0]!.m!.length);
    kernels.sub(m, ins[0]!.m!, ins[1]!.m!);
    kernels.affine(m, m, 1n, 0n, width);
    if ((out as OpenedType).bits === 0) return { m };
    const [x, y] = [ins[0]!.half, ins[1]!.half];
    const difference = scratch(m.length);
    kernels.sub(difference, x && y ? x : shareOf(c, 0), x && y ? y : shareOf(c, 1));
    return x && y ? { m, half: difference } : { m, share: difference };
  },
  plain: ({ ins }) => ins[0]!.map((v, i) => v - ins[1]![i]!),
});
