import { type MaskedTerm, type PickedRow, planeWords, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { type Block, joined, planeBlock } from '../instruction/blocks.js';
import { int, integerText, noAttributes, primitive } from '../instruction/primitive.js';
import {
  type BitsType,
  type ChunksType,
  check,
  describeAll,
  type OpenedType,
  offsetOf,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';
import {
  asRow,
  CHUNK_BITS,
  chunkCount,
  chunkPlanes,
  picksOf,
  plane,
  rowsOf,
  tableRows,
  WIDE_CHUNK_BITS,
} from './compare-rows.js';

/** Chunks that one round joins: 15 products of masks a group and threshold for one round less than pairs. */
const GROUP = 4;

const rowBlock = (n: number): Block => ({ count: Math.ceil(n / 4), bits: 64, xor: true });

/**
 * Comparison with public thresholds, first half: [x < τ] is the top bit of m − offset − τ − r on a window of m, and
 * msb(a − r) = msb a ⊕ msb r ⊕ [low a < low r], a public.
 *
 *   1. T cuts r's window into chunks of 4 bits, or 5, and xor-shares the tables [t < r_c], [t = r_c] for every t
 *   2. a party picks the entries that the public chunks of a name           (local, for any number of thresholds: the
 *   tables depend on r alone)
 *   `combine` joins them.
 *
 * Domain the window must hold x − τ: bits position to position + window − 1 of m; else the sign flips. Low bits left
 * out of the window make
 *        values in [τ − resolution, τ) say 'not less'; never the other way.
 * Cost   no round; dealer 97 bits an element at window 16, 161 in chunks of 5, of which there are three and not four.
 * View   P1 sees tables masked by P0's stream; the parties send nothing.
 * Source protocols section 5.
 */
export const compare = primitive({
  name: 'compare',
  attributes: z.object({
    position: int(0, 62),
    window: int(2, 64),
    thresholds: z.array(integerText).min(1).max(64),
    /** bits of a chunk: 4 if absent */
    chunk: int(CHUNK_BITS, WIDE_CHUNK_BITS).optional(),
    /**
     * the borrow [low(m − offset − τ) < low r] of the bits below the window's top, for `quotient`; it depends on the
     * mask
     */
    borrow: z.boolean().optional(),
  }),
  infer(ins, a): ChunksType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'opened', () => 'compare needs an opened value');
    check(
      a.position + a.window <= x.width,
      () => `a window of bits ${a.position} to ${a.position + a.window - 1} of an opening of ${x.width}`,
    );
    return { kind: 'chunks', shape: x.shape, planes: a.thresholds.length, chunks: chunkCount(a.window, a.chunk) };
  },
  needs: () => [0],
  material(ins, a) {
    const n = sizeOf(ins[0]!.shape);
    const rows = Array<Block>(rowsOf(a.window, a.chunk)).fill(rowBlock(n));
    return a.borrow ? rows : [...rows, planeBlock(1, n)];
  },
  deal({ kernels, a, ins }) {
    const r = ins[0]!.r!;
    const material = tableRows(a).map((row) => {
      const words = zeros(Math.ceil(r.length / 4));
      kernels.chunkTables(asRow(words, r.length), r, row);
      return words;
    });
    if (a.borrow) return { value: {}, material };
    const top = zeros(planeWords(r.length));
    kernels.bitPlane(top, r, 0n, a.position + a.window - 1);
    return { value: {}, material: [...material, top] };
  },
  finish({ kernels, role, a, ins, types, material, out }) {
    const m = ins[0]!.m!;
    const { chunks, planes } = out as ChunksType;
    const offset = offsetOf(types[0] as OpenedType);
    const size = planeWords(m.length);
    const at = chunkPlanes(planes, chunks, size);
    const result = zeros(at.total);
    const count = a.borrow ? material.length : material.length - 1;
    const tables = joined(material.slice(0, count));
    const stride = tables.length / count;
    const picked = picksOf(a);
    const apart = zeros(picked[0]!.halves.length * size);
    const bit = zeros(picked[0]!.joins.length > 0 ? size : 0);
    for (let t = 0; t < planes; t++) {
      const tau = BigInt.asUintN(64, (BigInt(a.thresholds[t]!) << BigInt(a.position)) + offset);
      const from = (into: Words, rows: readonly PickedRow[]) => {
        if (rows.length > 0) kernels.pick(into, m, asRow(tables, 4 * tables.length), 4 * stride, tau, rows);
      };
      const { rows, halves, joins } = picked[t]!;
      from(result, rows);
      from(apart, halves);
      joins.forEach((join, i) => {
        const [low, high, to] = [
          plane(apart, 2 * i, size),
          plane(apart, 2 * i + 1, size),
          plane(result, join.plane, size),
        ];
        kernels.xor(high, high, low);
        // The tables of a chunk follow one another
        if (join.position !== joins[i - 1]?.position) kernels.bitPlane(bit, m, tau, join.position);
        kernels.and(to, high, bit);
        kernels.xor(to, to, low);
      });
      if (a.borrow) continue;
      const top = at.top(result, t);
      if (role === 0) kernels.bitPlane(top, m, tau, a.position + a.window - 1);
      kernels.xor(top, top, material.at(-1)!);
    }
    return { planes: result };
  },
  holds(ins, a) {
    if (a.borrow) return undefined;
    const unit = 2 ** (a.position - (ins[0] as OpenedType).fracBits);
    const taus = a.thresholds.map(Number);
    const half = 2 ** (a.window - 1);
    return [(Math.max(...taus) - half) * unit, (Math.min(...taus) + half) * unit];
  },
  plain({ a, ins, types }) {
    if (a.borrow) return undefined;
    const scale = 2 ** ((types[0] as OpenedType).fracBits - a.position);
    const n = ins[0]!.length;
    const out = new Float64Array(n * a.thresholds.length);
    a.thresholds.forEach((text, t) => {
      const tau = Number(text);
      for (let i = 0; i < n; i++) out[t * n + i] = ins[0]![i]! * scale < tau ? 1 : 0;
    });
    return out;
  },
});

/**
 * One group of chunks joined in a round, its variables numbered: less of all but the highest chunk, equal of all that
 * matter.
 */
interface Group {
  from: number;
  size: number;
  variables: { kind: 'less' | 'equal'; chunk: number }[];
  /** sets of variables (bit masks) whose products are xored into the group's 'less' and that make up its 'equal' */
  lessTerms: number[];
  equalTerm: number;
  /** sets of two and more variables whose product of masks T shares */
  products: number[];
  /** the variables of each term, and where the products of its subsets' masks are */
  terms: Map<number, MaskedTerm>;
}

const groupsByChunks = new Map<number, Group[]>();

/** The same few for every comparison, and asked for again and again. */
function groupsOf(chunks: number): Group[] {
  let groups = groupsByChunks.get(chunks);
  if (!groups) {
    groups = [];
    for (let from = 0; from < chunks; from += GROUP) groups.push(groupOf(from, Math.min(GROUP, chunks - from)));
    groupsByChunks.set(chunks, groups);
  }
  return groups;
}

function groupOf(from: number, size: number): Group {
  const variables: Group['variables'] = [];
  for (let c = 0; c < size - 1; c++) variables.push({ kind: 'less', chunk: from + c });
  const less = variables.map((_, i) => 1 << i);
  // The lowest group's 'equal' decides nothing, so its lowest 'equal' is not opened
  const equal: number[] = [];
  for (let c = from === 0 ? 1 : 0; c < size; c++) {
    equal[c] = 1 << variables.length;
    variables.push({ kind: 'equal', chunk: from + c });
  }
  const above = (c: number) => equal.slice(c + 1).reduce((s, e) => s | (e ?? 0), 0);
  const lessTerms = less.map((bit, c) => bit | above(c));
  const equalTerm = from === 0 ? 0 : above(-1);
  const products = new Set<number>();
  for (const term of [...lessTerms, equalTerm]) {
    for (let s = term; s > 0; s = (s - 1) & term) if (s & (s - 1)) products.add(s);
  }
  const sorted = [...products].sort((a, b) => a - b);
  const terms = new Map([...lessTerms, equalTerm].map((term) => [term, termOf(term, variables.length, sorted)]));
  return { from, size, variables, lessTerms, equalTerm, products: sorted, terms };
}

/**
 * Comparison, second half: joins up to four chunks a round, lt = l3 ⊕ e3·l2 ⊕ e3·e2·l1 ⊕ e3·e2·e1·l0, by opening every
 * entry once.
 *
 *   1. every entry v gets a mask a_v (both halves from the streams); open o_v = v ⊕ a_v           (one round)
 *   2. Π v = ⊕_S (Π_{v∉S} o_v)·⟦Π_{v∈S} a_v⟧, T shares the products of two and more masks       (local)
 *
 * With one group left the result is the bit [x < τ]; else the groups' (less, equal) go into another round.
 * Exact. Cost 1 round, 6 bits each way an element and threshold for four chunks; dealer 15 bits.
 * View   the entries under one-time masks, fresh for every threshold. Source protocols section 5.
 */
export const combine = primitive({
  name: 'combine',
  attributes: noAttributes,
  infer(ins): BitsType | ChunksType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'chunks', () => `combine needs a comparison, got ${describeAll(ins)}`);
    const chunks = Math.ceil(x.chunks / GROUP);
    return chunks === 1 ? { kind: 'bits', shape: x.shape, planes: x.planes } : { ...x, chunks };
  },
  masks: (ins) => [planesOfGroups(ins, (g) => g.variables.length)],
  opens: (ins) => planesOfGroups(ins, (g) => g.variables.length),
  material: (ins) => [planesOfGroups(ins, (g) => g.products.length)],
  deal({ kernels, types, masks }) {
    const { planes, chunks, size } = dimensions(types);
    const out = scratch(planesOfGroups(types, (g) => g.products.length).count);
    let [v, p] = [0, 0];
    for (let t = 0; t < planes; t++) {
      for (const g of groupsOf(chunks)) {
        // Smaller sets come first: each product is one before it times one mask more
        const made = new Map(g.variables.map((_, i) => [1 << i, plane(masks[0]!, v + i, size)]));
        for (const set of g.products) {
          const low = set & -set;
          const to = plane(out, p++, size);
          kernels.and(to, made.get(set ^ low)!, made.get(low)!);
          made.set(set, to);
        }
        v += g.variables.length;
      }
    }
    return { value: {}, material: [out] };
  },
  begin({ kernels, ins, types, masks }) {
    const { planes, chunks, size } = dimensions(types);
    const at = chunkPlanes(planes, chunks, size);
    const out = scratch(masks[0]!.length);
    let v = 0;
    for (let t = 0; t < planes; t++) {
      for (const g of groupsOf(chunks)) {
        for (const { kind, chunk } of g.variables) {
          kernels.xor(plane(out, v, size), plane(masks[0]!, v, size), at[kind](ins[0]!.planes!, t, chunk));
          v++;
        }
      }
    }
    return out;
  },
  finish({ kernels, role, ins, types, masks, material, opened, out }) {
    const { planes, chunks, size } = dimensions(types);
    const from = chunkPlanes(planes, chunks, size);
    const source = ins[0]!.planes!;
    const last = out.kind === 'bits';
    const to = chunkPlanes(planes, Math.ceil(chunks / GROUP), size);
    const result = zeros(last ? planes * size : to.total);
    let [v, p] = [0, 0];
    for (let t = 0; t < planes; t++) {
      groupsOf(chunks).forEach((g, index) => {
        // The group's own planes
        const [open, mask, products] = [
          opened.subarray(v * size),
          masks[0]!.subarray(v * size),
          material[0]!.subarray(p * size),
        ];
        const addTerm = (into: Words, term: number) =>
          kernels.maskedProduct(into, open, mask, products, g.terms.get(term)!, role === 0);
        const less = last ? plane(result, t, size) : to.less(result, t, index);
        kernels.xor(less, less, from.less(source, t, g.from + g.size - 1));
        for (const term of g.lessTerms) addTerm(less, term);
        if (!last && g.equalTerm) addTerm(to.equal(result, t, index), g.equalTerm);
        v += g.variables.length;
        p += g.products.length;
      });
      const top = last ? plane(result, t, size) : to.top(result, t);
      kernels.xor(top, top, from.top(source, t));
    }
    return { planes: result };
  },
  plain: ({ ins }) => ins[0],
});

function termOf(term: number, variables: number, products: number[]): MaskedTerm {
  const inTerm = Array.from({ length: variables }, (_, i) => i).filter((i) => term & (1 << i));
  const sets = Int32Array.from({ length: 2 ** inTerm.length }, (_, s) => {
    const set = inTerm.reduce((bits, i, at) => (s & (1 << at) ? bits | (1 << i) : bits), 0);
    return products.indexOf(set);
  });
  return { variables: Int32Array.from(inTerm), sets };
}

function dimensions(types: ValueType[]): { planes: number; chunks: number; size: number } {
  const { planes, chunks, shape } = types[0] as ChunksType;
  return { planes, chunks, size: planeWords(sizeOf(shape)) };
}

/** So many planes of every group and threshold. */
function planesOfGroups(types: ValueType[], each: (g: Group) => number): Block {
  const { planes, chunks, shape } = types[0] as ChunksType;
  return planeBlock(planes * groupsOf(chunks).reduce((s, g) => s + each(g), 0), sizeOf(shape));
}
