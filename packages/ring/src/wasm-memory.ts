/**
 * The memory of the WebAssembly module. Kernels work in a scratch area behind the module's tables, which data is copied
 * through: slots of a chunk of elements each, and room for the blocks of a matrix product.
 */
import { kernelsBase64 } from './generated/kernels.js';
import { HARMONICS } from './kernels.js';

/**
 * Elements a slot holds: operands of one step stay in the second-level cache together. A multiple of 64, so that planes
 * and packed words cut at bytes.
 */
export const CHUNK = 8192;
export const SLOT = CHUNK * 8 + 64;
/** Slots: the widest step has two planes for each harmonic, their coefficients, and a few operands. */
export const SLOTS = 2 * HARMONICS + 8;

export type Fn = (...args: (number | bigint)[]) => void;
export type Exports = Record<string, Fn> & { memory: WebAssembly.Memory; scratchBase: () => number };

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

/** The module, and where its scratch area lies. */
export class WasmMemory {
  readonly exports: Exports;
  readonly bytes: Uint8Array;
  /** where the blocks of a matrix product are */
  readonly blocks: number;
  readonly #base: number;

  /** @param blockWords words of the blocks of a matrix product */
  private constructor(exports: Exports, blockWords: number) {
    this.exports = exports;
    this.#base = (exports.scratchBase() + 63) & ~63;
    this.blocks = this.#base + SLOT * SLOTS;
    const bytes = this.blocks + blockWords * 8 + 4096;
    const memory = exports.memory;
    if (memory.buffer.byteLength < bytes) memory.grow(Math.ceil((bytes - memory.buffer.byteLength) / 65536));
    this.bytes = new Uint8Array(memory.buffer);
  }

  static async load(blockWords: number): Promise<WasmMemory> {
    const { instance } = await WebAssembly.instantiate(decodeBase64(kernelsBase64), {});
    return new WasmMemory(instance.exports as unknown as Exports, blockWords);
  }

  /** Sines and exponentials as these kernels have them. */
  tables(): Float64Array {
    const at = this.exports.tables() as unknown as number;
    return new Float64Array(this.bytes.buffer, at, 4 * 4096 + 4 * 1024).slice();
  }

  slot(i: number): number {
    return this.#base + i * SLOT;
  }

  /** Copies elements [from, to) of `a`, `bytes` each, into slot `i`. */
  in(i: number, a: ArrayBufferView, from: number, to: number, bytes = 8): number {
    const at = this.slot(i);
    this.bytes.set(new Uint8Array(a.buffer, a.byteOffset + from * bytes, (to - from) * bytes), at);
    return at;
  }

  /** Copies elements [from, to) of `a`, `bytes` each, out of slot `i`. */
  out(i: number, a: ArrayBufferView, from: number, to: number, bytes = 8): void {
    const at = this.slot(i);
    new Uint8Array(a.buffer, a.byteOffset + from * bytes, (to - from) * bytes).set(
      this.bytes.subarray(at, at + (to - from) * bytes),
    );
  }
}
