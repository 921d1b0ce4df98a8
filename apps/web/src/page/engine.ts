/** The page's end of its worker. */
import type { Answered, Connection, Failed, ModelFacts, Reply, Request } from '../messages.js';

/** A request that failed, as the worker reports it. */
export class RequestFailed extends Error {
  constructor(readonly failed: Failed) {
    super(failed.message);
  }
}

/** What is told without having been asked for. */
export type Told = Extract<Reply, { kind: 'progress' | 'sent' | 'plain' }>;

type Settle = { resolve: (reply: Reply) => void; reject: (error: RequestFailed) => void };

export class Engine {
  readonly #told: (event: Told) => void;
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Settle>();
  #next = 1;

  constructor(told: (event: Told) => void) {
    this.#told = told;
  }

  /** Begins to load the worker's code. */
  warm(): void {
    this.#started();
  }

  /** Connects, and fetches what the model takes. @throws RequestFailed */
  async load(connection: Connection): Promise<ModelFacts> {
    const reply = await this.#request({ id: this.#next++, kind: 'load', connection });
    return (reply as Extract<Reply, { kind: 'loaded' }>).model;
  }

  /** @param question its number, which what is sent for it bears. @throws RequestFailed */
  async ask(texts: readonly string[], question: number): Promise<Answered> {
    const reply = await this.#request({ id: this.#next++, kind: 'ask', texts, question });
    return (reply as Extract<Reply, { kind: 'answered' }>).answered;
  }

  /** Ends whatever is under way, with the worker; the next request starts another, which has to load the model. */
  stop(why: Failed = { code: 'STOPPED', message: 'stopped' }): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(new RequestFailed(why));
    this.#waiting.clear();
  }

  #request(request: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      this.#started().postMessage(request);
    });
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL('../worker/main.ts', import.meta.url), { type: 'module' });
    worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => this.#heard(data));
    worker.addEventListener('error', ({ message }) =>
      this.stop({ code: 'PAGE_FAILED', message: message || 'the worker could not be loaded' }),
    );
    this.#worker = worker;
    return worker;
  }

  #heard(reply: Reply): void {
    if (!('id' in reply)) {
      this.#told(reply);
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === 'failed') waiting?.reject(new RequestFailed(reply.failed));
    else waiting?.resolve(reply);
  }
}
