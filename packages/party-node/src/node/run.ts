import { createHash } from 'node:crypto';
import { randomBytes } from '@noble/hashes/utils.js';
import type { CheckedProgram, StoredOpening } from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageOf } from '../wire/messages.js';
import type { PublishedModel } from './models/model.js';
import type { RunInput } from './run-input.js';
import type { NodeSession } from './session.js';
import type { Subject } from './subject.js';

export type { NodeRole } from '../wire/tokens.js';

/**
 * How long instructions may follow one another before messages are looked at: most take microseconds, and a turn of the
 * event loop as much.
 */
const BREATH_MS = 2;

/**
 * What the client says when a run starts: its masked inputs, the tensors that are the program's shares, and those that
 * kept values belong to.
 */
export interface Given {
  payload: Uint8Array;
  shares: number[];
  keeps: number[];
  traced: boolean;
}

/** The tensors that a run was started with, as the nodes compare them. */
export function namesHash({ shares, keeps }: Given): string {
  return createHash('sha256')
    .update(JSON.stringify([shares, keeps]))
    .digest('hex');
}

/** What a run is of. */
export interface RunParts {
  ticket: string;
  session: NodeSession;
  checked: CheckedProgram;
  inputs: RunInput[];
  mode: MessageOf<'prepare'>['mode'];
  /** the published model that is asked */
  model?: PublishedModel | undefined;
}

/** How long each kind of run may wait for its client. */
const STARTS = { streamed: limits.startMs, ahead: limits.preparedMs, spare: limits.spareMs } as const;

/**
 * One attempt to run a Program. Its id is made of nonces of all three nodes, so another attempt never meets its streams
 * again.
 */
export abstract class NodeRun {
  readonly aborted = new Deferred<never>();
  error: NodeError | undefined;
  runId = new Uint8Array(0);
  /** what the client starts the run with; once */
  readonly given = new Deferred<Given>();
  started = false;
  /** memory that it was promised, in bytes */
  reserved = 0;
  readonly nonce = randomBytes(16);
  readonly born = performance.now();
  #breathed = 0;
  readonly ticket: string;
  readonly session: NodeSession;
  readonly checked: CheckedProgram;
  readonly inputs: RunInput[];
  readonly mode: MessageOf<'prepare'>['mode'];
  readonly model: PublishedModel | undefined;

  constructor({ ticket, session, checked, inputs, mode, model }: RunParts) {
    this.ticket = ticket;
    this.session = session;
    this.checked = checked;
    this.inputs = inputs;
    this.mode = mode;
    this.model = model;
  }

  /** In whose name it is run. */
  get subject(): Subject {
    return this.session.subject;
  }

  /** A stored opening that an input is bound to. */
  opening(b: Extract<RunInput, { width: number }>): StoredOpening {
    if (b.kind === 'opened') return this.session.opening(b);
    return this.model!.opening(b.tensor, b.width);
  }

  /** The longest wait for the client's word to start, in milliseconds. */
  get patience(): number {
    return STARTS[this.mode];
  }

  /** The client's word to start, which a prepared run waits for. */
  async start(): Promise<Given> {
    try {
      return await this.within(this.given.promise, this.patience, 'client', 'the start of the run');
    } catch (cause) {
      if (this.mode !== 'spare') throw cause;
      throw (
        this.error ??
        new NodeError('client', 'GAVE_WAY', 'did not come for what was prepared in the background', { cause })
      );
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

  /**
   * Stops here after an abort: to be called after every wait that an abort does not end, before anything is read or
   * written for the run.
   */
  check(): void {
    if (this.error) throw this.error;
  }

  /** Lets the event loop breathe between instructions, now and then, and stops here after an abort. */
  readonly pause = async (): Promise<void> => {
    if (performance.now() - this.#breathed > BREATH_MS) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#breathed = performance.now();
    }
    this.check();
  };
}
