/** One ask of a published model: arrays in, arrays out, and no tensor left behind. */
import type { TensorSpec } from '@secformer/tfjs-mpc-backend';
import type { Tensor } from '@tensorflow/tfjs';
import type { Model } from '../service.js';
import type { Tf } from '../tfjs.js';

export type Numbers = Float32Array | Int32Array | Uint8Array;

/** A tensor as numbers in row-major order. */
export interface Plain extends TensorSpec {
  values: Numbers;
}

/** What is asked of a model. */
export interface Asked {
  inputs: readonly Plain[];
  /** names of outputs, which come back in this order */
  wanted: string[];
  /** ends the ask, at the nodes too */
  signal: AbortSignal;
}

/** @throws what the backend and the nodes refuse; the signal's reason */
export async function askOnce(tf: Tf, model: Model, { inputs, wanted, signal }: Asked): Promise<Plain[]> {
  const tensors: Tensor[] = [];
  try {
    const given: Record<string, Tensor> = Object.create(null);
    for (const { name, shape, dtype, values } of inputs) {
      const tensor = tf.tensor(values, shape, dtype);
      tensors.push(tensor);
      given[name] = tensor;
    }
    const outputs = [model.execute(given, wanted, { signal })].flat();
    tensors.push(...outputs);
    const results: Plain[] = [];
    // The first that is read asks for all of them
    for (const [i, output] of outputs.entries()) {
      const { shape, dtype } = output;
      const values = (await output.data()) as Numbers;
      results.push({ name: wanted[i]!, shape: [...shape], dtype: dtype as Plain['dtype'], values });
    }
    return results;
  } finally {
    tf.dispose(tensors);
  }
}

/** Rows `from` to `to` of a tensor. */
export function rowsOf(plain: Plain, from: number, to: number): Plain {
  const size = plain.shape.slice(1).reduce((a, b) => a * b, 1);
  return { ...plain, shape: [to - from, ...plain.shape.slice(1)], values: plain.values.slice(from * size, to * size) };
}

/** A tensor with its last row again and again, until it has so many rows. */
export function filled(plain: Plain, rows: number): Plain {
  const [count, ...rest] = plain.shape as [number, ...number[]];
  if (count === rows) return plain;
  const size = rest.reduce((a, b) => a * b, 1);
  const values = new (plain.values.constructor as Float32ArrayConstructor)(rows * size);
  values.set(plain.values as Float32Array);
  const last = values.subarray((count - 1) * size, count * size);
  for (let row = count; row < rows; row++) values.set(last, row * size);
  return { ...plain, shape: [rows, ...rest], values };
}

/** Tensors of one type, one under the other. */
export function joined(parts: readonly Plain[]): Plain {
  const [first] = parts as [Plain];
  if (parts.length === 1) return first;
  const length = parts.reduce((sum, { values }) => sum + values.length, 0);
  const values = new (first.values.constructor as Float32ArrayConstructor)(length);
  let at = 0;
  for (const part of parts) {
    values.set(part.values as Float32Array, at);
    at += part.values.length;
  }
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return { ...first, shape: [rows, ...first.shape.slice(1)], values };
}
