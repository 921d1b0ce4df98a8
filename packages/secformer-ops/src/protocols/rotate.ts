import { halvesOf, scratch, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, primitive } from '../instruction/primitive.js';
import { check, describeAll, type OpenedType, type ShareType, shareType, sizeOf } from '../instruction/types.js';

/** Rows of a table beyond which its padding would be most of what the dealer sends. */
const MOST_PADDING = 4;

/**
 * Rows of zeros with a one where a secret index says: what gathers rows of a table by an index that nobody knows.
 *
 *   1. the index i is open as m = i + r modulo D = 2^width              (an opening of the planner's, width bits each
 *   way)
 *   2. T shares e with e_j = [j = −r mod D] modulo 2^bits
 *   3. out_j = e_{(j − m) mod D} for j below depth: the one is at j = m − r = i    (local, a rotation by the public m)
 *
 * Domain any whole index, taken modulo D; from depth to D − 1 there is no one. Exact.
 * Cost   no round of its own; dealer D·bits bits an index.
 * View   a party sees m, uniform modulo D because it knows only its half of r, and P1 its share of e under P0's stream.
 * Source Ishai, Kushilevitz, Meldgaard, Orlandi and Paskin-Cherniavsky 2013 (one-time truth tables), with one-hot
 *        entries, so that the table itself may be secret.
 */
export const rotate = primitive({
  name: 'rotate',
  attributes: z.object({ depth: int(1, 2 ** 24), bits: int(2, 64) }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(
      ins.length === 1 && x?.kind === 'opened' && x.modular,
      () => `rotate needs a modular opening, got ${describeAll(ins)}`,
    );
    check(x.fracBits === 0 && x.width <= 26, () => `rotate by ${x.width} bits of which ${x.fracBits} are fractional`);
    const size = 2 ** x.width;
    check(a.depth <= size && size <= MOST_PADDING * a.depth, () => `rows of ${a.depth} in a rotation of ${size}`);
    return shareType([...x.shape, a.depth], 0, a.bits, 1);
  },
  needs: () => [0],
  narrow: (bits) => ({ bits: Math.max(2, bits) }),
  material: (ins, a) => [{ count: sizeOf(ins[0]!.shape) * 2 ** (ins[0] as OpenedType).width, bits: a.bits }],
  deal({ ins, types }) {
    const size = 2 ** (types[0] as OpenedType).width;
    const r = halvesOf(ins[0]!.r!);
    const rows = zeros((r.length / 2) * size);
    for (let i = 0; 2 * i < r.length; i++) rows[i * size + ((size - r[2 * i]!) & (size - 1))] = 1n;
    return { value: {}, material: [rows] };
  },
  finish({ ins, a, types, material: [rows] }) {
    const size = 2 ** (types[0] as OpenedType).width;
    const m = halvesOf(ins[0]!.m!);
    const share = scratch((m.length / 2) * a.depth);
    for (let i = 0; 2 * i < m.length; i++) {
      const row = rows!.subarray(i * size, (i + 1) * size);
      const from = (size - m[2 * i]!) & (size - 1);
      const first = Math.min(a.depth, size - from);
      share.set(row.subarray(from, from + first), i * a.depth);
      share.set(row.subarray(0, a.depth - first), i * a.depth + first);
    }
    return { share };
  },
  plain({ a, ins: [x], types }) {
    const size = 2 ** (types[0] as OpenedType).width;
    const out = new Float64Array(x!.length * a.depth);
    x!.forEach((index, i) => {
      const at = ((index % size) + size) % size;
      if (at < a.depth) out[i * a.depth + at] = 1;
    });
    return out;
  },
});
