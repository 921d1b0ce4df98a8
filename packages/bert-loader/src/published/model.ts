/** What of a published model is used to ask it about texts. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Abortable } from '../abortable.js';

/** An input or output, as a manifest says. */
export interface AskedTensor {
  name: string;
  shape: readonly number[];
  dtype: string;
}

/** What of a manifest is read; its publisher has signed it and may have written anything. */
export interface AskedManifest {
  name: string;
  version: string;
  programs: readonly { inputs: readonly AskedTensor[]; outputs: readonly AskedTensor[] }[];
  assets: readonly { name: string }[];
}

/** A published model: what `loadPublished` of the backend returns. */
export interface AskedModel {
  readonly manifest: AskedManifest;
  /** the bytes of one of its public files */
  asset(name: string, options?: Abortable): Promise<Uint8Array>;
  /** one of its outputs, for these inputs by name; the signal gives up what is asked for it */
  execute(inputs: tf.NamedTensorMap, output: string, options?: Abortable): tf.Tensor | tf.Tensor[];
  /** ends its connection */
  dispose?(): void;
}
