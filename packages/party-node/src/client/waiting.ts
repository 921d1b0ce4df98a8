import type { CheckedProgram } from '@secformer/secformer-ops';
import type { WireRole } from '../wire/handshake.js';
import type { Message, MessageOf } from '../wire/messages.js';

export type NodeRole = Exclude<WireRole, 'client'>;
export const NODES: readonly NodeRole[] = ['party0', 'party1', 'dealer'];

/** An answer that somebody waits for, or will. */
export class Pending<M> {
  readonly promise: Promise<M>;
  resolve!: (m: M) => void;
  reject!: (e: Error) => void;
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

export interface Answer<T extends Message['t']> {
  header: MessageOf<T>;
  payload: Uint8Array;
}

/** One run as its client sees it: what each node has answered. */
export class Waiting {
  readonly prepared = new Map<NodeRole, Pending<Answer<'prepared'>>>(NODES.map((r) => [r, new Pending()]));
  readonly results = new Map<NodeRole, Pending<Answer<'result'>>>([
    ['party0', new Pending()],
    ['party1', new Pending()],
  ]);
  readonly dealt = new Pending<Answer<'dealt'>>();
  traced = false;
  /** why it is over */
  error: Error | undefined;
  /** called once, if it fails */
  onFail: () => void = () => {};
  constructor(readonly checked: CheckedProgram) {}

  fail(error: Error): void {
    if (this.error) return;
    this.error = error;
    for (const p of [...this.prepared.values(), ...this.results.values(), this.dealt]) p.reject(error);
    this.onFail();
  }
}
