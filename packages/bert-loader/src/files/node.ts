import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelFileError } from '../errors.js';
import type { ReadFile } from '../files.js';

/** Reads the files of a folder on disk. */
export function readFolder(folder: string): ReadFile {
  return async (name) => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new ModelFileError(join(folder, name), `cannot be read (${(error as Error).message})`, { cause: error });
    }
  };
}
