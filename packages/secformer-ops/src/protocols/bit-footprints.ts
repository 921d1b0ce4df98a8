/** What comparisons, planes of bits and what is selected by them take of a node's memory (see footprints). */
import { planeWords } from '@secformer/ring';
import type { MemoryContext } from '../instruction/primitive.js';
import { type BitsType, planesOf, type ValueType } from '../instruction/types.js';
import { rowsOf } from './compare-rows.js';
import { DIGEST_BITS } from './digest.js';
import { type Context, dealsWords, type Footprint, lengthOf, readsWhole, shareOf } from './operand-memory.js';
import { lowerRows } from './outside.js';
import { entriesLog } from './pairs.js';

/** Planes of 64 elements a word that one product of four masked bits takes in WebAssembly. */
const MASKED_PRODUCT_PLANES = 12;

export const bitFootprints: Readonly<Record<string, Footprint>> = {
  compare: {
    memory: {
      finish(c: MemoryContext<{ window: number; chunk?: number }>) {
        const words = planeWords(lengthOf(c.out));
        readsWhole(c, 0);
        // Halves of wide tables, and the bit that takes one
        if (c.a.chunk === 5) c.takes((rowsOf(c.a.window, 5) + 1) * words);
        return { planes: c.make(planesOf(c.out) * words) };
      },
      deal(c: MemoryContext<{ window: number; chunk?: number }>) {
        const n = lengthOf(c.out);
        readsWhole(c, 0);
        c.takes(rowsOf(c.a.window, c.a.chunk) * Math.ceil(n / 4) + planeWords(n));
        return {};
      },
    },
  },
  compareTable: {
    // A table takes as long to make and to send as so many elements
    work: (ins: ValueType[], a: { window: number }) => lengthOf(ins[0]!) * 2 ** (a.window - 6),
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        return { planes: c.make(planesOf(c.out) * planeWords(lengthOf(c.out))) };
      },
      deal(c: MemoryContext<{ window: number }>) {
        readsWhole(c, 0);
        c.takes(lengthOf(c.out) * 2 ** (c.a.window - 6));
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
  topBits: {
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        c.takes(lengthOf(c.out));
        return { m: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        readsWhole(c, 0);
        c.takes(lengthOf(c.out));
        return { r: c.make(lengthOf(c.out)) };
      },
    },
  },
  losses: {
    memory: {
      finish: (c: Context) => ({ share: c.make(lengthOf(c.out)) }),
      deal(c: Context) {
        c.takes(c.material.bytes / 8);
        return {};
      },
    },
  },
  larger: {
    memory: {
      finish(c: Context) {
        for (const i of [0, 1]) readsWhole(c, i);
        c.takes(lengthOf(c.out));
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        for (const i of [0, 1]) readsWhole(c, i);
        c.takes(c.material.bytes / 8);
        return {};
      },
    },
  },
  winner: {
    work: (ins: ValueType[]) => lengthOf(ins[0]!) * 2 ** entriesLog(ins),
    memory: {
      finish(c: Context) {
        readsWhole(c, 0);
        return { share: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        readsWhole(c, 0);
        c.takes(c.material.bytes / 8);
        return {};
      },
    },
  },
  distanceBelow: {
    memory: {
      finish(c: Context) {
        for (const i of [0, 1]) readsWhole(c, i);
        return { m: c.make(lengthOf(c.out)) };
      },
      deal(c: Context) {
        for (const i of [0, 1]) readsWhole(c, i);
        return { r: c.make(lengthOf(c.out)) };
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
};
