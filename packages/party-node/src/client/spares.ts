import { limits } from '../limits.js';

/** A run that is being prepared, or is. */
export interface Attempt {
  /** rejects where it fails, and then nothing is left of it */
  readonly ready: Promise<unknown>;
  /** tensors whose openings it is prepared for */
  readonly tensors: ReadonlySet<number>;
  /** gives the randomness up */
  cancel(): void;
}

interface Spare<A> {
  attempt: A;
  /** of its randomness */
  bytes: number;
  ready: boolean;
  /** runs of other programs since this one's last */
  passed: number;
}

/** Programs that are remembered, to notice one that comes again. */
const REMEMBERED = 16;
/** A program that others have passed over so often leaves its place to one that repeats. */
const PATIENCE = 8;
/**
 * All spares together take so much more than the largest program alone, at most: many programs cost the nodes hardly
 * more memory than one.
 */
const ROOM = 1.25;

/**
 * Runs prepared in the background for programs that repeat: after the second run of a program its randomness is dealt
 * once more, so that the third finds it there. Its masks are of that run alone: what is given up is never used for
 * another. The nodes see no more than that a program may come again.
 * Bounded: `limits.spareRuns` programs, one run each, and in memory a quarter more than the largest program that was
 * seen of late takes alone. What is still being prepared gives way at once to any other run, for somebody waits for
 * that one.
 */
export class Spares<A extends Attempt> {
  readonly #spares = new Map<string, Spare<A>>();
  /** programs that ran of late, with the bytes of their randomness */
  readonly #seen = new Map<string, number>();

  /** A run comes. @returns what was prepared for its program, if anything; it is the caller's then */
  take(program?: string): A | undefined {
    const spare = program === undefined ? undefined : this.#spares.get(program);
    if (spare) this.#spares.delete(program!);
    for (const [key, other] of this.#spares) {
      other.passed++;
      if (!other.ready) this.#drop(key);
    }
    return spare?.attempt;
  }

  /** A run of this program is over: prepares the next one, if it was not the first. @param bytes of its randomness */
  over(program: string, bytes: number, prepare: () => A): void {
    const again = this.#seen.delete(program);
    this.#seen.set(program, bytes);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    if (!again || this.#spares.has(program)) return;
    const held = [...this.#spares.values()].reduce((sum, s) => sum + s.bytes, 0);
    if (held + bytes > ROOM * Math.max(...this.#seen.values())) {
      const idle = [...this.#spares].filter(([, s]) => s.passed >= PATIENCE);
      const freed = idle.reduce((sum, [, s]) => sum + s.bytes, 0);
      if (held - freed + bytes > ROOM * Math.max(...this.#seen.values())) return;
      for (const [key] of idle) this.#drop(key);
    }
    if (this.#spares.size >= limits.spareRuns) {
      const idle = [...this.#spares].find(([, s]) => s.passed >= PATIENCE);
      if (!idle) return;
      this.#drop(idle[0]);
    }
    const spare: Spare<A> = { attempt: prepare(), bytes, ready: false, passed: 0 };
    this.#spares.set(program, spare);
    spare.attempt.ready.then(
      () => {
        spare.ready = true;
      },
      () => this.lost(spare.attempt),
    );
  }

  /** There was no room for it, or a node gave it up: the next run does without. */
  lost(attempt: A): void {
    for (const [key, spare] of this.#spares) if (spare.attempt === attempt) this.#spares.delete(key);
  }

  /** Tensors are gone, so no run with their openings will come. */
  freed(tensors: readonly number[]): void {
    for (const [key, { attempt }] of this.#spares) if (tensors.some((t) => attempt.tensors.has(t))) this.#drop(key);
  }

  #drop(program: string): void {
    this.#spares.get(program)?.attempt.cancel();
    this.#spares.delete(program);
  }
}
