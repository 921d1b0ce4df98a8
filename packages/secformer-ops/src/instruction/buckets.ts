import { SecformerError } from '@secformer/ring';

/** Buckets that a row of a table may be looked up in. */
export const CHOICES = 6;

/**
 * Buckets for a lookup of `count` indices: so few, and each index finds one of its own but for less than one in 2^89
 * sets of indices that were not chosen for it.
 */
export function bucketsFor(count: number): number {
  return count + Math.max(24, Math.ceil(count / 8));
}

/** Salts are whole numbers up to this: 53 bits, which JSON carries exactly. */
export const MOST_SALT = Number.MAX_SAFE_INTEGER;

/** A salt from seven random bytes. Draw it before any index is known: it is public, and then tells nothing. */
export function saltOf(random: Uint8Array): number {
  return random
    .slice(0, 7)
    .reduce((salt, byte, i) => (i < 6 ? salt + byte * 2 ** (8 * i) : salt + (byte & 31) * 2 ** 48), 0);
}

/** Assignments that are kept, newest last, and the most numbers that they hold together; the newest is always kept. */
const KEPT = { assignments: 8, numbers: 2 ** 22 };
const known = new Map<string, Int32Array>();

/**
 * The buckets of each row of a table, CHOICES different ones a row: a public function of the salt, the same for all who
 * have it. Without a salt that nobody knew beforehand, whoever writes what is looked up could choose rows that share
 * too few buckets, and so have the lookup refused.
 */
export function bucketsOf(rows: number, buckets: number, salt: number): Int32Array {
  const key = `${rows} ${buckets} ${salt}`;
  const before = known.get(key);
  if (before) {
    known.delete(key);
    known.set(key, before);
    return before;
  }
  const of = new Int32Array(rows * CHOICES);
  const low = (salt % 2 ** 32) | 0;
  const high = Math.floor(salt / 2 ** 32) | 0;
  let counter = 0;
  for (let at = 0; at < of.length; ) {
    const bucket = Math.floor((keyed(counter++, low, high) / 2 ** 32) * buckets);
    let taken = false;
    for (let j = at - (at % CHOICES); j < at; j++) taken ||= of[j] === bucket;
    if (!taken) of[at++] = bucket;
  }
  known.set(key, of);
  let held = 0;
  for (const kept of known.values()) held += kept.length;
  for (const [oldest, kept] of known) {
    if (oldest === key || (known.size <= KEPT.assignments && held <= KEPT.numbers)) break;
    known.delete(oldest);
    held -= kept.length;
  }
  return of;
}

/**
 * A number for each count, as if drawn afresh for each salt. Three rounds, keyed by one half of the salt, the other,
 * and both. One round would leave relations between counts that hold under every salt: mix(x ⊕ k) and mix(y ⊕ k) only
 * permute with k, so a set that is bad for one k gives a bad one for each other. A second round with another key, added
 * and not xored, sees all of the first one's result, so which counts meet depends on both halves; the tests find no set
 * bad for one salt that is bad for another, nor more equal buckets than by chance. Nobody who knows the salt has to be
 * withstood: the client and the nodes do; whoever writes what is looked up sees neither the salt nor a bucket.
 */
function keyed(n: number, low: number, high: number): number {
  return mix(mix(mix(n ^ low) + high) ^ Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77));
}

/** The finaliser of MurmurHash3: every bit of the number changes half of the result's. */
function mix(n: number): number {
  let h = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Where the ones are in the two matrices that look up `indices` in a table: [rows, CHOICES], which row is looked up in
 * which of its buckets, and [indices, buckets], in which bucket each index finds its row. Every bucket holds one row at
 * most, and the same index twice is one row.
 */
export function placed(indices: Int32Array, rows: number, salt: number): { hits: Int32Array; places: Int32Array } {
  const buckets = bucketsFor(indices.length);
  const of = bucketsOf(rows, buckets, salt);
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
    const why = `these ${indices.length} indices share too few of ${buckets} buckets`;
    throw new SecformerError('LOOKUP_UNPLACED', `${why}, which does not happen by chance; look them up in two parts`);
  }
  return { hits: holds.filter((entry) => entry >= 0), places: indices.map((row, i) => i * buckets + holder.get(row)!) };
}
