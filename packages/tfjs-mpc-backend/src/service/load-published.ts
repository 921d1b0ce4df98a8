/** Loads a published model for somebody who holds a grant. */
import { type Abortable, unless } from '@secformer/party-node';
import { SecformerError } from '@secformer/ring';
import { runtime } from '#runtime';
import { configuration } from '../config.js';
import type { AskAccess, AskCall, Reply, Request } from '../runtime/messages.js';
import type { ServiceOptions } from '../runtime/network.js';
import { newRequest, raised } from '../sharing.js';
import type { Answered, Asking, Manifest, OnProgress } from './nodes.js';
import { type ModelNodes, PublishedModel } from './published-model.js';

/** A model's name, and its version where one is said. */
export function referenceOf(ref: string): { name: string; version: string | undefined } {
  const [, name, version] = /^([a-z0-9][a-z0-9._-]{0,63})(?:@([A-Za-z0-9][A-Za-z0-9.+-]{0,31}))?$/.exec(ref) ?? [];
  if (name === undefined)
    throw new SecformerError(
      'BAD_CONFIGURATION',
      `'${ref}' is no name of a published model, such as 'sst2@1' or 'sst2'`,
    );
  return { name, version };
}

/** By what a model is reached: see `ServiceOptions`. `signal` gives up the loading, and no ask of the model. */
export interface LoadOptions extends ServiceOptions, Abortable {
  /** hears how far each ask is */
  onProgress?: OnProgress;
}

/**
 * Loads a published model: a tf.InferenceModel whose outputs are tensors of the backend. It is asked when one of them
 * is read, once for all of them; what is computed of them afterwards is computed in this process.
 * @param ref 'name@version', or 'name' for its newest one
 * @throws SecformerError BAD_CONFIGURATION where `ref`, the network or the key is none; NodeError where a node refuses:
 *   GRANT_REFUSED, MODEL_UNKNOWN and others; the signal's reason
 *
 * @example
 * ```js
 * const model = await loadPublished('sst2@1', { network, key, grant });
 * const logits = model.predict([ids, mask, segments]);
 * console.log(await logits.data());
 * ```
 */
export async function loadPublished(
  ref: string,
  { onProgress, signal, ...access }: LoadOptions,
): Promise<PublishedModel> {
  return loadedBy(ref, new RuntimeLink(access, onProgress), signal);
}

/**
 * The same over connections on this thread, for which `dataSync` cannot wait.
 * @param connect opens one; called again where one is lost
 */
export async function loadedOver(
  ref: string,
  connect: () => Promise<Asking>,
  onProgress?: OnProgress,
): Promise<PublishedModel> {
  return loadedBy(ref, new AskLink(connect, onProgress));
}

async function loadedBy(ref: string, link: RuntimeLink | AskLink, signal?: AbortSignal): Promise<PublishedModel> {
  try {
    const { name, version } = referenceOf(ref);
    const manifest = await link.manifest(name, version, signal);
    return new PublishedModel(manifest, link.of(manifest));
  } catch (error) {
    link.close();
    throw error;
  }
}

/** A connection that the session's thread holds, or in a browser this one. */
class RuntimeLink {
  readonly #access: AskAccess;
  readonly #onProgress: OnProgress | undefined;
  /** what is being asked */
  readonly #calls = new Set<AbortController>();
  #begun = false;
  #closed = false;

  constructor(access: AskAccess, onProgress: OnProgress | undefined) {
    this.#access = access;
    this.#onProgress = onProgress;
  }

  async manifest(name: string, version: string | undefined, signal?: AbortSignal): Promise<Manifest> {
    return (await this.#call(
      { what: 'manifest', name, ...(version !== undefined && { version }) },
      signal,
    )) as Manifest;
  }

  of({ name, version }: Manifest): ModelNodes {
    const model = { name, version };
    return {
      ask: async (program, values, indices, signal) =>
        (await this.#call({ what: 'ask', model, program, values, indices }, signal)) as Answered,
      askSync: (program, values, indices) => {
        const request = this.#request({ what: 'ask', model, program, values, indices });
        return given(runtime.askSync(request, configuration().syncTimeoutMs)) as Answered;
      },
      asset: async (file, signal) => (await this.#call({ what: 'asset', model, name: file }, signal)) as Uint8Array,
      close: () => this.close(),
    };
  }

  close(): void {
    if (this.#closed) return;
    const close = this.#request({ what: 'close' });
    this.#closed = true;
    for (const call of this.#calls) call.abort(disposed());
    // What has asked for nothing has no connection
    if (this.#begun) runtime.tell(close);
  }

  async #call(call: AskCall, signal: AbortSignal | undefined): Promise<unknown> {
    const request = this.#request(call);
    const own = new AbortController();
    const ask = () => {
      this.#begun = true;
      this.#calls.add(own);
      return runtime.ask(request, this.#onProgress, own.signal).finally(() => this.#calls.delete(own));
    };
    return given(await unless(signal, ask, { stop: () => own.abort(signal!.reason) }));
  }

  #request(call: AskCall): Request {
    if (this.#closed) throw disposed();
    return { id: newRequest(), kind: 'asking', access: this.#access, call };
  }
}

function given(reply: Reply): unknown {
  if ('error' in reply) throw raised(reply.error);
  return 'answer' in reply ? reply.answer.published : undefined;
}

function disposed(): SecformerError {
  return new SecformerError('MODEL_DISPOSED', 'this model was disposed of; load it again');
}

/** A connection on this thread; nothing can wait for it here. */
class AskLink {
  readonly #connect: () => Promise<Asking>;
  readonly #onProgress: OnProgress | undefined;
  #current: Promise<Asking> | undefined;
  #closed = false;

  constructor(connect: () => Promise<Asking>, onProgress: OnProgress | undefined) {
    this.#connect = connect;
    this.#onProgress = onProgress;
  }

  asking(signal?: AbortSignal): Promise<Asking> {
    return unless(signal, () => this.#asking());
  }

  async #asking(): Promise<Asking> {
    if (this.#closed) throw disposed();
    const before = this.#current;
    const there = await before?.catch(() => undefined);
    if (there && !there.dead) return there;
    // Whoever came first has opened another one
    if (this.#current === before) {
      this.#onProgress?.({ phase: 'connecting' });
      this.#current = this.#connect();
    }
    return this.#current!;
  }

  async manifest(name: string, version: string | undefined, signal?: AbortSignal): Promise<Manifest> {
    return (await this.asking(signal)).manifest(name, version, { signal });
  }

  of(manifest: Manifest): ModelNodes {
    return {
      ask: async (program, values, indices, signal) => {
        const asking = await this.asking(signal);
        return asking.ask(manifest, program, values, indices, { onProgress: this.#onProgress, signal });
      },
      askSync: () => {
        throw new SecformerError(
          'NO_SYNC_READ',
          "dataSync() cannot wait for a published model's nodes on this thread; use await tensor.data()",
        );
      },
      asset: async (name, signal) => (await this.asking(signal)).asset(manifest, name, { signal }),
      close: () => this.close(),
    };
  }

  close(): void {
    this.#closed = true;
    this.#current?.then(
      (asking) => asking.close(),
      () => {},
    );
  }
}
