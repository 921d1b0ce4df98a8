/**
 * The models that a node keeps on its disk: NAME/VERSION is one that is served, .staged/GENERATION one that waits for
 * the other nodes to have it. A folder is written or removed in .partial, and comes and goes by its name alone, so that
 * whatever ends the process leaves a model as a whole or not at all.
 */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Kernels, Secret } from '@secformer/ring';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import { modelName, versionName } from '../wire/names.js';
import { Damage, damaged, notWritten, systemCode, whyDamaged } from './failures.js';
import {
  checkGeneration,
  checkNames,
  generationName,
  type ModelFiles,
  manifestHash,
  type WordsToStore,
} from './model-files.js';
import { type FolderOptions, type Found, lookAt, readModel, writeModel } from './model-folder.js';
import { Sealing } from './sealing.js';
import { diskFs, type StoreFs } from './store-fs.js';

/** Models that are stored, and not yet served. */
const STAGED = '.staged';
/** What is being written or removed; nothing in it is of use to another process. */
const PARTIAL = '.partial';

/** One folder of the store, as a look at it finds it. Of a damaged one only what could be read is known. */
export interface StoredModel {
  state: 'staged' | 'live' | 'damaged';
  /** of a damaged model: whether it had been served */
  live: boolean;
  name?: string;
  version?: string;
  generation?: string;
  publisher?: string;
  manifestHash?: string;
  /** of a damaged model: what is wrong with it, for a person */
  why?: string;
}

export interface StoreOptions {
  kernels: Kernels;
  /** whose store it is, in errors */
  node: NodeName;
  /** of the operator; without one models lie in the clear, readable by the user of the process */
  key?: Secret | undefined;
  fs?: StoreFs;
  /** most bytes of a chunk, for tests */
  chunkBytes?: number;
}

/** Every model folder of a node. One process at a time has it open. */
export class ModelStore {
  readonly #dir: string;
  readonly #o: FolderOptions;
  readonly #unlock: () => Promise<void>;
  /** what changes or reads folders, one after another */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(dir: string, o: FolderOptions, unlock: () => Promise<void>) {
    this.#dir = dir;
    this.#o = o;
    this.#unlock = unlock;
  }

  /**
   * Opens a store, or makes an empty one, and removes what an earlier process was writing or removing.
   * @param dir an absolute path; its parent exists
   * @throws NodeError BAD_CONFIGURATION where it cannot be used, others may read it, or another process has it open
   */
  static async open(
    dir: string,
    { kernels, node, key, fs = diskFs, chunkBytes = limits.storeChunkBytes }: StoreOptions,
  ): Promise<ModelStore> {
    let unlock: (() => Promise<void>) | undefined;
    try {
      if (await makeFolder(fs, dir)) await fs.syncFolder(dirname(dir));
      unlock = await fs.claim(dir, node);
      for (const name of [STAGED, PARTIAL]) await makeFolder(fs, join(dir, name));
      await fs.syncFolder(dir);
      for (const name of await fs.list(join(dir, PARTIAL))) await fs.removeAll(join(dir, PARTIAL, name));
      return new ModelStore(dir, { fs, kernels, sealing: new Sealing(key), node, chunkBytes }, unlock);
    } catch (cause) {
      await unlock?.();
      if (cause instanceof NodeError) throw cause;
      const why = systemCode(cause) ?? (cause as Error).message;
      throw new NodeError(node, 'BAD_CONFIGURATION', `cannot use ${dir} as its folder of models (${why})`, { cause });
    }
  }

  /** Waits for what is under way and lets another process have the store. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const end = this.#alone(this.#unlock);
    this.#closed = true;
    await end;
  }

  #alone<T>(f: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('this store is closed'));
    const result = this.#last.then(f);
    this.#last = result.catch(() => {});
    return result;
  }

  #path(...names: string[]): string {
    return join(this.#dir, ...names);
  }

  /**
   * Everything that the store holds. Of each model the index and the manifest are read and the lengths of its files
   * compared; its tensors are when it is loaded.
   * @throws NodeError BAD_CONFIGURATION where the folder of models itself cannot be read
   */
  async scan(): Promise<StoredModel[]> {
    try {
      return await this.#alone(() => this.#all());
    } catch (cause) {
      throw notWritten(this.#o.node, 'look through its models', cause);
    }
  }

  async #all(): Promise<StoredModel[]> {
    const found: StoredModel[] = [];
    for (const generation of await this.#names(STAGED)) {
      found.push(
        await this.#described([STAGED, generation], 'staged', { generation }, ({ index }) => {
          if (index.generation !== generation) throw new Damage('it lies in the place of another model');
        }),
      );
    }
    for (const name of await this.#names()) {
      if (name.startsWith('.')) continue;
      if (!modelName.safeParse(name).success || (await this.#o.fs.kind(this.#path(name))) !== 'folder') {
        found.push({
          state: 'damaged',
          live: true,
          why: `the store holds ${JSON.stringify(name)}, which is no model`,
        });
        continue;
      }
      found.push(...(await this.#versions(name)));
    }
    return found;
  }

  async #versions(name: string): Promise<StoredModel[]> {
    let versions: string[];
    try {
      versions = await this.#names(name);
    } catch (error) {
      return [{ state: 'damaged', live: true, name, why: whyDamaged(error) }];
    }
    const found: StoredModel[] = [];
    for (const version of versions)
      found.push(await this.#described([name, version], 'live', { name, version }, inItsPlace(name, version)));
    return found;
  }

  async #names(...folder: string[]): Promise<string[]> {
    return (await this.#o.fs.list(this.#path(...folder))).sort();
  }

  async #described(
    path: string[],
    state: 'staged' | 'live',
    known: Partial<StoredModel>,
    check: (found: Found) => void,
  ): Promise<StoredModel> {
    const live = state === 'live';
    try {
      const last = path.at(-1)!;
      if (live ? !versionName.safeParse(last).success : !generationName.test(last))
        throw new Damage(`${JSON.stringify(last)} is no ${live ? 'version' : 'generation'}`);
      const found = await lookAt(this.#o, this.#path(...path));
      check(found);
      const { name, version, generation, publisher } = found.index;
      return { state, live, name, version, generation, publisher, manifestHash: manifestHash(found.signed.text) };
    } catch (error) {
      return { state: 'damaged', live, ...known, why: whyDamaged(error) };
    }
  }

  /**
   * Stores a model, which is not served yet. Where it fails nothing of it stays.
   * @throws NodeError LIMIT_EXCEEDED where the disk is full, MODEL_EXISTS, BAD_MESSAGE where parts of it do not belong
   * together, BAD_CONFIGURATION where the disk cannot be written
   */
  async stage(files: ModelFiles<WordsToStore>): Promise<void> {
    const { name, version, generation } = files;
    const { fs, node } = this.#o;
    checkNames(node, name, version);
    checkGeneration(node, generation);
    const model = `${name}@${version}`;
    const mustBeNew = async () => {
      await this.#mustBeFree(join(name, version), model, 'is served already; a version never changes');
      await this.#mustBeFree(join(STAGED, generation), model, 'was stored already in this sharing');
    };
    const [partial, staged] = [this.#fresh(), this.#path(STAGED, generation)];
    try {
      await mustBeNew();
      await fs.makeFolder(partial);
      await writeModel(this.#o, partial, files);
      await this.#alone(async () => {
        await mustBeNew();
        await fs.rename(partial, staged);
        try {
          await fs.syncFolder(this.#path(STAGED));
        } catch (error) {
          await fs.rename(staged, partial);
          throw error;
        }
      });
    } catch (cause) {
      await fs.removeAll(partial).catch(() => {});
      throw notWritten(node, `store ${model}`, cause);
    }
  }

  /** Where something is written, or waits to be removed. */
  #fresh(): string {
    return this.#path(PARTIAL, randomBytes(16).toString('hex'));
  }

  async #mustBeFree(path: string, model: string, otherwise: string): Promise<void> {
    const { fs, node } = this.#o;
    if ((await fs.kind(this.#path(path))) !== undefined)
      throw new NodeError(node, 'MODEL_EXISTS', `${model} ${otherwise}`);
  }

  /**
   * Makes a stored model one that is served.
   * @throws NodeError MODEL_UNKNOWN where there is none of this sharing, MODEL_EXISTS, MODEL_DAMAGED
   */
  async commit(generation: string): Promise<void> {
    const { fs, node } = this.#o;
    checkGeneration(node, generation);
    await this.#alone(async () => {
      const from = this.#path(STAGED, generation);
      if ((await fs.kind(from)) === undefined) throw this.#unknown(`no model of sharing ${generation}`);
      const { name, version } = await this.#found(`the model of sharing ${generation}`, from, ({ index }) => {
        if (index.generation !== generation) throw new Damage('it lies in the place of another model');
      });
      const model = `${name}@${version}`;
      try {
        const kind = await fs.kind(this.#path(name));
        if (kind === undefined) await fs.makeFolder(this.#path(name));
        else if (kind !== 'folder')
          throw new NodeError(node, 'BAD_CONFIGURATION', `cannot serve ${model}: what bears its name is not a folder`);
        await this.#mustBeFree(join(name, version), model, 'is served already; a version never changes');
        // Before anything is in it, its own name must be there for good
        await fs.syncFolder(this.#dir);
        await fs.rename(from, this.#path(name, version));
        await fs.syncFolder(this.#path(name));
        await fs.syncFolder(this.#path(STAGED));
      } catch (cause) {
        throw notWritten(node, `serve ${model}`, cause);
      }
    });
  }

  async #found(model: string, folder: string, check: (found: Found) => void): Promise<Found['index']> {
    try {
      const found = await lookAt(this.#o, folder);
      check(found);
      return found.index;
    } catch (cause) {
      throw damaged(this.#o.node, model, cause);
    }
  }

  #unknown(what: string): NodeError {
    return new NodeError(this.#o.node, 'MODEL_UNKNOWN', `has ${what}`);
  }

  /** Removes a stored model that is not served, damaged or not. @throws NodeError MODEL_UNKNOWN */
  async discard(generation: string): Promise<void> {
    checkGeneration(this.#o.node, generation);
    await this.#alone(() => this.#remove([STAGED, generation], `no model of sharing ${generation}`));
  }

  /** Removes a model that is served, damaged or not. @throws NodeError MODEL_UNKNOWN */
  async remove(name: string, version: string): Promise<void> {
    const { fs, node } = this.#o;
    checkNames(node, name, version);
    await this.#alone(async () => {
      await this.#mustBeFolder(name, version);
      await this.#remove([name, version], `no ${name}@${version}`);
      // Where it has other versions it stays
      await fs.removeEmptyFolder(this.#path(name)).catch(() => {});
    });
  }

  async #remove(path: [string, string], otherwise: string): Promise<void> {
    const { fs, node } = this.#o;
    if ((await fs.kind(this.#path(...path))) === undefined) throw this.#unknown(otherwise);
    const partial = this.#fresh();
    try {
      await fs.rename(this.#path(...path), partial);
      await fs.syncFolder(this.#path(path[0]));
      await fs.syncFolder(this.#path(PARTIAL));
      await fs.removeAll(partial);
    } catch (cause) {
      throw notWritten(node, 'remove a model', cause);
    }
  }

  /** A link in the place of a model's name would lead elsewhere. */
  async #mustBeFolder(name: string, version: string): Promise<void> {
    const kind = await this.#o.fs.kind(this.#path(name));
    if (kind === undefined) throw this.#unknown(`no ${name}@${version}`);
    if (kind !== 'folder')
      throw damaged(this.#o.node, `${name}@${version}`, new Damage('what bears its name is not a folder'));
  }

  /**
   * Reads a model that is served: its tensors lie in memory once, as words.
   * @throws NodeError MODEL_UNKNOWN, MODEL_DAMAGED
   */
  async load(name: string, version: string): Promise<ModelFiles> {
    const { fs, node } = this.#o;
    checkNames(node, name, version);
    return this.#alone(async () => {
      await this.#mustBeFolder(name, version);
      const folder = this.#path(name, version);
      if ((await fs.kind(folder)) === undefined) throw this.#unknown(`no ${name}@${version}`);
      try {
        const files = await readModel(this.#o, folder);
        if (files.name !== name || files.version !== version) throw new Damage('it lies in the place of another model');
        return files;
      } catch (cause) {
        throw damaged(node, `${name}@${version}`, cause);
      }
    });
  }
}

const inItsPlace =
  (name: string, version: string) =>
  ({ index }: Found): void => {
    if (index.name !== name || index.version !== version) throw new Damage('it lies in the place of another model');
  };

/** Makes a folder where nothing is. @returns whether it did */
async function makeFolder(fs: StoreFs, path: string): Promise<boolean> {
  const kind = await fs.kind(path);
  if (kind === undefined) await fs.makeFolder(path);
  else if (kind !== 'folder') throw new Error(`${path} is not a folder`);
  return kind === undefined;
}
