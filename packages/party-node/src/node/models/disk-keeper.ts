/** Published models on a node's disk. */
import { type Kernels, Secret, StoredWords, type Words } from '@secformer/ring';
import { PublicWords, StoredOpening, shareType } from '@secformer/secformer-ops';
import type { ModelFiles, WordsToStore } from '../../store/model-files.js';
import type { ModelStore } from '../../store/model-store.js';
import { type Manifest, readManifest } from '../../wire/manifest.js';
import type { Listed, ModelRef } from '../../wire/messages.js';
import type { Log } from '../log.js';
import type { Catalogue, ModelKeeper } from './catalogue.js';
import { type ModelTensor, PublishedModel } from './model.js';

export class DiskKeeper implements ModelKeeper {
  readonly #store: ModelStore;
  readonly #kernels: Kernels;

  constructor(store: ModelStore, kernels: Kernels) {
    this.#store = store;
    this.#kernels = kernels;
  }

  stage(model: PublishedModel): Promise<void> {
    return this.#store.stage(filesOf(model));
  }

  commit(generation: string): Promise<void> {
    return this.#store.commit(generation);
  }

  async remove({ name, version, generation }: ModelRef, state: Listed['state']): Promise<void> {
    if (state === 'staged') await this.#store.discard(generation);
    else await this.#store.remove(name, version);
  }

  async load({ name, version }: Pick<ModelRef, 'name' | 'version'>): Promise<PublishedModel> {
    return modelOf(await this.#store.load(name, version), this.#kernels);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Puts what the store holds into a catalogue; what is damaged, or finds no room, is said and left where it is. */
  async restore(catalogue: Catalogue, log: Log): Promise<void> {
    for (const { state, live, name, version, generation, publisher, manifestHash, why } of await this.#store.scan()) {
      const model = `${name ?? '?'}@${version ?? '?'}`;
      const damaged = (reason: string) => {
        log('model', { model, state: 'damaged', why: reason });
        // What waited to be served was served to nobody, and what bears no model's name may be anything
        if (live && name && version) catalogue.restoreDamaged({ name, version, publisher, why: reason });
      };
      if (state === 'damaged' || !name || !version || !generation || !manifestHash) {
        damaged(why ?? 'it cannot be read');
      } else if (state === 'staged') {
        catalogue.restoreStaged({ name, version, generation, hash: manifestHash });
      } else {
        try {
          catalogue.restore(await this.load({ name, version }));
          log('model', { model, state });
        } catch (error) {
          damaged((error as Error).message);
        }
      }
    }
  }
}

function filesOf(model: PublishedModel): ModelFiles<WordsToStore> {
  const { manifest, signed, publisher, programs, assets, tensors } = model;
  return {
    ...model.ref,
    publisher,
    manifest: signed,
    programs,
    assets: manifest.assets.map((a) => assets.get(a.sha256)!),
    tensors: tensors.map(({ type, share, known, openings }) => ({
      type,
      // Each made when it is written, so that a model is not in memory twice
      ...((share || known) && { share: () => (share ?? known!).words }),
      openings: [...openings.values()].map((o) => {
        const { bits, width, key } = o.parts;
        return { bits, width, key: key.bytes, words: () => o.secrets().words };
      }),
    })),
  };
}

/** Words that were stored: a share, or all of a public tensor. */
function wordsOf(kernels: Kernels, words: Words, { digest, bits }: Manifest['tensors'][number]) {
  return digest === undefined
    ? { share: new StoredWords(kernels, words) }
    : { known: new PublicWords(kernels, words, bits) };
}

function modelOf(files: ModelFiles, kernels: Kernels): PublishedModel {
  const manifest = readManifest(files.manifest, 'client');
  return new PublishedModel({
    manifest,
    signed: files.manifest,
    publisher: files.publisher,
    programs: files.programs,
    assets: new Map(manifest.assets.map((a, i) => [a.sha256, files.assets[i]!])),
    tensors: files.tensors.map(({ type, share, openings }, i): ModelTensor => {
      const { shape, fracBits, bits, magnitude } = type;
      return {
        type: shareType(shape, fracBits, bits, magnitude),
        ...(share && wordsOf(kernels, share, manifest.tensors[i]!)),
        openings: new Map(
          openings.map(({ words, width, key, ...o }) => [
            width,
            StoredOpening.fromSecrets(kernels, { words, width, bits: o.bits, key: new Secret(key) }),
          ]),
        ),
      };
    }),
  });
}
