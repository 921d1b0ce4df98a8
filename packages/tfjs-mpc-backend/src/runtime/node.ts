import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type OnProgress, throwIfAborted, unless } from '@secformer/party-node';
import { threadFile } from '@secformer/party-node/thread-file';
import { SecformerError } from '@secformer/ring';
import { type FromSession, type Reply, type Request, type ToSession, unheard } from './messages.js';
import { Pulse } from './pulse.js';
import type { SessionWorkerData } from './session-worker.js';

/** How often a thread that waits looks whether there is still somebody to wait for. */
const SLICE_MS = 200;

/** How long dataSync waits for a thread that shows nothing. */
export interface Patience {
  /** until it runs: a tenth of a second, where the machine has nothing else to do */
  startMs: number;
  /** between two signs of life: nothing that it computes without a pause takes seconds */
  silentMs: number;
}

interface Thread {
  port: MessagePort;
  pulse: Pulse;
}

/**
 * The session's thread, seen from the thread that records: requests, asynchronous or waited for. It keeps the process
 * alive only while something is pending.
 */
export class Runtime {
  readonly #script: () => URL;
  readonly #patience: Patience;
  #thread: Thread | undefined;
  readonly #pending = new Map<number, (reply: Reply) => void>();
  readonly #listeners = new Map<number, OnProgress>();

  /** @param script what the thread runs */
  constructor(script: () => URL, patience: Patience = { startMs: 30_000, silentMs: 60_000 }) {
    this.#script = script;
    this.#patience = patience;
  }

  #started(): Thread {
    if (this.#thread) return this.#thread;
    const { port1, port2 } = new MessageChannel();
    const pulse = new Pulse();
    const workerData: SessionWorkerData = { port: port2, pulse: pulse.words };
    // Not this process's own options: --input-type and --eval are refused for a file
    const worker = new Worker(this.#script(), { workerData, transferList: [port2], execArgv: [] });
    const thread: Thread = { port: port1, pulse };
    this.#thread = thread;
    port1.on('message', (message: FromSession) => this.#hear(thread, message));
    worker.on('error', (error) => this.#lose(thread, error.message));
    worker.on('exit', (code) => this.#lose(thread, `it ended with code ${code}`));
    worker.unref();
    port1.unref();
    return thread;
  }

  #hear(thread: Thread, message: FromSession): void {
    if ('failed' in message) this.#lose(thread, message.failed);
    else if ('progress' in message) this.#listeners.get(message.id)?.(message.progress);
    else this.#settle(message);
  }

  /** The thread is gone: whoever waits for it is told, and the next request starts another. */
  #lose(thread: Thread, why: string): SecformerError {
    const text = `the session's thread failed (${why})`;
    if (this.#thread === thread) {
      this.#thread = undefined;
      const error = { node: 'client', code: 'RUN_FAILED', message: `client: ${text}` } as const;
      for (const [id] of [...this.#pending]) this.#settle({ id, session: -1, error });
      thread.port.unref();
    }
    return new SecformerError('RUN_FAILED', text);
  }

  #settle(reply: Reply): void {
    const resolve = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    this.#listeners.delete(reply.id);
    if (this.#pending.size === 0) this.#thread?.port.unref();
    resolve?.(reply);
  }

  /** @param signal gives the request up: the thread ends what it does for it */
  async ask(request: Request, onProgress?: OnProgress, signal?: AbortSignal): Promise<Reply> {
    throwIfAborted(signal);
    const { port } = this.#started();
    const { id } = request;
    if (onProgress) this.#listeners.set(id, onProgress);
    const reply = () =>
      new Promise<Reply>((resolve) => {
        this.#pending.set(id, resolve);
        port.ref();
        port.postMessage({ request, flag: undefined, heard: onProgress !== undefined } satisfies ToSession);
      });
    const stop = () => {
      this.#listeners.delete(id);
      port.postMessage({ giveUp: id } satisfies ToSession);
    };
    const late = (answer: Reply) => {
      const said = unheard(request, answer);
      if (said) this.tell(said);
    };
    return unless(signal, reply, { stop, late });
  }

  /** Sends what needs no answer. */
  tell(request: Request): void {
    this.#thread?.port.postMessage({ request, flag: undefined, heard: false } satisfies ToSession);
  }

  /**
   * Waits on this thread; other replies that arrive meanwhile are delivered too.
   * @throws SecformerError NO_PROGRESS after `timeoutMs`; RUN_FAILED as soon as nobody is left to answer
   */
  askSync(request: Request, timeoutMs: number): Reply {
    const thread = this.#started();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    thread.port.postMessage({ request, flag, heard: false } satisfies ToSession);
    this.#wait(thread, flag, timeoutMs);
    const reply = this.#received(thread, request.id);
    if (!reply) throw this.#lose(thread, 'it answered nothing');
    return reply;
  }

  /** Until the flag is set. In slices, because the thread's end is no event here. */
  #wait(thread: Thread, flag: Int32Array, timeoutMs: number): void {
    const { pulse } = thread;
    const { startMs, silentMs } = this.#patience;
    let left = timeoutMs;
    let [silent, beats] = [0, pulse.beats];
    while (Atomics.wait(flag, 0, 0, Math.min(SLICE_MS, left)) === 'timed-out') {
      // Slices are counted, not read off a clock: a machine that was asleep has waited for nothing
      left -= SLICE_MS;
      silent = pulse.beats === beats ? silent + SLICE_MS : 0;
      beats = pulse.beats;
      if (pulse.ended) {
        // It may have answered just before
        if (Atomics.load(flag, 0) !== 0) return;
        this.#received(thread);
        throw this.#lose(thread, 'it ended');
      }
      // Its end may yet be heard of, as an event that says why; or it was only slow
      if (silent >= (pulse.started ? silentMs : startMs)) {
        const what = pulse.started
          ? `gave no sign for ${silent} ms; is there memory left?`
          : `did not start within ${silent} ms; data() says why`;
        throw new SecformerError('RUN_FAILED', `the session's thread ${what}`);
      }
      if (left <= 0)
        throw new SecformerError(
          'NO_PROGRESS',
          `dataSync waited ${timeoutMs} ms; use data(), or configure({ syncTimeoutMs })`,
        );
    }
  }

  /**
   * Takes what has come, up to the reply to a request.
   * @throws SecformerError with what the thread said when it failed
   */
  #received(thread: Thread, id?: number): Reply | undefined {
    for (;;) {
      const got = receiveMessageOnPort(thread.port) as { message: FromSession } | undefined;
      if (!got) return undefined;
      if ('failed' in got.message) throw this.#lose(thread, got.message.failed);
      if ('progress' in got.message) this.#hear(thread, got.message);
      else if (got.message.id === id) return got.message;
      else this.#settle(got.message);
    }
  }
}

const file = () => threadFile(import.meta.url, '@secformer/tfjs-mpc-backend', 'dist/src/runtime/session-worker.js');

export const runtime = new Runtime(file);
