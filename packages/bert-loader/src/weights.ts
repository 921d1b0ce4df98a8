import type { Tensor } from '@tensorflow/tfjs-core';
import type { Dense, Norm } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import { TensorStore } from './tensor-store.js';

/** A matrix of `rows` rows, transposed. */
export function turned(values: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = values[r * cols + c] as number;
  return out;
}

/** Reads a checkpoint's tensors onto the active backend, under a prefix, and knows which it has made. */
export class WeightReader {
  readonly checkpoint: Checkpoint;
  readonly prefix: string;
  /** what was made by this reader and those it was made from */
  readonly store: TensorStore;

  constructor(checkpoint: Checkpoint, prefix = '', store = new TensorStore()) {
    this.checkpoint = checkpoint;
    this.prefix = prefix;
    this.store = store;
  }

  /** A reader of what is below a name. */
  under(prefix: string): WeightReader {
    return new WeightReader(this.checkpoint, this.prefix + prefix, this.store);
  }

  has(name: string): boolean {
    return this.checkpoint.has(this.prefix + name);
  }

  shape(name: string): number[] | undefined {
    return this.checkpoint.shape(this.prefix + name);
  }

  /** Values that become no tensor as they are. */
  values(name: string, shape: number[]): Float32Array {
    return this.checkpoint.read(this.prefix + name, shape);
  }

  /** A tensor of values that were computed from the checkpoint's. */
  keep(values: Float32Array, shape: number[]): Tensor {
    return this.store.keep(values, shape);
  }

  tensor(name: string, shape: number[]): Tensor {
    return this.store.keep(this.values(name, shape), shape, this.prefix + name);
  }

  dense(name: string, out: number, from: number, hasBias = true): Dense {
    const full = `${name}.weight`;
    const values = turned(this.values(full, [out, from]), out, from);
    const weight = this.store.keep(values, [from, out], this.prefix + full, true);
    return { weight, bias: hasBias ? this.tensor(`${name}.bias`, [out]) : undefined };
  }

  norm(name: string, size: number, epsilon: number | undefined): Norm {
    // Checkpoints converted from TensorFlow call them gamma and beta
    const old = this.has(`${name}.gamma`);
    const gain = this.tensor(`${name}.${old ? 'gamma' : 'weight'}`, [size]);
    return { gain, bias: this.tensor(`${name}.${old ? 'beta' : 'bias'}`, [size]), epsilon };
  }

  /**
   * Are there as many of something, numbered from 0 below `stem`, as the configuration says?
   * @param key the configuration's word for the number
   * @throws ModelFileError naming both numbers
   */
  checkCount(stem: string, expected: number, key: string): void {
    const start = this.prefix + stem;
    const found = new Set<number>();
    for (const name of this.checkpoint.names) {
      if (name.startsWith(start)) found.add(Number.parseInt(name.slice(start.length), 10));
    }
    if (found.size === expected) return;
    const which = found.size === 0 ? `'${start}0'` : `'${start}0' to '${start}${Math.max(...found)}'`;
    this.checkpoint.refuse(`${key} is ${expected} in config.json, but the checkpoint holds ${found.size} (${which})`);
  }

  /**
   * Has everything below the prefix been read that matches `ours`, but not `beside`? What has not would be missing from
   * the mathematics.
   * @throws ModelFileError naming one that has not
   */
  checkAllRead(ours: RegExp, beside: RegExp): void {
    const [unread] = this.checkpoint.unread((name) => {
      const own = name.slice(this.prefix.length);
      return name.startsWith(this.prefix) && ours.test(own) && !beside.test(own);
    });
    if (unread === undefined) return;
    this.checkpoint.refuse(
      `has a tensor '${unread}' that no model as config.json describes it has; it would be left out`,
    );
  }
}
