import { randomBytes } from '@noble/hashes/utils.js';
import type { StoredWords } from '@secformer/ring';
import type { CheckedProgram, ShareType, StoredOpening } from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageLink } from '../wire/framing.js';
import type { WireRole } from '../wire/handshake.js';
import type { BoundInput, MessageOf } from '../wire/messages.js';

export type NodeRole = Exclude<WireRole, 'client'>;

/** A tensor of a session at one node: its share (none at the dealer), and openings by width and run. */
export interface StoredTensor {
  type: ShareType;
  share?: StoredWords;
  /** by `width:run` */
  openings: Map<string, StoredOpening>;
  /** what it was counted with */
  bytes: number;
}

/** What one client has at this node. No other client can name any of it. */
export interface NodeSession {
  id: string;
  link: MessageLink;
  tensors: Map<number, StoredTensor>;
  programs: Map<string, CheckedProgram>;
  bytes: number;
}

/** How long instructions may follow one another before messages are looked at: most take microseconds, and a turn of the event loop as much. */
const BREATH_MS = 2;

/** What the client says when a run starts: its masked inputs, the tensors that are the program's shares, and those that kept values belong to. */
export interface Given {
  payload: Uint8Array;
  shares: number[];
  keeps: number[];
  traced: boolean;
}

/** One attempt to run a Program. Its id is made of nonces of all three nodes, so another attempt never meets its streams again. */
export abstract class NodeRun {
  readonly aborted = new Deferred<never>();
  error: NodeError | undefined;
  runId = new Uint8Array(0);
  /** what the client starts the run with; once */
  readonly given = new Deferred<Given>();
  started = false;
  readonly nonce = randomBytes(16);
  #breathed = 0;
  constructor(
    readonly ticket: string,
    readonly session: NodeSession,
    readonly checked: CheckedProgram,
    readonly inputs: BoundInput[],
    readonly mode: MessageOf<'prepare'>['mode'],
  ) {}

  /** The client's word to start, which a prepared run waits for. */
  async start(): Promise<Given> {
    if (this.mode !== 'spare') return this.within(this.given.promise, limits.preparedMs, 'client', 'the start of the run');
    try {
      return await this.within(this.given.promise, limits.spareMs, 'client', 'the start of the run');
    } catch (cause) {
      throw this.error ?? new NodeError('client', 'GAVE_WAY', 'did not come for what was prepared in the background', { cause });
    }
  }

  /** Waits for `promise`, an abort or the time limit, whichever is first. */
  async within<T>(promise: Promise<T>, ms: number, node: NodeName, what: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NodeError(node, 'NO_PROGRESS', `${what} did not come within ${ms} ms`)), ms);
    });
    try {
      return await Promise.race([promise, this.aborted.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets the event loop breathe between instructions, now and then, and stops here after an abort. */
  readonly pause = async (): Promise<void> => {
    if (performance.now() - this.#breathed > BREATH_MS) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#breathed = performance.now();
    }
    if (this.error) throw this.error;
  };
}
