import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NativeModule } from './native-kernels.js';

const file = fileURLToPath(new URL('../native/kernels.node', import.meta.url));
let opened: NativeModule | undefined | null = null;

/** The compiled kernels, if the installation could make them. */
export function openNative(): NativeModule | undefined {
  if (opened !== null) return opened;
  try {
    opened = existsSync(file) ? (createRequire(import.meta.url)(file) as NativeModule) : undefined;
  } catch {
    // Compiled for another machine: WebAssembly does the same
    opened = undefined;
  }
  return opened;
}
