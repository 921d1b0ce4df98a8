/** The models that a node has, what the other two have of them, and so which are served. */
import { NodeError } from '../../errors.js';
import { limits } from '../../limits.js';
import type { Listed, ModelRef } from '../../wire/messages.js';
import type { NodeRole } from '../../wire/tokens.js';
import type { PublishedModel } from './model.js';

/** Where models are kept, so that they outlive the process. */
export interface ModelKeeper {
  /** Writes a model so that it survives a crash, not yet as one of those that are there. */
  stage(model: PublishedModel): Promise<void>;
  /** Makes a staged model one of those that are there, in one step. */
  commit(generation: string): Promise<void>;
  /** Removes a staged model, or one that is there. */
  remove(ref: ModelRef, state: Listed['state']): Promise<void>;
  /** One of those that are there. */
  load(ref: Pick<ModelRef, 'name' | 'version'>): Promise<PublishedModel>;
}

/** Of a node without a folder: models end with its process. */
const nowhere: ModelKeeper = {
  stage: async () => {},
  commit: async () => {},
  remove: async () => {},
  load: async () => {
    throw new Error('nothing is kept');
  },
};

/** A model that an earlier process has staged: whether it is to be there the other nodes know. */
export interface LeftStaged extends ModelRef {
  hash: string;
}

interface Entry {
  model: PublishedModel;
  state: Listed['state'];
  /** of what is staged: since when its publisher is gone, in milliseconds; undefined while it is here */
  alone: number | undefined;
  /** while it becomes live, and since */
  committed?: Promise<void> | undefined;
}

/** A version that is not served, and why, in words. */
export interface Missing extends Pick<ModelRef, 'name' | 'version'> {
  publisher?: string | undefined;
  why: string;
}

/**
 * A version is served where it is live at all three nodes, of one sharing: what one of them lacks is served by none.
 *
 * Publishing has two phases. A publisher has every node stage its part, and says 'commit' once all three have. So where
 * one node has a version live, all have it at least staged, and a node that has missed the word follows the others when
 * they meet; where none has it live, what is staged goes after a while.
 */
export class Catalogue {
  /** by generation */
  readonly #entries = new Map<string, Entry>();
  /** what is being written, by generation */
  readonly #staging = new Map<string, PublishedModel>();
  /** what the other nodes have, as each said last */
  readonly #theirs = new Map<NodeRole, ReadonlyMap<string, Listed>>();
  /** what an earlier process has staged, by generation, and since when it waits for the others */
  readonly #left = new Map<string, LeftStaged & { alone: number }>();
  /** what the store holds and cannot be loaded, by `name@version` */
  readonly #damaged = new Map<string, Missing>();
  keeper: ModelKeeper = nowhere;
  /** called when what this node has changes */
  changed: () => void = () => {};
  /** called when a model goes, whose memory is free */
  gone: (model: PublishedModel) => void = () => {};
  /** called with a model that was found in the store, before it is one of those that are there */
  found: (model: PublishedModel) => void = () => {};

  /** Adds a model that was found in the store. */
  restore(model: PublishedModel): void {
    this.found(model);
    const committed = Promise.resolve();
    this.#entries.set(model.ref.generation, { model, state: 'live', alone: undefined, committed });
  }

  /** Says of a version in the store that it cannot be served. */
  restoreDamaged(missing: Missing): void {
    this.#damaged.set(`${missing.name}@${missing.version}`, missing);
  }

  /** Adds what an earlier process has staged. */
  restoreStaged(left: LeftStaged): void {
    this.#left.set(left.generation, { ...left, alone: performance.now() });
    this.#tidyLater();
  }

  /** The publisher of what is staged has left: it waits a while for what the other nodes say. */
  abandoned(generation: string): void {
    const entry = this.#entries.get(generation);
    if (entry?.state !== 'staged') return;
    entry.alone = performance.now();
    this.#tidyLater();
  }

  #tidyLater(): void {
    setTimeout(() => void this.tidy().catch(() => {}), limits.stagedMs + 100).unref();
  }

  /** What this node has, for the others. */
  get mine(): Listed[] {
    return [...this.#entries.values()].map(({ model, state }) => ({
      ...model.ref,
      hash: model.hash,
      publisher: model.publisher,
      published: model.manifest.published,
      state,
    }));
  }

  /** How many models a publisher has here, those included that are being written. */
  countOf(publisher: string): number {
    const models = [...this.#staging.values(), ...[...this.#entries.values()].map(({ model }) => model)];
    return models.filter((model) => model.publisher === publisher).length;
  }

  /** Another node says what it has. */
  async heard(role: NodeRole, list: readonly Listed[]): Promise<void> {
    this.#theirs.set(role, new Map(list.map((l) => [l.generation, l])));
    for (const [generation, { model, state }] of [...this.#entries]) {
      const theirs = this.#theirs.get(role)!.get(generation);
      if (state === 'staged' && theirs?.state === 'live' && theirs.hash === model.hash) await this.commit(generation);
    }
    for (const l of list) {
      const damaged = this.#damaged.get(`${l.name}@${l.version}`);
      // Its own folder may not say any more whose it is
      if (damaged && l.state === 'live') damaged.publisher ??= l.publisher;
      const left = this.#left.get(l.generation);
      if (left?.hash !== l.hash || l.state !== 'live') continue;
      this.#left.delete(l.generation);
      await this.#adopt(left, l.publisher);
      this.changed();
    }
  }

  /** What an earlier process has staged is live at another node: so it is here. */
  async #adopt(left: LeftStaged, publisher: string): Promise<void> {
    try {
      await this.keeper.commit(left.generation);
      this.restore(await this.keeper.load(left));
    } catch (error) {
      const { name, version } = left;
      this.restoreDamaged({ name, version, publisher, why: (error as Error).message });
      throw error;
    }
  }

  /** Removes what was staged long ago and no node has live. */
  async tidy(now = performance.now()): Promise<void> {
    for (const [generation, { state, alone }] of [...this.#entries]) {
      if (state !== 'staged' || alone === undefined || now - alone < limits.stagedMs) continue;
      // One of them may have it live
      if (this.#theirs.size < 2) this.#tidyLater();
      else await this.discard(generation);
    }
    for (const [generation, left] of [...this.#left]) {
      if (now - left.alone < limits.stagedMs) continue;
      if (this.#theirs.size < 2) {
        this.#tidyLater();
        continue;
      }
      this.#left.delete(generation);
      await this.keeper.remove(left, 'staged');
    }
  }

  /**
   * Takes a model that is complete in itself, and writes it where it survives; in the place of one of that version that
   * was never served, for one of the nodes lacks it.
   * @throws NodeError MODEL_EXISTS where that version is served: versions are immutable
   */
  async stage(model: PublishedModel): Promise<void> {
    const { name, version, generation } = model.ref;
    if (this.#entries.has(generation) || this.#staging.has(generation))
      throw new NodeError('client', 'BAD_MESSAGE', 'staged a model twice');
    const there = this.#live(name, version);
    if (there && this.#theirs.size < 2) throw unheard(`whether they have ${model.title}`);
    // Another publisher's stays, served or not
    if (there && (this.#isServed(there) || there.model.publisher !== model.publisher))
      throw new NodeError(
        'client',
        'MODEL_EXISTS',
        `${model.title} is published; versions are immutable: publish another version, or unpublish this one`,
      );
    if (this.#entries.size + this.#staging.size >= limits.models)
      throw new NodeError('client', 'LIMIT_EXCEEDED', `this node has ${limits.models} models; unpublish some of them`);
    this.#staging.set(generation, model);
    try {
      // What one of the nodes lacks is served by none
      if (there) await this.#remove(there);
      await this.#removeDamaged(name, version, model.publisher);
      await this.keeper.stage(model);
      this.#entries.set(generation, { model, state: 'staged', alone: undefined });
    } finally {
      this.#staging.delete(generation);
    }
    this.changed();
  }

  /** Makes a staged model visible. @throws NodeError MODEL_UNKNOWN */
  async commit(generation: string): Promise<void> {
    const entry = this.#entries.get(generation);
    if (!entry) throw unknown('a model that was not staged here; publish it again');
    // Its publisher may say so while another node does
    entry.committed ??= this.#commit(entry);
    await entry.committed;
  }

  async #commit(entry: Entry): Promise<void> {
    try {
      await this.keeper.commit(entry.model.ref.generation);
    } catch (error) {
      entry.committed = undefined;
      throw error;
    }
    entry.state = 'live';
    this.changed();
  }

  /** Removes what was staged and not committed, nor is being; of others it knows nothing. */
  async discard(generation: string): Promise<void> {
    const entry = this.#entries.get(generation);
    if (entry?.state === 'staged' && !entry.committed) await this.#remove(entry);
  }

  /** Removes a version, whether the others have it or not. @throws NodeError MODEL_UNKNOWN */
  async unpublish(publisher: string, name: string, version: string): Promise<void> {
    const entry = this.#live(name, version);
    if (entry?.model.publisher === publisher) return this.#remove(entry);
    if (!(await this.#removeDamaged(name, version, publisher))) throw unknown(`no model ${name}@${version} of yours`);
  }

  /**
   * Makes room in the store for a version that cannot be loaded from there. @returns whether there was one
   * @throws NodeError MODEL_DAMAGED where it is not known to be the publisher's
   */
  async #removeDamaged(name: string, version: string, publisher: string): Promise<boolean> {
    const title = `${name}@${version}`;
    const damaged = this.#damaged.get(title);
    if (!damaged) return false;
    if (damaged.publisher !== publisher) {
      const what = `what a node has stored of ${title} cannot be read, and is not known to be of ${publisher}`;
      throw new NodeError('client', 'MODEL_DAMAGED', `${what}; its operator restores or removes that folder`);
    }
    await this.keeper.remove({ name, version, generation: '' }, 'live');
    this.#damaged.delete(title);
    this.changed();
    return true;
  }

  async #remove({ model, state }: Entry): Promise<void> {
    this.#entries.delete(model.ref.generation);
    this.gone(model);
    await this.keeper.remove(model.ref, state);
    this.changed();
  }

  /** A staged or live model. */
  entry(generation: string): PublishedModel | undefined {
    return this.#entries.get(generation)?.model;
  }

  #live(name: string, version: string): Entry | undefined {
    for (const entry of this.#entries.values()) {
      const { ref } = entry.model;
      if (entry.state === 'live' && ref.name === name && ref.version === version) return entry;
    }
    return undefined;
  }

  #lacking({ model }: Entry): NodeRole | undefined {
    for (const [role, list] of this.#theirs) {
      const theirs = list.get(model.ref.generation);
      if (theirs?.state !== 'live' || theirs.hash !== model.hash) return role;
    }
    return undefined;
  }

  #isServed(entry: Entry): boolean {
    return entry.state === 'live' && this.#theirs.size === 2 && this.#lacking(entry) === undefined;
  }

  /** Nobody is known to lack it, and not both others have said what they have. */
  #isUnheard(entry: Entry): boolean {
    return entry.state === 'live' && this.#theirs.size < 2 && this.#lacking(entry) === undefined;
  }

  /**
   * Why a version is not served, or none of a name: MODEL_UNKNOWN, or BUSY for the moment after a start in which the
   * other nodes have not said yet what they have.
   * @param mayKnow which models whoever asks may know of
   */
  whyNot(name: string, version: string | undefined, mayKnow: (model: PublishedModel) => boolean): NodeError {
    const title = version === undefined ? name : `${name}@${version}`;
    const live = [...this.#entries.values()].filter(
      ({ state, model }) =>
        state === 'live' &&
        model.ref.name === name &&
        (version === undefined || model.ref.version === version) &&
        mayKnow(model),
    );
    if (live.length === 0) return unknown(`no model ${title} is served here`);
    if (live.some((entry) => this.#isUnheard(entry))) return unheard(`whether they have ${title}`);
    return unknown(`${title} is not served: ${this.#why(live[0]!)}`);
  }

  #why(entry: Entry): string {
    const lacking = this.#lacking(entry);
    return lacking ? `${lacking} does not have it` : 'the other nodes have not been met yet';
  }

  /**
   * Models that all three nodes have, for a list of them.
   * @throws NodeError BUSY where this node has some, and the others have not said yet what they have
   */
  listed(): PublishedModel[] {
    if ([...this.#entries.values()].some((entry) => this.#isUnheard(entry))) throw unheard('what they have');
    return this.all;
  }

  /** Models that all three nodes are known to have. */
  get all(): PublishedModel[] {
    return [...this.#entries.values()].filter((e) => this.#isServed(e)).map(({ model }) => model);
  }

  /** Runs of a publisher's models that are not over. */
  runsOf(publisher: string): number {
    let runs = 0;
    for (const { model } of this.#entries.values()) if (model.publisher === publisher) runs += model.runs;
    return runs;
  }

  /** Versions that are live at one of the nodes and not served, and why. */
  get missing(): Missing[] {
    const missing: Missing[] = [...this.#damaged.values()];
    for (const e of this.#entries.values()) {
      const { ref, publisher } = e.model;
      if (e.state === 'live' && !this.#isServed(e)) missing.push({ ...ref, publisher, why: this.#why(e) });
    }
    const others = new Map([...this.#theirs.values()].flatMap((list) => [...list]));
    for (const [generation, { name, version, publisher, state }] of others) {
      // What is staged here becomes live when the others say so
      if (state !== 'live' || this.#entries.has(generation) || this.#damaged.has(`${name}@${version}`)) continue;
      missing.push({ name, version, publisher, why: 'this node does not have it' });
    }
    return missing;
  }
}

const unknown = (what: string) => new NodeError('client', 'MODEL_UNKNOWN', what);
const unheard = (what: string) =>
  new NodeError('client', 'BUSY', `the other nodes have not said yet ${what}`, { retryAfterMs: limits.retryMs });
