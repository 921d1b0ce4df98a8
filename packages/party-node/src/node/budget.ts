import { totalmem } from 'node:os';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { NodeRole } from '../wire/tokens.js';

/** What one client, or the models of one publisher, take of a node's memory. */
export class Account {
  /** @param most bytes that it may keep */
  constructor(public most = Number.POSITIVE_INFINITY) {}

  /** tensors, openings and Programs, in bytes */
  held = 0;
  /** promised to runs */
  reserved = 0;
  /** runs that have a promise */
  runs = 0;
}

/** Buffers are larger than what is asked for, by an eighth at most. */
const CLASSES = 9 / 8;

/**
 * Memory that a run takes at a node, in bytes. @param peak of its values, as its Program declares them @param sent
 * inputs and outputs as they travel
 */
export function memoryOf(peak: number, sent: number): number {
  return Math.ceil(CLASSES * peak) + sent;
}

/** Memory of a node that was not told how much it may take, in bytes. */
export function defaultMemory(role: NodeRole): number {
  const part = role === 'dealer' ? limits.dealerMemoryPart : limits.partyMemoryPart;
  return Math.max(limits.leastMemoryBytes, Math.floor(totalmem() * part));
}

/**
 * A node's memory: what sessions' tensors take, and what runs were promised. Everything is counted here before it is
 * allocated, in every mode, so that clients together can ask for no more than the node has, and one of them for no more
 * than its part.
 */
export class Budget {
  readonly bytes: number;
  /**
   * called where something does not fit: gives up what may be given up until so many bytes are left, of this session's
   * promises first
   */
  makeRoom: (bytes: number, account: Account) => void = () => {};
  /** called when sessions keep more or less than before */
  changed: () => void = () => {};
  readonly #node: NodeName;
  #held = 0;
  #reserved = 0;

  constructor(node: NodeName, bytes: number) {
    this.#node = node;
    this.bytes = bytes;
  }

  /** What one owner's session may keep. */
  get sessionBytes(): number {
    return Math.floor(this.bytes * limits.sessionPart);
  }

  /** What tensors leave to runs, in bytes. */
  get room(): number {
    return this.bytes - this.#held;
  }

  /** What tensors, openings and Programs of all sessions take, in bytes. */
  get held(): number {
    return this.#held;
  }

  /** What runs were promised, in bytes. */
  get reserved(): number {
    return this.#reserved;
  }

  /** What neither tensors nor runs have. */
  get left(): number {
    return this.room - this.#reserved;
  }

  /**
   * Counts what stays in a session. @throws NodeError LIMIT_EXCEEDED, or BUSY where runs have the memory now; and
   * nothing is counted
   */
  hold(account: Account, bytes: number, what: string): void {
    const { most } = account;
    if (account.held + bytes > most) {
      throw new NodeError(
        'client',
        'LIMIT_EXCEEDED',
        `${what} of ${bytes} bytes beside ${account.held} bytes of this session; ` +
          `it may keep ${most} bytes at ${this.#node}: free tensors, or start the node with a larger --memory`,
      );
    }
    if (bytes > this.left) this.makeRoom(bytes, account);
    if (bytes > this.left) {
      const now =
        `${what} of ${bytes} bytes; ${Math.max(0, this.left)} of ${this.bytes} bytes are free at present: ` +
        'try again later';
      // What runs have comes back, what sessions keep may not
      if (bytes <= this.room) throw new NodeError(this.#node, 'BUSY', now, { retryAfterMs: limits.retryMs });
      throw new NodeError(this.#node, 'LIMIT_EXCEEDED', now);
    }
    account.held += bytes;
    this.#held += bytes;
    this.changed();
  }

  give(account: Account, bytes: number): void {
    account.held -= bytes;
    this.#held -= bytes;
    this.changed();
  }

  /**
   * What one more run of a session may have now, at most. @param only whether it can do without no more than it asks
   * for, and is the session's only one
   */
  leftFor(account: Account, only = account.runs === 0): number {
    const share = only ? this.room : Math.floor(this.room * limits.sessionRunsPart) - account.reserved;
    return Math.min(share, this.left);
  }

  /**
   * Promises memory to a run. A session's only run may have all that tensors leave; several of one session no more than
   * three quarters of it together.
   * @throws NodeError LIMIT_EXCEEDED where the run will never fit, BUSY where it does not fit now
   */
  reserve(account: Account, bytes: number, retryAfterMs: number): void {
    if (bytes > this.room) {
      throw new NodeError(
        this.#node,
        'LIMIT_EXCEEDED',
        `the run takes ${bytes} bytes, tensors leave ${this.room} of ${this.bytes}: ` +
          'compute smaller batches, free tensors, or start the node with a larger --memory',
      );
    }
    if (bytes > this.leftFor(account)) this.makeRoom(bytes, account);
    if (bytes > this.leftFor(account)) {
      throw new NodeError(
        this.#node,
        'BUSY',
        `the run takes ${bytes} bytes, which other runs have at present; ` +
          'try again later, or run or cancel what is prepared',
        {
          retryAfterMs,
        },
      );
    }
    account.reserved += bytes;
    account.runs++;
    this.#reserved += bytes;
  }

  unreserve(account: Account, bytes: number): void {
    account.reserved -= bytes;
    account.runs--;
    this.#reserved -= bytes;
  }
}
