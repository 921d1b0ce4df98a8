/** Which text of a pair is cut where the two are too long: the longer one, until both fit; or one of them alone. */
export type TruncationStrategy = 'longest_first' | 'only_first' | 'only_second';

export const TRUNCATION_STRATEGIES: readonly TruncationStrategy[] = ['longest_first', 'only_first', 'only_second'];

/**
 * How many tokens of each text are kept.
 *
 * @param lengths tokens of the first text, and of the second (0 without one)
 * @param room tokens that there is room for beside the special ones
 * @throws RangeError where the one text that may be cut would have to be left out altogether
 */
export function kept([first, second]: [number, number], room: number, strategy: TruncationStrategy): [number, number] {
  const excess = first + second - room;
  if (excess <= 0) return [first, second];
  if (room === 0) return [0, 0];
  if (strategy === 'longest_first') {
    const shorter = Math.min(first, second);
    if (shorter <= room / 2) return first <= second ? [first, room - first] : [room - second, second];
    // Of an odd number the longer text has one more, of two of one length the second
    const less = Math.floor(room / 2);
    return first <= second ? [less, room - less] : [room - less, less];
  }
  const [cut, name] = strategy === 'only_first' ? [first, 'first'] : [second, 'second'];
  if (cut <= excess) {
    const remedy = "expected fewer, a greater length, or 'longest_first'";
    const alone = `the ${name}, which alone may be cut ('${strategy}'), has ${cut}`;
    throw new RangeError(`the texts have ${excess} tokens too many, and ${alone}; ${remedy}`);
  }
  return strategy === 'only_first' ? [first - excess, second] : [first, second - excess];
}
