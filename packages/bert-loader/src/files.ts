import { ModelFileError } from './errors.js';

/** Reads a file of a model folder; undefined if there is none. A file of a folder in it is named with '/'. */
export type ReadFile = (name: string) => Promise<Uint8Array | undefined>;

/** What a file that is not there is missing from. */
export const A_MODEL_FOLDER =
  'a model folder holds config.json, model.safetensors and tokenizer.json, or vocab.txt (BERT’s families), ' +
  'or vocab.json and merges.txt (RoBERTa); transformers’ save_pretrained writes a tokenizer.json';
const POINTER = new TextEncoder().encode('version https://git-lfs.github.com/spec/');

function isPointer(bytes: Uint8Array): boolean {
  return bytes.length < 1024 && POINTER.every((b, i) => bytes[i] === b);
}

/** A model folder's files, wherever they are; errors name the file. */
export class ModelFiles {
  readonly #read: ReadFile;
  readonly #where: string;
  /** '' or a path that ends in '/' */
  readonly #below: string;

  /** @param where name of the folder, for messages */
  constructor(read: ReadFile, where: string, below = '') {
    this.#read = read;
    this.#where = where;
    this.#below = below;
  }

  /** The files of a folder in this one; '' is this one. */
  under(folder: string): ModelFiles {
    return folder === ''
      ? this
      : new ModelFiles(this.#read, this.#where, `${this.#below}${folder.replace(/\/*$/, '/')}`);
  }

  /** This folder's name, for messages. */
  get folder(): string {
    return `${this.#where}/${this.#below}`.replace(/\/$/, '');
  }

  /** What `read` is asked for a file of this folder by. */
  name(file: string): string {
    return this.#below + file;
  }

  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  /** @throws ModelFileError about a file of this folder */
  refuse(name: string, what: string, options?: { cause?: unknown }): never {
    throw new ModelFileError(this.path(name), what, options);
  }

  /** @throws ModelFileError where the file is a Git LFS pointer */
  async bytes(name: string): Promise<Uint8Array | undefined> {
    const bytes = await this.#read(this.name(name));
    if (bytes && isPointer(bytes))
      this.refuse(name, "is a Git LFS pointer, not the file it stands for; 'git lfs pull' fetches that");
    return bytes;
  }

  async need(name: string): Promise<Uint8Array> {
    const bytes = await this.bytes(name);
    return bytes ?? this.refuse(name, `is not there; ${A_MODEL_FOLDER}`);
  }

  async text(name: string): Promise<string | undefined> {
    const bytes = await this.bytes(name);
    return bytes && new TextDecoder().decode(bytes);
  }

  async needText(name: string): Promise<string> {
    return new TextDecoder().decode(await this.need(name));
  }

  async json(name: string): Promise<unknown> {
    const text = await this.text(name);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      return this.refuse(name, 'is not JSON', { cause });
    }
  }
}
