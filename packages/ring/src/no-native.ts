import type { NativeModule } from './native-kernels.js';

/** A browser has no native kernels. */
export function openNative(): NativeModule | undefined {
  return undefined;
}
