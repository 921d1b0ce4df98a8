import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
// Not by name: bundles for Node often declare createRequire in their first line
import modules from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeModule } from './native-kernels.js';

let opened: NativeModule | undefined | null = null;

/** The compiled kernels: those packed for this platform, or what the installation made. */
export function openNative(): NativeModule | undefined {
  if (opened === null) opened = open();
  return opened;
}

function open(): NativeModule | undefined {
  try {
    // In a bundle there is no such file, and perhaps no import.meta.url
    return openAddon(fileURLToPath(new URL(`../../prebuilds/${process.platform}-${process.arch}`, import.meta.url)));
  } catch {
    // Compiled for another machine: WebAssembly does the same
    return undefined;
  }
}

/**
 * Opens the addon of a folder, unless it is damaged: to map a file that was cut off ends the process.
 * @param folder with kernels.node and, from the build, its SHA-256
 */
export function openAddon(folder: string): NativeModule | undefined {
  const file = join(folder, 'kernels.node');
  const sum = join(folder, 'kernels.sha256');
  if (!existsSync(file)) return undefined;
  if (
    existsSync(sum) &&
    readFileSync(sum, 'utf8').trim() !== createHash('sha256').update(readFileSync(file)).digest('hex')
  ) {
    const why = `${file} is not the file that was built, perhaps cut off on its way`;
    process.emitWarning(`${why}; WebAssembly is used, which is slower. Install @secformer/ring again`);
    return undefined;
  }
  return modules.createRequire(import.meta.url)(file) as NativeModule;
}
