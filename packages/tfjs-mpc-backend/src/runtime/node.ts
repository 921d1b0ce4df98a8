import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { SecformerError } from '@secformer/ring';
import type { Reply, Request } from './messages.js';

/** The session's thread, seen from the thread that records: requests, asynchronous or waited for. It keeps the process alive only while something is pending. */
class Runtime {
  #port: MessagePort | undefined;
  readonly #pending = new Map<number, (reply: Reply) => void>();

  #start(): MessagePort {
    if (this.#port) return this.#port;
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL('./session-worker.js', import.meta.url), { workerData: { port: port2 }, transferList: [port2] });
    port1.on('message', (reply: Reply) => this.#settle(reply));
    worker.on('error', (error) => {
      this.#port = undefined;
      for (const [id] of [...this.#pending])
        this.#settle({ id, session: -1, error: { node: 'client', code: 'RUN_FAILED', message: `client: the session's thread failed (${error.message})` } });
    });
    worker.unref();
    port1.unref();
    this.#port = port1;
    return port1;
  }

  #settle(reply: Reply): void {
    const resolve = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#port?.unref();
    resolve?.(reply);
  }

  ask(request: Request): Promise<Reply> {
    const port = this.#start();
    return new Promise((resolve) => {
      this.#pending.set(request.id, resolve);
      port.ref();
      port.postMessage({ request, flag: undefined });
    });
  }

  /** Sends what needs no answer. */
  tell(request: Request): void {
    this.#port?.postMessage({ request, flag: undefined });
  }

  /** Waits on this thread; other replies that arrive meanwhile are delivered too. */
  askSync(request: Request, timeoutMs: number): Reply {
    const port = this.#start();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    port.postMessage({ request, flag });
    if (Atomics.wait(flag, 0, 0, timeoutMs) === 'timed-out') {
      throw new SecformerError('NO_PROGRESS', `dataSync waited ${timeoutMs} ms; use data(), or configure({ syncTimeoutMs })`);
    }
    for (;;) {
      const got = receiveMessageOnPort(port) as { message: Reply } | undefined;
      if (!got) throw new SecformerError('RUN_FAILED', "the session's thread answered nothing");
      if (got.message.id === request.id) return got.message;
      this.#settle(got.message);
    }
  }
}

export const runtime = new Runtime();
