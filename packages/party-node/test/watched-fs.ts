/** A file system each of whose calls is announced first, and may then fail or end the process. */
import { diskFs, type StoreFile, type StoreFs } from '../src/store/store-fs.js';

/** One call that is about to be made; `torn` makes half of a write. */
export interface Call {
  name: string;
  path: string;
  torn: () => Promise<void>;
}

export function watchedFs(before: (call: Call) => Promise<void> | void, fs: StoreFs = diskFs): StoreFs {
  const none = async () => {};
  const watched =
    <A extends [string, ...unknown[]], R>(name: string, f: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await before({ name, path: args[0], torn: none });
      return f.apply(fs, args);
    };
  const fileOf = (path: string, file: StoreFile): StoreFile => ({
    bytes: file.bytes,
    async write(bytes) {
      const torn = () => file.write(bytes.subarray(0, bytes.length >> 1));
      await before({ name: 'write', path, torn });
      await file.write(bytes);
    },
    async read(into, position) {
      await before({ name: 'read', path, torn: none });
      return file.read(into, position);
    },
    async sync() {
      await before({ name: 'sync', path, torn: none });
      await file.sync();
    },
    close: () => file.close(),
  });
  const opened = (name: string, f: (path: string) => Promise<StoreFile>) => {
    const open = watched(name, f);
    return async (path: string) => fileOf(path, await open(path));
  };
  return {
    claim: (...args) => fs.claim(...args),
    create: opened('create', fs.create),
    open: opened('open', fs.open),
    makeFolder: watched('makeFolder', fs.makeFolder),
    kind: watched('kind', fs.kind),
    list: watched('list', fs.list),
    syncFolder: watched('syncFolder', fs.syncFolder),
    rename: watched('rename', fs.rename),
    removeEmptyFolder: watched('removeEmptyFolder', fs.removeEmptyFolder),
    removeAll: watched('removeAll', fs.removeAll),
  };
}

/** An error as the system makes it. */
export const systemError = (code: string) => Object.assign(new Error(`${code}: simulated`), { code });
