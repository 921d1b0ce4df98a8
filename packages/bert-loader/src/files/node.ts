import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelFileError } from '../errors.js';
import type { ReadFile } from '../files.js';

/** Reads the files of a folder on disk. @param signal ends the reading of one */
export function readFolder(folder: string, signal?: AbortSignal): ReadFile {
  return async (name) => {
    try {
      return await readFile(join(folder, name), signal ? { signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new ModelFileError(join(folder, name), `cannot be read (${(error as Error).message})`, { cause: error });
    }
  };
}
