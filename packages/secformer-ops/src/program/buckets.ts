import { SecformerError } from '@secformer/ring';

/** Buckets that a row of a table may be looked up in. */
export const CHOICES = 6;

/** Buckets for a lookup of `count` indices: so few, and each index finds one of its own but for less than one in 2^89 sets of indices that were not chosen for it. */
export function bucketsFor(count: number): number {
  return count + Math.max(24, Math.ceil(count / 8));
}

let last: { rows: number; buckets: number; of: Int32Array } | undefined;

/** The buckets of each row of a table, CHOICES different ones a row: a public function, the same for everybody. */
export function bucketsOf(rows: number, buckets: number): Int32Array {
  if (last?.rows === rows && last.buckets === buckets) return last.of;
  const of = new Int32Array(rows * CHOICES);
  let counter = 0;
  for (let at = 0; at < of.length; ) {
    const bucket = Math.floor((hash(counter++) / 2 ** 32) * buckets);
    let taken = false;
    for (let j = at - (at % CHOICES); j < at; j++) taken ||= of[j] === bucket;
    if (!taken) of[at++] = bucket;
  }
  last = { rows, buckets, of };
  return of;
}

/** The finaliser of MurmurHash3: every bit of the number changes half of the result's. */
function hash(n: number): number {
  let h = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Where the ones are in the two matrices that look up `indices` in a table: [rows, CHOICES], which row is looked up in which of its buckets, and [indices, buckets], in
 * which bucket each index finds its row. Every bucket holds one row at most, and the same index twice is one row.
 */
export function placed(indices: Int32Array, rows: number): { hits: Int32Array; places: Int32Array } {
  const buckets = bucketsFor(indices.length);
  const of = bucketsOf(rows, buckets);
  // For each bucket the entry, row and choice, that it holds
  const holds = new Int32Array(buckets).fill(-1);
  const holder = new Map<number, number>();
  const find = (row: number, tried: Set<number>): boolean => {
    for (let entry = row * CHOICES; entry < (row + 1) * CHOICES; entry++) {
      const bucket = of[entry]!;
      if (tried.has(bucket)) continue;
      tried.add(bucket);
      const held = holds[bucket]!;
      if (held >= 0 && !find(Math.floor(held / CHOICES), tried)) continue;
      holds[bucket] = entry;
      holder.set(row, bucket);
      return true;
    }
    return false;
  };
  for (const row of new Set(indices)) {
    if (find(row, new Set())) continue;
    throw new SecformerError('LOOKUP_UNPLACED', `these ${indices.length} indices share too few of ${buckets} buckets, which does not happen by chance; look them up in two parts`);
  }
  return { hits: holds.filter((entry) => entry >= 0), places: indices.map((row, i) => i * buckets + holder.get(row)!) };
}
