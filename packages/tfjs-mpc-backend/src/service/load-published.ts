/** Loads a published model from a connection of somebody who holds a grant. */
import { SecformerError } from '@secformer/ring';
import type { Asking, AskProgress, Manifest } from './nodes.js';
import { type ModelNodes, PublishedModel } from './published-model.js';

/** What a program for progress bars hears. */
export type OnProgress = (event: AskProgress) => void;

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

/**
 * Loads a published model over connections of a client.
 * @param ref 'name@version', or 'name' for its newest one
 * @param connect opens a connection; called again where one is lost
 * @throws what the connection throws, and SecformerError BAD_CONFIGURATION where `ref` is none
 */
export async function loadedOver(
  ref: string,
  connect: () => Promise<Asking>,
  onProgress?: OnProgress,
): Promise<PublishedModel> {
  const { name, version } = referenceOf(ref);
  const link = new AskLink(connect, onProgress);
  try {
    const manifest = await (await link.asking()).manifest(name, version);
    return new PublishedModel(manifest, link.of(manifest));
  } catch (error) {
    link.close();
    throw error;
  }
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

  async asking(): Promise<Asking> {
    if (this.#closed) throw new SecformerError('MODEL_DISPOSED', 'this model was disposed of; load it again');
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

  of(manifest: Manifest): ModelNodes {
    return {
      ask: async (program, values, indices) => {
        const asking = await this.asking();
        const onProgress = this.#onProgress;
        return asking.ask(manifest, program, values, indices, onProgress ? { onProgress } : {});
      },
      askSync: () => {
        throw new SecformerError(
          'NO_SYNC_READ',
          "dataSync() cannot wait for a published model's nodes on this thread; use await tensor.data()",
        );
      },
      asset: async (name) => (await this.asking()).asset(manifest, name),
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
