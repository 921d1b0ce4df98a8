/**
 * What memory and time an instruction takes at a node, from the types of its operands: the arrays that its `begin`,
 * `finish` and `deal` make, one by one in their order, and those of its operands that go into its result. A test runs
 * every composition and compares this with what the arenas saw.
 */
import { planeWords } from '@secformer/ring';
import { CHOICES } from '../instruction/buckets.js';
import type { Cell, Cells, Memory, MemoryContext } from '../instruction/primitive.js';
import { sizeOf, type ValueType } from '../instruction/types.js';
import { bitFootprints } from './bit-footprints.js';
import { isWhole } from './layout.js';
import { type MatMulAttributes, matMulShape } from './mat-mul.js';
import { isFar, type Octaves, octavesOf, wordsOf } from './octave-series.js';
import {
  broadcast,
  type Context,
  cases,
  choices,
  dealsWords,
  type Footprint,
  isStored,
  lengthOf,
  openedType,
  publicPart,
  readsHalf,
  readsPublic,
  readsWhole,
  shareOf,
  shareOfTwice,
  unknownParts,
} from './operand-memory.js';

type Series = MemoryContext<{ coefficients: readonly unknown[] }>;

const broadcasts: Memory<never> = {
  finish(c: Context) {
    for (const t of c.types) broadcast(c, t.shape);
    return { share: c.make(lengthOf(c.out)) };
  },
};

/** Multiply-adds of a matrix product. */
function products(ins: ValueType[], a: MatMulAttributes): number {
  const { batch, m, k, n } = matMulShape(ins[0]!.shape, ins[1]!.shape, a);
  return sizeOf(batch) * m * k * n;
}

/** An operand and a public one, which is read from a copy, in the shape of the result. */
const withPublic: Memory<never> = {
  finish(c: Context) {
    readsPublic(c, 1);
    for (const t of c.types) broadcast(c, t.shape);
    return { share: c.make(lengthOf(c.out)) };
  },
};

/** A product of two modular openings, elements of the one with elements of the other. */
const bilinear: Memory<never> = {
  finish(c: Context) {
    shareOfTwice(c, 0);
    shareOfTwice(c, 1);
    return { share: c.make(lengthOf(c.out)) };
  },
  deal(c: Context) {
    for (const [i, t] of c.types.entries()) if (isStored(c, i)) c.takes(lengthOf(t));
    c.takes(lengthOf(c.types[0]!) + lengthOf(c.out));
    return {};
  },
};

/** Every array of a value, `as` it is or in a new array. */
function eachArray(cells: Cells, as: (cell: Cell) => Cell): Cells {
  return Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, as(cell)]));
}

function views(
  c: MemoryContext<{ shape: number[]; strides: number[]; offset: number }>,
  stored: readonly (keyof Cells)[],
): Cells {
  const whole = isWhole(c.a, lengthOf(c.types[0]!));
  if (whole) return c.ins[0]!;
  const made = () => c.make(lengthOf(c.out));
  if (c.ins[0]!.known) {
    readsPublic(c, 0);
    return { words: made() };
  }
  if (!c.ins[0]!.stored) return eachArray(c.ins[0]!, made);
  c.takes(4 * lengthOf(c.types[0]!));
  return Object.fromEntries(stored.map((name) => [name, made()]));
}

/** Octaves whose angles are cut. */
const far = (a: Octaves) => octavesOf(a).filter((o) => isFar(o.low)).length;

const seriesWork = (sets: number) => (ins: ValueType[], a: { coefficients: unknown[] }) =>
  2 * sets * a.coefficients.length * lengthOf(ins[0]!);

/** Footprints by the name of the instruction. */
export const footprints: Readonly<Record<string, Footprint>> = {
  add: { memory: broadcasts },
  sub: { memory: broadcasts },
  affine: {
    memory: {
      finish: (c: MemoryContext<{ scale: string; offset: string }>) =>
        c.a.scale === '1' && c.a.offset === '0' ? { share: c.ins[0]!.share! } : { share: c.make(lengthOf(c.out)) },
    },
  },
  drop: {
    memory: {
      finish(c: Context) {
        c.takes(lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
    },
  },
  mulPublic: {
    memory: {
      finish(c: MemoryContext<{ shape: number[] }>) {
        broadcast(c, c.types[0]!.shape);
        broadcast(c, c.a.shape);
        return { share: c.make(lengthOf(c.out)) };
      },
    },
  },
  matMulPublic: {
    work: products,
    memory: {
      finish(c: Context) {
        for (const i of [0, 1]) readsPublic(c, i);
        return { share: c.make(lengthOf(c.out)) };
      },
    },
  },
  timesPublic: { memory: withPublic },
  addPublic: { memory: withPublic },
  sharePublic: {
    memory: {
      finish(c: Context) {
        const { words } = c.ins[0]!;
        return { share: words ?? c.make(lengthOf(c.out)) };
      },
    },
  },
  cumSum: {
    memory: {
      finish(c: Context) {
        const n = lengthOf(c.out);
        c.takes(2 * n + n / Math.max(1, c.out.shape.at(-1)!));
        return { share: c.make(n) };
      },
    },
  },
  layout: {
    memory: {
      finish: (c: MemoryContext<{ shape: number[]; strides: number[]; offset: number }>) => views(c, ['m', 'half']),
      deal: (c: MemoryContext<{ shape: number[]; strides: number[]; offset: number }>) => views(c, ['r', 'difference']),
    },
  },
  unwrap: {
    memory: {
      finish(c: Context) {
        readsHalf(c, 0);
        const { share } = c.ins[0]!;
        if (share) return { share };
        publicPart(c, 0);
        return { share: c.make(lengthOf(c.out)) };
      },
    },
  },
  subOpened: {
    memory: {
      finish(c: Context) {
        const n = lengthOf(c.out);
        if (openedType(c, 0).bits === 0) return { m: c.make(n) };
        const halves = [0, 1].every((i) => c.ins[i]!.half || isStored(c, i));
        for (const i of [0, 1]) {
          readsWhole(c, i);
          readsHalf(c, i);
          if (!halves) shareOf(c, i);
        }
        return { m: c.make(n), [halves ? 'half' : 'share']: c.make(n) };
      },
      deal(c: Context) {
        const n = lengthOf(c.out);
        for (const i of [0, 1]) {
          readsWhole(c, i);
          readsHalf(c, i);
        }
        const differs = [0, 1].every((i) => c.ins[i]!.difference || isStored(c, i));
        return { r: c.make(n), ...(differs && { difference: c.make(n) }) };
      },
    },
  },
  open: {
    memory: {
      begin: (c: Context) => c.takes(lengthOf(c.out)),
      finish({ a, ins, masks, material, opened, make, out }: MemoryContext<{ share: string }>) {
        const [m, n] = [opened, lengthOf(out)];
        if (a.share === 'none') return { m };
        if (a.share === 'kept') return { stored: make(0) };
        if (a.share === 'source') return { m, share: ins[0]!.share! };
        if (a.share === 'modular') return { m, half: masks[0]! };
        return { m, share: make(n), wrapSet: material, wrapClear: material };
      },
      deal(c: MemoryContext<{ share: string }>) {
        const n = lengthOf(c.out);
        if (c.a.share === 'kept') return { stored: c.make(0) };
        const [difference] = c.differences;
        const mask = { r: c.make(n), ...(difference && { difference }) };
        if (c.a.share !== 'lift') return mask;
        c.takes(3 * n);
        return { ...mask, total: c.masks[0]! };
      },
    },
  },
  extend: {
    memory: {
      begin: (c: Context) => c.takes(2 * lengthOf(c.out)),
      finish(c: Context) {
        const n = lengthOf(c.out);
        c.takes(n);
        return { m: c.make(n), share: c.make(n) };
      },
      deal(c: Context) {
        const n = lengthOf(c.out);
        return { r: c.make(n), ...(c.differences.length > 0 && { difference: c.make(n) }) };
      },
    },
  },
  matMul: {
    work: products,
    memory: bilinear,
  },
  rotate: {
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        readsWhole(c, 0);
        c.takes(lengthOf(c.types[0]!) * 2 ** openedType(c, 0).width);
        return {};
      },
    },
  },
  bucketSums: {
    work: (ins: ValueType[]) => CHOICES * lengthOf(ins[1]!),
    memory: {
      finish(c: Context) {
        if (c.types[1]!.kind !== 'public') return bilinear.finish!(c as never);
        readsPublic(c, 1);
        shareOf(c, 0);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal: (c: Context) => (c.types[1]!.kind === 'public' ? {} : bilinear.deal!(c as never)),
    },
  },
  mul: {
    memory: {
      finish(c: Context) {
        for (const i of [0, 1]) {
          const { shape } = c.types[i]!;
          publicPart(c, i);
          broadcast(c, shape);
          shareOf(c, i);
          broadcast(c, shape);
        }
        c.takes(lengthOf(c.out));
        choices(c, [0, 1]);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        unknownParts(c, 0);
        unknownParts(c, 1);
        c.takes(cases(c.types[0]!) * cases(c.types[1]!) * lengthOf(c.out));
        return {};
      },
    },
  },
  mulDrop: {
    memory: {
      finish(c: Context) {
        publicPart(c, 0);
        for (let i = 0; i < 5; i++) broadcast(c, c.types[1]!.shape);
        c.takes(10 * lengthOf(c.out) + 10 * lengthOf(c.types[1]!));
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        for (let i = 0; i < 5; i++) broadcast(c, c.types[1]!.shape);
        c.takes(12 * lengthOf(c.out) + 9 * lengthOf(c.types[1]!));
        return {};
      },
    },
  },
  square: {
    memory: {
      finish(c: MemoryContext<{ apart?: boolean }>) {
        publicPart(c, 0);
        shareOf(c, 0);
        if (c.a.apart && !openedType(c, 0).modular) c.takes(2 * lengthOf(c.out));
        else choices(c, [0]);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: MemoryContext<{ apart?: boolean }>) {
        // Apart there are a square, and a wrap by its top bit, which a zero is masked by
        if (c.a.apart && !openedType(c, 0).modular) {
          readsWhole(c, 0);
          c.takes(4 * lengthOf(c.out));
          return {};
        }
        unknownParts(c, 0);
        c.takes(cases(c.types[0]!) * lengthOf(c.out));
        return {};
      },
    },
  },
  maskedSquare: {
    memory: {
      finish(c: Context) {
        publicPart(c, 0);
        shareOf(c, 0);
        for (let i = 0; i < 2; i++) broadcast(c, c.types[1]!.shape);
        c.takes((openedType(c, 0).modular ? 2 : 8) * lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        readsWhole(c, 0);
        broadcast(c, c.types[1]!.shape);
        c.takes((openedType(c, 0).modular ? 4 : 10) * lengthOf(c.out));
        return {};
      },
    },
  },
  quotient: {
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        c.takes(2 * lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        readsWhole(c, 0);
        c.takes(3 * lengthOf(c.out) + planeWords(lengthOf(c.out)));
        return {};
      },
    },
  },
  ...bitFootprints,
  trig: {
    work: seriesWork(1),
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        return { share: c.make(lengthOf(c.out)) };
      },
      ...dealsWords((c: Series) => 2 * c.a.coefficients.length),
    },
  },
  trigReal: {
    work: seriesWork(2),
    memory: {
      finish(c: Context) {
        c.takes(lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
      ...dealsWords((c: Series) => 4 * c.a.coefficients.length, 2),
    },
  },
  octaveSeries: {
    work: (ins: ValueType[], a: Octaves) => octavesOf(a).reduce((sum, o) => sum + wordsOf(o, a), 0) * lengthOf(ins[0]!),
    memory: {
      finish(c: MemoryContext<Octaves>) {
        const n = lengthOf(c.out);
        readsWhole(c, 0);
        // What is picked, a part of the sum, and an octave's angles
        c.takes((2 * c.a.coefficients.length + 2 + 2 * far(c.a)) * n);
        return { share: c.make(n) };
      },
      deal(c: MemoryContext<Octaves>) {
        const n = lengthOf(c.out);
        const all = octavesOf(c.a).reduce((sum, o) => sum + wordsOf(o, c.a), 0);
        readsWhole(c, 0);
        c.takes((all + 2 * c.a.coefficients.length + 2 * far(c.a)) * n);
        return {};
      },
    },
  },
  expNegative: {
    memory: {
      finish(c: MemoryContext<{ origin: number }>) {
        readsWhole(c, 0);
        if (c.a.origin !== 0) c.takes(lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
      ...dealsWords((c: MemoryContext<{ tableBits?: number }>) => (c.a.tableBits === undefined ? 4 : 8)),
    },
  },
};
