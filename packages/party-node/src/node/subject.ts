/** In whose name a client is here: what all of its connections share. */
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Grant, Principal } from '../wire/principal.js';
import { Account, type Budget } from './budget.js';

export class Subject {
  readonly account: Account;
  /** runs that are not over */
  runs = 0;
  sessions = 0;
  /** when the runs of the last window began, in milliseconds; oldest first */
  readonly #begun: number[] = [];

  constructor(account = new Account()) {
    this.account = account;
  }

  /** @throws NodeError BUSY where as many of its runs as may be are not over */
  checkRuns(node: NodeName, { kind }: Principal): void {
    if (this.runs < (kind === 'asker' ? limits.subjectRuns : limits.sessionRuns)) return;
    const what = `${this.runs} runs of this client are prepared or under way; run or cancel some of them`;
    throw new NodeError(node, 'BUSY', what, { retryAfterMs: limits.retryMs });
  }

  /**
   * Counts a run against a grant's quota.
   * @param now milliseconds
   * @throws NodeError QUOTA_SPENT, with when the next one may begin
   */
  spend({ quota, model }: Grant, now = Date.now()): void {
    if (!quota) return;
    const window = 1000 * quota.seconds;
    while (this.#begun.length > 0 && this.#begun[0]! <= now - window) this.#begun.shift();
    if (this.#begun.length >= quota.runs) {
      const retryAfterMs = this.#begun[this.#begun.length - quota.runs]! + window - now;
      throw new NodeError(
        'client',
        'QUOTA_SPENT',
        `the grant for ${model} allows ${quota.runs} runs in ${quota.seconds} s, and they are spent`,
        { retryAfterMs },
      );
    }
    this.#begun.push(now);
  }

  /** Gives back a run that the nodes had no room for. */
  refund(): void {
    this.#begun.pop();
  }
}

/**
 * The subjects of a node. Owners and publishers stand for themselves, one a connection; askers for the subject that
 * their publisher named, so that many connections or grants of one get no more than one does.
 */
export class Subjects {
  readonly #askers = new Map<string, Subject>();
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** @throws NodeError TOO_MANY_CONNECTIONS */
  enter(principal: Principal): Subject {
    if (principal.kind !== 'asker') return new Subject(new Account(this.#budget.sessionBytes));
    const { publisher, subject } = principal.grant;
    const key = JSON.stringify([publisher, subject]);
    const found = this.#askers.get(key) ?? new Subject(new Account(limits.askerBytes));
    if (found.sessions >= limits.subjectConnections)
      throw new NodeError(
        'client',
        'TOO_MANY_CONNECTIONS',
        `${found.sessions} connections of '${subject}' are open; close one of them`,
        { retryAfterMs: limits.retryMs },
      );
    found.sessions++;
    // Keeps them in the order of their last connection
    this.#askers.delete(key);
    this.#askers.set(key, found);
    for (const [name, { sessions }] of this.#askers) {
      if (this.#askers.size <= limits.subjects) break;
      if (sessions === 0) this.#askers.delete(name);
    }
    return found;
  }

  leave(subject: Subject): void {
    subject.sessions--;
  }
}
