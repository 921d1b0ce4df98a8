/**
 * Integers that say where elements go or come from: a public tensor's may shape the program, own ones stay in this
 * process.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Indices } from '../rows.js';
import { type KernelCall, UnsupportedKernelError } from './kernel.js';

/** Integers that the client knows; `hidden` ones must reach the nodes as masked inputs only. */
export interface Integers extends Indices {
  hidden: boolean;
}

/** @throws UnsupportedKernelError where they are secret shares, which nobody knows */
export function integersOf({ backend }: KernelCall, t: TensorInfo, kernel: string): Integers {
  const privacy = backend.privacy(t);
  if (privacy === 'secret')
    throw new UnsupportedKernelError(kernel, 'needs indices that are not secret shares; int32 tensors stay local');
  const { values } = privacy === 'public' ? backend.plain(t) : backend.ownPlain(t);
  const owner = backend.owner(t);
  return {
    values: Int32Array.from(values as ArrayLike<number>),
    hidden: privacy !== 'public',
    owner,
    step: owner === 'client' ? backend.step(t) : undefined,
  };
}
