import { limits } from '../limits.js';

/** Tickets of runs that are over: each serves one run, and messages on their way may still name it. */
export class BurntTickets {
  /** with the longest payload that a client may still send for them */
  readonly #longest = new Map<string, number>();

  has(ticket: string): boolean {
    return this.#longest.has(ticket);
  }

  /** Largest payload of a client's message for a run that is over. */
  longest(ticket: string): number {
    return this.#longest.get(ticket) ?? 0;
  }

  add(ticket: string, longest: number): void {
    this.#longest.set(ticket, longest);
    if (this.#longest.size > limits.burntTickets) this.#longest.delete(this.#longest.keys().next().value!);
  }

  /**
   * Of a run that another node has aborted, whether it was here or not. A second abort of one that was says nothing
   * new: what is still on its way must go on being let in.
   */
  early(ticket: string): void {
    if (!this.has(ticket)) this.add(ticket, 0);
  }
}
