/** Sentences as batches of one length, so that few Programs are planned and a batch shares its rounds. */

/** Examples that are computed together, by their numbers, each filled up to `length` tokens. */
export interface GlueBatch {
  rows: number[];
  length: number;
}

/** How large batches are. */
export interface BatchSizes {
  /** lengths are a multiple of this */
  bucket: number;
  /** tokens of an example at most */
  longest: number;
  /** examples of a batch at most */
  batch: number;
  /** tokens of a batch at most, but that one example always fits */
  tokens: number;
}

/**
 * Batches of the examples that are not done yet, the longest first: what takes most memory comes at once.
 * @param lengths tokens of each example
 * @param done numbers of those that are left out
 */
export function batchesOf(lengths: readonly number[], done: ReadonlySet<number>, sizes: BatchSizes): GlueBatch[] {
  const { bucket, longest, batch, tokens } = sizes;
  const buckets = new Map<number, number[]>();
  lengths.forEach((length, row) => {
    if (done.has(row)) return;
    const filled = Math.min(longest, Math.ceil(length / bucket) * bucket);
    buckets.set(filled, [...(buckets.get(filled) ?? []), row]);
  });
  return [...buckets]
    .sort(([a], [b]) => b - a)
    .flatMap(([length, rows]) => {
      const most = Math.max(1, Math.min(batch, Math.floor(tokens / length)));
      return Array.from({ length: Math.ceil(rows.length / most) }, (_, i) => ({
        rows: rows.slice(i * most, (i + 1) * most),
        length,
      }));
    });
}
