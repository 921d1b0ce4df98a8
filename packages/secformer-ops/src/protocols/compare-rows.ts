/** Where the tables and the planes of a comparison lie: see `compare`. */
import type { PickedRow, TableRow, Words } from '@secformer/ring';

/** Bits of a chunk, whose table has 16 entries. */
export const CHUNK_BITS = 4;
/** Chunks of so many bits have tables of 32 entries, as two rows: a quarter fewer chunks, for more of the dealer. */
export const WIDE_CHUNK_BITS = 5;

/** A row of tables, for every element, and the number of its chunk. */
export interface Row extends TableRow {
  chunk: number;
}

/** Where a window lies, and the bits of its chunks. */
interface Window {
  position: number;
  window: number;
  chunk?: number | undefined;
}

/**
 * The 16-bit table rows of a window of w bits: the top bit apart, chunks of 4 or 5 from below; the lowest needs no eq,
 * one of 5 has two rows for each table, and one of 3 and fewer shares a row.
 */
export function tableRows({ position, window, chunk: bits = CHUNK_BITS }: Window): Row[] {
  const rows: Row[] = [];
  for (let chunk = 0, low = 0; low < window - 1; chunk++, low += bits) {
    const width = Math.min(bits, window - 1 - low);
    const kinds: Row['kind'][] = chunk === 0 ? ['lt'] : width < CHUNK_BITS ? ['both'] : ['lt', 'eq'];
    for (const kind of kinds) {
      const row = { chunk, position: position + low, width, kind };
      if (width === WIDE_CHUNK_BITS) rows.push({ ...row, from: 0 }, { ...row, from: 16 });
      else rows.push(row);
    }
  }
  return rows;
}

/** The number of rows by the width of the window: a checker asks for it again and again. */
const rowCounts = [CHUNK_BITS, WIDE_CHUNK_BITS].map((chunk) =>
  Array.from({ length: 65 }, (_, window) => (window < 2 ? 0 : tableRows({ position: 0, window, chunk }).length)),
);

/** 16-bit rows of the tables of a comparison. */
export const rowsOf = (window: number, chunk = CHUNK_BITS): number => rowCounts[chunk - CHUNK_BITS]![window]!;

/** What is picked for a threshold. */
interface Picked {
  /** entries, right into the planes that they are for */
  rows: PickedRow[];
  /** entries of either half of a wide table, in planes of their own, … */
  halves: PickedRow[];
  /** … one after the other, of which the bit at `position` takes one into `plane` */
  joins: { plane: number; position: number }[];
}

/** Of each instruction, which a Program runs again and again. */
const picks = new WeakMap<object, Picked[]>();

export function picksOf(a: Window & { thresholds: string[] }): Picked[] {
  const made = picks.get(a);
  if (made) return made;
  const rows = tableRows(a);
  const at = chunkPlanes(a.thresholds.length, chunkCount(a.window, a.chunk), 0);
  const picked = a.thresholds.map((_, t) => {
    const out: Picked = { rows: [], halves: [], joins: [] };
    rows.forEach(({ kind, chunk, position, width, from }, table) => {
      const [less, equal] = [at.lessPlane(t, chunk), at.equalPlane(t, chunk)];
      if (from !== undefined) {
        out.halves.push({ table, plane: out.halves.length, position, width: CHUNK_BITS, base: 0 });
        if (from === 0) out.joins.push({ plane: kind === 'lt' ? less : equal, position: position + CHUNK_BITS });
        return;
      }
      if (kind !== 'eq') out.rows.push({ table, plane: less, position, width, base: 0 });
      if (kind !== 'lt') out.rows.push({ table, plane: equal, position, width, base: kind === 'both' ? 8 : 0 });
    });
    return out;
  });
  picks.set(a, picked);
  return picked;
}

export const chunkCount = (window: number, chunk = CHUNK_BITS) => Math.ceil((window - 1) / chunk);
export const plane = (w: Words, i: number, size: number): Words => w.subarray(i * size, (i + 1) * size);

/** A row of the tables as what it is made of. */
export const asRow = (w: Words, n: number): Uint16Array => new Uint16Array(w.buffer, w.byteOffset, n);

/** Where the planes of a comparison lie: all 'less', all 'equal', then the xor of the top bits. */
export function chunkPlanes(planes: number, chunks: number, size: number) {
  const part = (words: Words, i: number) => plane(words, i, size);
  const lessPlane = (t: number, c: number) => t * chunks + c;
  const equalPlane = (t: number, c: number) => (planes + t) * chunks + c;
  return {
    total: (2 * chunks + 1) * planes * size,
    lessPlane,
    equalPlane,
    less: (w: Words, t: number, c: number) => part(w, lessPlane(t, c)),
    equal: (w: Words, t: number, c: number) => part(w, equalPlane(t, c)),
    top: (w: Words, t: number) => part(w, 2 * planes * chunks + t),
  };
}
