/**
 * What an instruction takes of a node's memory and time, told from its operands' types: the arrays that its `begin`,
 * `finish` and `deal` make, one by one in their order, and those of its operands that go into its result. A test runs
 * every composition and holds what the arenas saw against it.
 */
import { planeWords } from '@secformer/ring';
import { CHOICES } from '../program/buckets.js';
import type { Cell, Cells, Memory, MemoryContext, Primitive } from '../program/primitive.js';
import {
  type BitsType,
  type ChunksType,
  type OpenedType,
  type Shape,
  sizeOf,
  type ValueType,
} from '../program/types.js';
import { DIGEST_BITS } from './digest.js';
import { isWhole } from './linear.js';
import { matMulShape } from './mat-mul.js';
import { lowerRows } from './outside.js';

/** Of attributes that do not matter. */
type Context = MemoryContext<unknown>;
type Series = MemoryContext<{ coefficients: readonly unknown[] }>;

const lengthOf = (t: ValueType) => sizeOf(t.shape);
const isStored = (c: Context, i: number) => c.ins[i]!.stored !== undefined;
const openedType = (c: Context, i: number) => c.types[i] as OpenedType;

// What is stored makes its arrays for whoever reads them: m or r out of a stream, its double and the words as they lie

function readsWhole(c: Context, i: number): void {
  if (isStored(c, i)) c.takes(3 * lengthOf(c.types[i]!));
}

function readsHalf(c: Context, i: number): void {
  if (isStored(c, i)) c.takes(lengthOf(c.types[i]!));
}

function publicPart(c: Context, i: number): void {
  readsWhole(c, i);
  if (openedType(c, i).offsetLog >= 0) c.takes(lengthOf(c.types[i]!));
}

function shareOf(c: Context, i: number): void {
  readsHalf(c, i);
  if (c.ins[i]!.share) return;
  publicPart(c, i);
  c.takes(lengthOf(c.types[i]!));
}

/** Of an operand of a product: what is stored is read as it lies, if not as somebody else left it. */
function shareOfTwice(c: Context, i: number): void {
  c.takes(lengthOf(c.types[i]!));
  if (!isStored(c, i)) publicPart(c, i);
}

/** An operand of a shape as the result's, copied if it is smaller. */
function broadcast(c: Context, shape: Shape): void {
  if (sizeOf(shape) !== lengthOf(c.out)) c.takes(lengthOf(c.out));
}

/** One array for each case of the operands' top bits, and where several are open, for those of the last alone. */
function choices(c: Context, operands: readonly number[]): void {
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

function unknownParts(c: Context, i: number): void {
  readsWhole(c, i);
  broadcast(c, c.types[i]!.shape);
  c.takes((openedType(c, i).modular ? 1 : 4) * lengthOf(c.out));
}

const cases = (t: ValueType) => ((t as OpenedType).modular ? 1 : 2);

const broadcasts: Memory<never> = {
  finish(c: Context) {
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

/** So many corrections of as many words as the result, and `more` arrays on the way. */
const dealsWords = <A>(count: (c: MemoryContext<A>) => number, more = 0) => ({
  deal(c: MemoryContext<A>): Cells {
    readsWhole(c, 0);
    c.takes((count(c) + more) * lengthOf(c.out));
    return {};
  },
});

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
  if (!c.ins[0]!.stored) return eachArray(c.ins[0]!, made);
  c.takes(4 * lengthOf(c.types[0]!));
  return Object.fromEntries(stored.map((name) => [name, made()]));
}

const planesOf = (t: ValueType) => ('planes' in t ? t.planes : 1) * (t.kind === 'chunks' ? 2 * t.chunks + 1 : 1);

/** Planes of 64 elements a word that one product of four masked bits takes in WebAssembly. */
const MASKED_PRODUCT_PLANES = 12;

const seriesWork = (sets: number) => (ins: ValueType[], a: { coefficients: unknown[] }) =>
  2 * sets * a.coefficients.length * lengthOf(ins[0]!);

type Footprint = Pick<Primitive<never>, 'memory' | 'work'>;

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
    work(ins: ValueType[], a: { transposeA: boolean; transposeB: boolean; magnitude: number }) {
      const { batch, m, k, n } = matMulShape(ins[0]!.shape, ins[1]!.shape, a);
      return sizeOf(batch) * m * k * n;
    },
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
  bucketSums: { work: (ins: ValueType[]) => CHOICES * lengthOf(ins[1]!), memory: bilinear },
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
  square: {
    memory: {
      finish(c: Context) {
        publicPart(c, 0);
        shareOf(c, 0);
        choices(c, [0]);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        unknownParts(c, 0);
        c.takes(cases(c.types[0]!) * lengthOf(c.out));
        return {};
      },
    },
  },
  compare: {
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        return { planes: c.make(planesOf(c.out) * planeWords(lengthOf(c.out))) };
      },
      deal(c: MemoryContext<{ window: number }>) {
        const n = lengthOf(c.out);
        readsWhole(c, 0);
        // Two tables of four bits a chunk at most
        const rows = 2 * (c.out as ChunksType).chunks - 1;
        c.takes(rows * Math.ceil(n / 4) + planeWords(n));
        return {};
      },
    },
  },
  combine: {
    memory: {
      begin: (c: Context) => c.takes(c.masks[0]!.bytes / 8),
      finish(c: Context) {
        const words = planeWords(lengthOf(c.out));
        c.takes(MASKED_PRODUCT_PLANES * words);
        return { planes: c.make(planesOf(c.out) * words) };
      },
      deal(c: Context) {
        c.takes(c.material.bytes / 8);
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
  outside: {
    memory: {
      finish(c: Context) {
        const words = planeWords(lengthOf(c.out));
        readsWhole(c, 0);
        c.takes(words + c.material.bytes / 8);
        return { planes: c.make(words) };
      },
      deal(c: MemoryContext<{ bits: number }>) {
        const lower = lowerRows(lengthOf(c.out), c.a.bits);
        readsWhole(c, 0);
        c.takes((lower < lengthOf(c.out) ? 2 : 1) * Math.ceil(lower / 4));
        return {};
      },
    },
  },
  digest: {
    memory: {
      finish(c: Context) {
        const planes = c.types.reduce((sum, t) => sum + planesOf(t) * planeWords(lengthOf(t)), 0);
        c.takes(planes + DIGEST_BITS / 2);
        return { share: c.make(DIGEST_BITS) };
      },
      deal(c: Context) {
        c.takes(c.material.bytes / 8);
        return {};
      },
    },
  },
  oneHot: {
    memory: {
      finish(c: Context) {
        const words = (c.out as BitsType).planes * planeWords(lengthOf(c.out));
        c.takes(words);
        return { planes: c.make(words) };
      },
    },
  },
  planes: {
    memory: {
      finish: (c: Context) => ({ planes: c.ins[0]!.planes! }),
      deal: ({ ins }: Context) => (ins[0]!.beta ? { beta: ins[0]!.beta } : {}),
    },
  },
  openBits: {
    memory: {
      begin: (c: Context) => c.takes(c.masks[0]!.bytes / 8),
      finish: (c: Context) => ({ planes: c.opened }),
      deal: (c: Context) => ({ beta: c.masks[0]! }),
    },
  },
  bitValue: { memory: dealsWords(() => 1) },
  bitMultiply: {
    memory: {
      finish(c: Context) {
        readsWhole(c, 1);
        shareOf(c, 1);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        readsWhole(c, 1);
        c.takes(3 * lengthOf(c.out) + 2 * lengthOf(c.types[1]!));
        return {};
      },
    },
  },
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
  expNegative: {
    memory: {
      finish(c: MemoryContext<{ origin: number }>) {
        readsWhole(c, 0);
        if (c.a.origin !== 0) c.takes(lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
      ...dealsWords(() => 4),
    },
  },
};
