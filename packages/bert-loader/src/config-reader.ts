import { isObject } from './describe.js';
import { ModelFileError } from './errors.js';

/** A config.json, key by key, with errors that name the file and the key. */
export class ConfigReader {
  readonly file: string;
  readonly #json: Record<string, unknown>;

  constructor(file: string, json: unknown) {
    if (!isObject(json)) throw new ModelFileError(file, 'is no JSON object');
    this.file = file;
    this.#json = json as Record<string, unknown>;
  }

  /** @throws ModelFileError where the text is no JSON object */
  static parse(file: string, text: string): ConfigReader {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      throw new ModelFileError(file, 'is not JSON', { cause });
    }
    return new ConfigReader(file, json);
  }

  /** @throws ModelFileError about this file */
  refuse(what: string): never {
    throw new ModelFileError(this.file, what);
  }

  get keys(): string[] {
    return Object.keys(this.#json);
  }

  /** What stands under a key, if it is the object's own. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#json, key) ? this.#json[key] : undefined;
  }

  /** The first of these keys that holds a whole number of at least 0, or `otherwise` where all are absent. */
  whole(keys: string[], otherwise?: number): number {
    const values = keys.map((key) => this.raw(key)).filter((value) => value !== undefined && value !== null);
    for (const value of values) if (Number.isInteger(value) && (value as number) >= 0) return value as number;
    if (values.length === 0 && otherwise !== undefined) return otherwise;
    return this.refuse(`has no whole number '${keys[0]}'`);
  }

  number(key: string, otherwise: number): number {
    const value = this.raw(key) ?? otherwise;
    if (typeof value !== 'number' || !Number.isFinite(value)) return this.refuse(`'${key}' is no number`);
    return value;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.raw(key) ?? otherwise;
    if (typeof value !== 'boolean') return this.refuse(`'${key}' is neither true nor false`);
    return value;
  }
}
