import { Deferred } from '../deferred.js';
import type { Message, MessageOf } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import type { OnProgress } from './run-progress.js';
import type { Runnable } from './runnable.js';

export interface Answer<T extends Message['t']> {
  header: MessageOf<T>;
  payload: Uint8Array;
}

/** One run as its client sees it: what each node has answered. */
export class Waiting {
  readonly prepared = new Map<NodeRole, Deferred<Answer<'prepared'>>>(NODES.map((r) => [r, new Deferred()]));
  readonly results = new Map<NodeRole, Deferred<Answer<'result'>>>([
    ['party0', new Deferred()],
    ['party1', new Deferred()],
  ]);
  readonly dealt = new Deferred<Answer<'dealt'>>();
  traced = false;
  /** hears how far it is */
  onProgress: OnProgress = () => {};
  #opened = 0;
  /** why it is over */
  error: Error | undefined;
  /** called once, if it fails */
  onFail: () => void = () => {};
  constructor(readonly runnable: Runnable) {}

  /** A party says how many rounds are over; what it cannot be is not passed on. */
  opened(rounds: number): void {
    const of = this.runnable.rounds;
    if (rounds <= this.#opened || rounds > of) return;
    this.#opened = rounds;
    this.onProgress({ phase: 'running', done: rounds, of });
  }

  fail(error: Error): void {
    if (this.error) return;
    this.error = error;
    for (const p of [...this.prepared.values(), ...this.results.values(), this.dealt]) p.reject(error);
    this.onFail();
  }
}
