/**
 * A small program as TensorFlow.js users write them. It names no backend, so that the same lines run on 'cpu' and on
 * 'secformer'; what it returns is read by whoever runs it, unless it has read it itself.
 */
import { asPublic } from '@secformer/tfjs-mpc-backend';
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';

export type Answer = Tensor | number | boolean | string | ArrayLike<number> | readonly Answer[];

export interface Program {
  /** topic/what it does */
  name: string;
  run(): Answer | Promise<Answer>;
  /** code of the refusal that the documents give a reason for; without one the program has to come out right */
  refusal?: string;
  /** largest error, absolute or of values above 1 relative; 1e-3 unless a domain says otherwise */
  tolerance?: number;
  /** what it needs and does not own, such as a model that others ask too */
  prepare?(): Promise<void>;
  /** how often a default run repeats it: what goes wrong now and then */
  times?: number;
}

type Run = Program['run'];
type Entry = Run | (Omit<Program, 'name'> & { run: Run });

/** The programs of a topic, by what they do. */
export function programs(topic: string, entries: Readonly<Record<string, Entry>>): Program[] {
  return Object.entries(entries).map(([name, e]) => ({
    name: `${topic}/${name}`,
    ...(typeof e === 'function' ? { run: e } : e),
  }));
}

/** A program that may be refused, and with which code; right is as good. */
export const refused = (refusal: string, run: Run): Entry => ({ run, refusal });

/** A program whose protocols promise less than 1e-3. */
export const within = (tolerance: number, run: Run): Entry => ({ run, tolerance });

/** A program that has to be right every time. */
export const repeated = (times: number, run: Run): Entry => ({ run, times });

/** `asPublic` where there are parties to know it. */
export function declaredPublic<T extends Tensor>(t: T): T {
  return tf.getBackend() === 'secformer' ? asPublic(t) : t;
}

/** The same values as a product of two secrets: what a model has computed, which nobody can fold. */
export function computed<T extends Tensor>(t: T): T {
  const n = t.shape.at(-1)!;
  const rows = t.reshape([-1, n]).matMul(tf.eye(n));
  return rows.reshape(t.shape) as T;
}

export const normal = (shape: number[], seed: number, deviation = 1): Tensor =>
  tf.randomNormal(shape, 0, deviation, 'float32', seed);
