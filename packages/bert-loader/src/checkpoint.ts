import { isObject } from './describe.js';
import { ModelFileError } from './errors.js';
import type { Safetensors } from './safetensors.js';

/** What torch.compile, DataParallel, Lightning and sentence-transformers put before a tensor's name. */
const WRAPPERS = /^(_orig_mod\.|module\.|model\.|0\.auto_model\.)+/;

/** A tensor's name without the wrappers that the model was in when it was saved. */
export function bareName(name: string): string {
  return name.replace(WRAPPERS, '').replaceAll('._orig_mod.', '.');
}

/** Which file of a sharded checkpoint holds which tensor. @throws ModelFileError where the index is none */
export function shardsOf(file: string, index: unknown): Map<string, string[]> {
  const map = isObject(index) ? (index as { weight_map?: unknown }).weight_map : undefined;
  if (!isObject(map))
    throw new ModelFileError(file, "has no object 'weight_map' of tensors and the files that hold them");
  const shards = new Map<string, string[]>();
  for (const [name, shard] of Object.entries(map)) {
    // Beside the index and nowhere else
    const isHere = typeof shard === 'string' && shard !== '' && !/[/\\]/.test(shard);
    if (!isHere) throw new ModelFileError(file, `tensor '${name}' is not said to be in a file of this folder`);
    const list = shards.get(shard);
    if (list) list.push(name);
    else shards.set(shard, [name]);
  }
  return shards;
}

/** The tensors of a model, from one file or several, by their names without wrappers. */
export class Checkpoint {
  readonly #file: string;
  readonly #tensors = new Map<string, { in: Safetensors; as: string }>();
  readonly #read = new Set<string>();

  /**
   * @param file the file, or the index of the files, for messages
   * @throws ModelFileError where two tensors are called the same
   */
  constructor(file: string, parts: readonly Safetensors[]) {
    this.#file = file;
    for (const part of parts) {
      for (const as of part.names) {
        const name = bareName(as);
        const other = this.#tensors.get(name);
        if (other)
          this.refuse(`tensors '${other.as}' and '${as}' are both '${name}'; which is the model's cannot be told`);
        this.#tensors.set(name, { in: part, as });
      }
    }
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  get names(): IterableIterator<string> {
    return this.#tensors.keys();
  }

  /** A tensor's shape, unchecked; undefined where there is no such tensor. */
  shape(name: string): number[] | undefined {
    const t = this.#tensors.get(name);
    return t?.in.shape(t.as);
  }

  /** A tensor's values. @throws ModelFileError naming it, if it is missing or damaged: see `Safetensors.read` */
  read(name: string, shape: readonly number[]): Float32Array {
    const t = this.#tensors.get(name);
    if (!t) {
      const [first] = this.#tensors.keys();
      const others = first === undefined ? 'it has none at all' : `it has ${this.#tensors.size}, such as '${first}'`;
      throw new ModelFileError(this.#file, `has no tensor '${name}'; ${others}`);
    }
    this.#read.add(name);
    return t.in.read(t.as, shape);
  }

  /** @throws ModelFileError, about the whole */
  refuse(what: string): never {
    throw new ModelFileError(this.#file, what);
  }

  /** Names that `of` is true of, and which nobody has read. */
  unread(of: (name: string) => boolean): string[] {
    return [...this.#tensors.keys()].filter((name) => of(name) && !this.#read.has(name));
  }
}
