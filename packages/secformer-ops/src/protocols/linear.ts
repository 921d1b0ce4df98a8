/**
 * Local arithmetic: linear in the secret, so each party applies it to its own share and nothing is sent.
 * Cost: no rounds, no bytes. View: nothing new. Source: protocols of additive sharing since Ben-Or, Goldwasser and
 * Wigderson 1988.
 */
import { broadcastTo, gatherStrided, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, integerText, type PartyContext, primitive } from '../instruction/primitive.js';
import { binaryReals, byRow, runningSums, shapesOf } from '../instruction/reals.js';
import {
  broadcastShapes,
  check,
  describeAll,
  type ShareType,
  shareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';

function twoShares(ins: ValueType[]): [ShareType, ShareType] {
  const [x, y] = ins;
  check(
    ins.length === 2 && x?.kind === 'share' && y?.kind === 'share',
    () => `needs two shares, got ${describeAll(ins)}`,
  );
  check(x.fracBits === y.fracBits, () => `operands have ${x.fracBits} and ${y.fracBits} fractional bits`);
  return [x, y];
}

function sumType(ins: ValueType[], a: { magnitude: number }): ShareType {
  const [x, y] = twoShares(ins);
  return shareType(broadcastShapes(x.shape, y.shape), x.fracBits, Math.min(x.bits, y.bits), a.magnitude);
}

function operands(c: PartyContext<unknown>): [Words, Words, Words] {
  const x = broadcastTo(c.kernels, c.ins[0]!.share!, c.types[0]!.shape, c.out.shape);
  const y = broadcastTo(c.kernels, c.ins[1]!.share!, c.types[1]!.shape, c.out.shape);
  return [scratch(sizeOf(c.out.shape)), x, y];
}

/** log2 of the range that the planner claims for a result. */
export const magnitude = int(-64, 63);

/** What is linear modulo 2^64 needs every operand modulo what the result is wanted modulo. */
export const same = (bits: number, ins: ValueType[]) => ins.map(() => bits);

/** x + y, broadcast. `magnitude` is the range that the planner claims for the sum. */
export const add = primitive({
  name: 'add',
  attributes: z.object({ magnitude }),
  infer: sumType,
  needs: same,
  finish(c) {
    const [out, x, y] = operands(c);
    c.kernels.add(out, x, y);
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, y) => x + y),
});

/** x − y, broadcast. */
export const sub = primitive({
  name: 'sub',
  attributes: z.object({ magnitude }),
  infer: sumType,
  needs: same,
  finish(c) {
    const [out, x, y] = operands(c);
    c.kernels.sub(out, x, y);
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, y) => x - y),
});

/** How often 2 divides a number; 64 stands for all above. */
function twosOf(text: string): number {
  // Most scales are small or odd
  const number = Number(text);
  if (Number.isSafeInteger(number) && number % 2 !== 0) return 0;
  const word = BigInt.asUintN(64, BigInt(text));
  const low = Number(word & 0xffff_ffffn);
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = Number(word >> 32n);
  return high === 0 ? 64 : 63 - Math.clz32(high & -high);
}

/** x·scale + offset for public integers: a shift to more fractional bits, a sign, a public constant. */
export const affine = primitive({
  name: 'affine',
  attributes: z.object({
    scale: integerText,
    offset: integerText,
    fracBits: int(-64, 80),
    bits: int(1, 64),
    magnitude,
  }),
  infer(ins, a) {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'share', () => 'affine needs one share');
    check(Number(a.scale) !== 0, () => 'affine with scale 0');
    const twos = twosOf(a.scale);
    check(
      a.bits <= x.bits + twos,
      () => `a share modulo 2^${x.bits} times a multiple of 2^${twos} is not right modulo 2^${a.bits}`,
    );
    return shareType(x.shape, a.fracBits, a.bits, a.magnitude);
  },
  needs: same,
  narrow: (bits) => ({ bits }),
  finish({ kernels, role, a, ins, out }) {
    // Another range or scale claimed for the same words
    if (a.scale === '1' && a.offset === '0') return { share: ins[0]!.share! };
    const to = scratch(sizeOf(out.shape));
    const offset = role === 0 ? BigInt.asUintN(64, BigInt(a.offset)) : 0n;
    kernels.affine(to, ins[0]!.share!, BigInt.asUintN(64, BigInt(a.scale)), offset, 64);
    return { share: to };
  },
  plain({ a, ins, types }) {
    const scale = Number(a.scale) * 2 ** ((types[0] as ShareType).fracBits - a.fracBits);
    const offset = Number(a.offset) * 2 ** -a.fracBits;
    return ins[0]!.map((v) => v * scale + offset);
  },
});

/**
 * x / 2^s by dropping the modulus: each party shifts its own share, and the result is right modulo 2^(a − s), off by
 * less than one unit, mean 0.
 * Not twice in a row: the second drop would see the first one's missing top bits. Source protocols section 4 (b).
 */
export const drop = primitive({
  name: 'drop',
  attributes: z.object({ shift: int(1, 62) }),
  infer(ins, a) {
    const [x] = ins;
    check(
      ins.length === 1 && x?.kind === 'share' && x.bits > a.shift,
      () => 'drop needs one share of more bits than it drops',
    );
    return shareType(x.shape, x.fracBits - a.shift, x.bits - a.shift, x.magnitude);
  },
  needs: (bits, _ins, a) => [bits + a.shift],
  finish({ kernels, role, a, ins, types }) {
    const x = ins[0]!.share!;
    const { bits } = types[0] as ShareType;
    const offset = role === 0 ? (1n << BigInt(a.shift)) - 1n : 0n;
    const out = scratch(x.length);
    kernels.maskForOpening(out, x, zeros(x.length), { offset, bits, shift: a.shift, width: bits - a.shift });
    return { share: out };
  },
  plain: ({ ins }) => ins[0],
  error: (_a, out) => 2 ** -(out as ShareType).fracBits,
});

/** A public tensor as a share: P0 holds it, P1 zero. */
export const constant = primitive({
  name: 'constant',
  attributes: z.object({
    constant: int(0, 65535),
    shape: z.array(int(0, 2 ** 31)).max(8),
    fracBits: int(-64, 80),
    magnitude,
  }),
  infer: (_ins, a) => shareType(a.shape, a.fracBits, 64, a.magnitude),
  finish({ role, a, constants, out }) {
    const words = constants[a.constant]!;
    return { share: role === 0 ? words : zeros(sizeOf(out.shape)) };
  },
  plain: ({ a, constants }) => onGrid(constants[a.constant]!, a.fracBits),
});

/** Public reals as they are encoded. */
function onGrid(values: readonly number[], fracBits: number): Float64Array {
  return Float64Array.from(values, (v) => Math.round(v * 2 ** fracBits) / 2 ** fracBits);
}

/** x times a public tensor of integers with `constantBits` fractional bits, broadcast. */
export const mulPublic = primitive({
  name: 'mulPublic',
  attributes: z.object({
    constant: int(0, 65535),
    shape: z.array(int(0, 2 ** 31)).max(8),
    constantBits: int(-64, 63),
    magnitude,
  }),
  infer(ins, a) {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'share', () => 'mulPublic needs one share');
    return shareType(broadcastShapes(x.shape, a.shape), x.fracBits + a.constantBits, x.bits, a.magnitude);
  },
  needs: same,
  finish({ kernels, a, ins, types, out, constants }) {
    const to = scratch(sizeOf(out.shape));
    kernels.mul(
      to,
      broadcastTo(kernels, ins[0]!.share!, types[0]!.shape, out.shape),
      broadcastTo(kernels, constants[a.constant]!, a.shape, out.shape),
    );
    return { share: to };
  },
  plain: ({ a, ins, types, out, constants }) =>
    binaryReals(
      [ins[0]!, onGrid(constants[a.constant]!, a.constantBits)],
      [types[0]!.shape, a.shape],
      out.shape,
      (x, y) => x * y,
    ),
});

/** Sums over the last axis, which stays with size 1. */
export const rowSum = primitive({
  name: 'rowSum',
  attributes: z.object({ magnitude }),
  infer(ins, a) {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'share' && x.shape.length > 0, () => 'rowSum needs one share with an axis');
    return shareType([...x.shape.slice(0, -1), 1], x.fracBits, x.bits, a.magnitude);
  },
  needs: same,
  finish({ kernels, ins, out }) {
    const to = scratch(sizeOf(out.shape));
    kernels.rowSum(to, ins[0]!.share!, to.length);
    return { share: to };
  },
  plain: ({ ins, types }) => byRow(ins[0]!, types[0]!.shape.at(-1)!, (row) => [row.reduce((s, v) => s + v, 0)]),
});

/** Running sums along the last axis: of everything up to an element, or before it, or from the end. */
export const cumSum = primitive({
  name: 'cumSum',
  attributes: z.object({ exclusive: z.boolean(), reverse: z.boolean(), magnitude }),
  infer(ins, a) {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'share' && x.shape.length > 0, () => 'cumSum needs one share with an axis');
    return shareType(x.shape, x.fracBits, x.bits, a.magnitude);
  },
  needs: same,
  finish({ kernels, a, ins, out }) {
    // Columns as rows, so that a step is one addition of a whole row
    const n = out.shape.at(-1)!;
    const rows = sizeOf(out.shape) / Math.max(1, n);
    const x = gatherStrided(kernels, ins[0]!.share!, [n, rows], [1, n]);
    const sums = scratch(x.length);
    const total = zeros(rows);
    for (let i = 0; i < n; i++) {
      const at = a.reverse ? n - 1 - i : i;
      const row = sums.subarray(at * rows, (at + 1) * rows);
      if (a.exclusive) row.set(total);
      kernels.add(total, total, x.subarray(at * rows, (at + 1) * rows));
      if (!a.exclusive) row.set(total);
    }
    return { share: gatherStrided(kernels, sums, [rows, n], [1, rows]) };
  },
  plain: ({ a, ins, types }) => byRow(ins[0]!, types[0]!.shape.at(-1)!, (row) => runningSums(row, a)),
});
