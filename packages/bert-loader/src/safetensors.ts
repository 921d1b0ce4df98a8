import { Float16Array as HalfArray } from '@petamoriken/float16';
import { isObject } from './describe.js';
import { ModelFileError } from './errors.js';

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The longest header that is read: the format's own limit, 100 MB. */
const MAX_HEADER = 100_000_000;
const WIDTH: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };

/**
 * A safetensors file: eight bytes of length, a JSON header, then the tensors. Tensors are converted to float32 one at a
 * time.
 */
export class Safetensors {
  readonly #file: string;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #entries: Map<string, Entry>;

  /** @throws ModelFileError if lengths, offsets or the header do not hold together */
  constructor(file: string, bytes: Uint8Array) {
    this.#file = file;
    this.#bytes = bytes;
    if (bytes.length < 8) throw new ModelFileError(file, `has ${bytes.length} bytes, too few for a safetensors header`);
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    if (length > MAX_HEADER || 8 + length > bytes.length)
      throw new ModelFileError(
        file,
        `says its header has ${length} bytes, the file has ${bytes.length}; is it cut short?`,
      );
    this.#start = 8 + length;
    let header: unknown;
    try {
      header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, this.#start)));
    } catch (cause) {
      throw new ModelFileError(file, 'has a header that is not JSON', { cause });
    }
    if (!isObject(header)) throw new ModelFileError(file, 'has a header that is no JSON object of tensors');
    this.#entries = new Map(Object.entries(header).filter(([name]) => name !== '__metadata__') as [string, Entry][]);
    for (const [name, entry] of this.#entries)
      if (!isObject(entry)) throw new ModelFileError(file, `tensor '${name}' is not described by a JSON object`);
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** A tensor's shape as the header has it, unchecked; undefined where there is no such tensor. */
  shape(name: string): number[] | undefined {
    return this.#entries.get(name)?.shape;
  }

  /**
   * A tensor, checked.
   * @throws ModelFileError naming the tensor, if it is missing, of another shape or type, reaches past the end, or
   * holds NaN or infinite values
   */
  read(name: string, shape: readonly number[]): Float32Array {
    const values = this.#float32(name, shape);
    // A loop takes a fifth of findIndex's time
    let at = 0;
    while (at < values.length && Number.isFinite(values[at])) at++;
    if (at < values.length) {
      const what = Number.isNaN(values[at]) ? 'NaN' : 'an infinite value';
      const where = `element ${at} of shape [${shape}]`;
      throw new ModelFileError(
        this.#file,
        `tensor '${name}' holds ${what} (${where}); every weight has to be a finite number: ` +
          'save the checkpoint again, or another of its versions',
      );
    }
    return values;
  }

  #float32(name: string, shape: readonly number[]): Float32Array {
    const entry = this.#entries.get(name);
    if (!entry) throw new ModelFileError(this.#file, `has no tensor '${name}'`);
    const { dtype, data_offsets: offsets } = entry;
    const width = WIDTH[dtype];
    if (width === undefined)
      throw new ModelFileError(this.#file, `tensor '${name}' is ${dtype}; F32, F16 and BF16 are understood`);
    if (!Array.isArray(entry.shape) || entry.shape.join() !== shape.join())
      throw new ModelFileError(
        this.#file,
        `tensor '${name}' has shape [${entry.shape}], expected [${shape}] from config.json`,
      );
    const n = shape.reduce((a, b) => a * b, 1);
    const [from, to] = Array.isArray(offsets) && offsets.every(Number.isInteger) ? offsets : [-1, -1];
    if (to - from !== n * width || from < 0 || this.#start + to > this.#bytes.length)
      throw new ModelFileError(
        this.#file,
        `tensor '${name}' lies at bytes ${from} to ${to}, which do not hold ${n} values of ${dtype} in this file`,
      );
    // Copied, because a tensor need not lie at a multiple of its element's size; by the constructor, because a Buffer's
    // slice is a view
    const raw = new Uint8Array(this.#bytes.subarray(this.#start + from, this.#start + to)).buffer;
    if (dtype === 'F32') return new Float32Array(raw);
    if (dtype === 'F16') return Float32Array.from(new HalfArray(raw));
    // bfloat16 is the upper half of a float32
    const out = new Uint32Array(n);
    new Uint16Array(raw).forEach((h, i) => {
      out[i] = h << 16;
    });
    return new Float32Array(out.buffer);
  }
}
