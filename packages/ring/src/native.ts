import { existsSync } from 'node:fs';
// Not by name: bundles for Node often declare createRequire in their first line
import modules from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NativeModule } from './native-kernels.js';

let opened: NativeModule | undefined | null = null;

/** The compiled kernels: those packed for this platform, or what the installation made. */
export function openNative(): NativeModule | undefined {
  if (opened !== null) return opened;
  try {
    // In a bundle there is no such file, and perhaps no import.meta.url
    const file = fileURLToPath(new URL(`../../prebuilds/${process.platform}-${process.arch}/kernels.node`, import.meta.url));
    opened = existsSync(file) ? (modules.createRequire(import.meta.url)(file) as NativeModule) : undefined;
  } catch {
    // Compiled for another machine: WebAssembly does the same
    opened = undefined;
  }
  return opened;
}
