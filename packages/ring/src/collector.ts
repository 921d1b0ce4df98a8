/**
 * What V8's collector is told of array buffers. It looks for garbage whenever they have grown by 64 MB, which costs a
 * node that takes gigabytes for its first run half a second of each thread, for nothing: what is kept to be used again
 * is no garbage.
 */
import { openNative } from '#native';
import type { Words } from './words.js';

/** A buffer that the collector does not count, until `counted` says that it may find it. */
export function uncounted(bytes: number): ArrayBuffer {
  const adjust = openNative()?.adjustExternalMemory;
  // Before, for making it may start a collection
  adjust?.(-bytes);
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    adjust?.(bytes);
    throw error;
  }
}

/**
 * A large buffer that will be written soon has pages of 2 MB where the system gives them: a node's first run touches
 * gigabytes, and takes a fifth less time so.
 */
export function inLargePages(buffer: ArrayBuffer): ArrayBuffer {
  openNative()?.largePages?.(buffer);
  return buffer;
}

/** So many bytes of uncounted buffers are left to the collector. */
export function counted(bytes: number): void {
  openNative()?.adjustExternalMemory?.(bytes);
}

/** Where the collector has found words that last, it has counted their end. */
const lasts = new FinalizationRegistry<number>(counted);

/** @returns `n` zero words that stay for many runs, so that the collector has no reason to look for them */
export function lasting(n: number): Words {
  const buffer = uncounted(8 * n);
  lasts.register(buffer, buffer.byteLength, buffer);
  return new BigUint64Array(buffer);
}

/** Words that lasted are needed no more; of others nothing is said. */
export function outlived({ buffer }: Words): void {
  if (lasts.unregister(buffer)) counted(buffer.byteLength);
}
