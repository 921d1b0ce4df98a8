import { limits } from '../limits.js';

/** A run that is prepared or being prepared. */
export interface Attempt {
  /** rejects if preparing fails; nothing of it is left then */
  readonly ready: Promise<unknown>;
  /** tensors whose openings it is prepared for */
  readonly tensors: ReadonlySet<number>;
  /** discards the randomness */
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

/** Programs that are remembered, to recognize one that repeats. */
const REMEMBERED = 16;
/** After so many runs of other programs, a program's prepared run may be evicted for one that repeats. */
const PATIENCE = 8;
/**
 * All prepared runs together may take this many times the memory of the largest program, so that many programs cost the
 * nodes hardly more than one.
 */
const ROOM = 1.25;

/**
 * Runs prefetched in the background for programs that repeat: after a program's second run the randomness of a third is
 * dealt. It belongs to that run alone: discarded randomness is never used for another. The nodes learn no more than
 * that a program may repeat. Bounded to `limits.spareRuns` programs, one run each, and to `ROOM` times the memory of
 * the largest recent program. A run that is still being prepared is cancelled as soon as any other run is asked for,
 * because somebody waits for that one.
 */
export class Spares<A extends Attempt> {
  readonly #spares = new Map<string, Spare<A>>();
  /** bytes of randomness of recent programs */
  readonly #seen = new Map<string, number>();

  /** Called when a run is asked for. @returns what is prepared for its program, which the caller then owns */
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

  /** There was no room for it, or a node has discarded it: the next run goes without. */
  lost(attempt: A): void {
    for (const [key, spare] of this.#spares) if (spare.attempt === attempt) this.#spares.delete(key);
  }

  /** Cancels runs prepared for openings of tensors that are freed. */
  freed(tensors: readonly number[]): void {
    for (const [key, { attempt }] of this.#spares) if (tensors.some((t) => attempt.tensors.has(t))) this.#drop(key);
  }

  #drop(program: string): void {
    this.#spares.get(program)?.attempt.cancel();
    this.#spares.delete(program);
  }
}
