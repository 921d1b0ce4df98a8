import { Deferred } from '../deferred.js';
import { limits } from '../limits.js';
import type { MessageOf } from '../wire/messages.js';
import type { NodeRole } from '../wire/tokens.js';
import type { Peer } from './engine.js';

export interface Agreement {
  peer: Peer;
  message: MessageOf<'agree'>;
}

interface Early {
  tickets: Map<string, Map<NodeRole, Agreement>>;
  last: number;
}

/**
 * Words of other nodes that they take part in a run, by ticket. They may come before the client's own message; so many
 * are remembered for each session that a client which announces its runs to one node alone pushes out none but its own.
 */
export class Agreements {
  readonly #early = new Map<string, Early>();
  readonly #expected = new Map<string, Map<NodeRole, Deferred<Agreement>>>();

  arrived(role: NodeRole, a: Agreement): void {
    const { ticket, session } = a.message;
    const waiting = this.#expected.get(ticket)?.get(role);
    if (waiting) {
      waiting.resolve(a);
      return;
    }
    const now = performance.now();
    const early = this.#early.get(session) ?? { tickets: new Map(), last: now };
    early.last = now;
    const of = early.tickets.get(ticket) ?? new Map<NodeRole, Agreement>();
    of.set(role, a);
    early.tickets.set(ticket, of);
    if (early.tickets.size > limits.earlyAgreements) early.tickets.delete(early.tickets.keys().next().value!);
    // Sessions in the order of their last word
    this.#early.delete(session);
    this.#early.set(session, early);
    for (const [name, { last }] of this.#early) {
      if (now - last < 2 * limits.agreeMs) break;
      this.#early.delete(name);
    }
  }

  /** What the other nodes say of a run; `done` once it is known. */
  expect(ticket: string, session: string, others: readonly NodeRole[]): ReadonlyMap<NodeRole, Deferred<Agreement>> {
    const expected = new Map(others.map((r) => [r, new Deferred<Agreement>()] as const));
    this.#expected.set(ticket, expected);
    for (const [role, a] of this.#early.get(session)?.tickets.get(ticket) ?? []) expected.get(role)?.resolve(a);
    this.forget(ticket, session);
    return expected;
  }

  done(ticket: string): void {
    this.#expected.delete(ticket);
  }

  /** The run is over before its client has announced it here. */
  forget(ticket: string, session?: string): void {
    for (const [name, early] of session === undefined ? this.#early : [[session, this.#early.get(session)] as const]) {
      early?.tickets.delete(ticket);
      if (early?.tickets.size === 0) this.#early.delete(name);
    }
  }
}
