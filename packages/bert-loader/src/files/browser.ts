import { ModelFileError } from '../errors.js';
import type { ReadFile } from '../files.js';

/** Reads the files of a folder at a URL. @param signal ends a download */
export function readFolder(folder: string, signal?: AbortSignal): ReadFile {
  const base = folder.replace(/\/*$/, '/');
  return async (name) => {
    const url = base + name;
    let response: Response;
    try {
      response = await fetch(url, signal ? { signal } : {});
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ModelFileError(url, `cannot be fetched (${(cause as Error).message})`, { cause });
    }
    if (response.status === 404) return undefined;
    if (!response.ok) throw new ModelFileError(url, `cannot be fetched (status ${response.status})`);
    // What servers of single-page applications answer for a file that is not there
    if (response.headers.get('content-type')?.startsWith('text/html')) return undefined;
    return new Uint8Array(await response.arrayBuffer());
  };
}
