/**
 * A file system in memory whose power may be cut. What was not synced is then there, in part, or not at all, by a seed:
 * names of a folder that was not synced come and go one by one (a renamed one stays in one of its places), and files
 * that were not synced are cut short or full of zeros.
 */
import type { StoreFile, StoreFs } from '../src/store/store-fs.js';
import { systemError } from './watched-fs.js';

class File {
  data = new Uint8Array(0);
  synced = new Uint8Array(0);
}

class Folder {
  readonly entries = new Map<string, File | Folder>();
}

/** A change of names that is not on the disk for certain: `undo` takes it back. */
interface Change {
  folders: Folder[];
  undo: () => void;
}

export class PowerCutFs implements StoreFs {
  #root = new Folder();
  #changes: Change[] = [];

  /** The power is cut, and comes again. @param chance of something that is not certain */
  cut(chance: () => boolean): void {
    // Later changes may build on earlier ones, so they are taken back first; one that stays keeps those of its name
    const kept = new Set<Folder>();
    for (const { folders, undo } of this.#changes.reverse()) {
      if (folders.some((f) => kept.has(f)) || chance()) for (const f of folders) kept.add(f);
      else undo();
    }
    this.#changes = [];
    const settle = (folder: Folder) => {
      for (const entry of folder.entries.values()) {
        if (entry instanceof Folder) settle(entry);
        else if (entry.data.length !== entry.synced.length) {
          if (chance()) entry.data = entry.data.slice(0, entry.synced.length + (entry.data.length >> 1));
          else entry.data.fill(0, entry.synced.length);
          entry.synced = entry.data;
        }
      }
    };
    settle(this.#root);
  }

  #at(path: string): File | Folder | undefined {
    let at: File | Folder | undefined = this.#root;
    for (const name of path.split('/').filter(Boolean)) at = at instanceof Folder ? at.entries.get(name) : undefined;
    return at;
  }

  #folder(path: string): Folder {
    const at = this.#at(path);
    if (!(at instanceof Folder)) throw systemError(at ? 'ENOTDIR' : 'ENOENT');
    return at;
  }

  #place(path: string): { folder: Folder; name: string } {
    const cut = path.lastIndexOf('/');
    return { folder: this.#folder(path.slice(0, cut)), name: path.slice(cut + 1) };
  }

  #add(path: string, entry: File | Folder): void {
    const { folder, name } = this.#place(path);
    if (folder.entries.has(name)) throw systemError('EEXIST');
    folder.entries.set(name, entry);
    this.#changes.push({ folders: [folder], undo: () => folder.entries.delete(name) });
  }

  async claim(): Promise<() => Promise<void>> {
    return async () => {};
  }

  async create(path: string): Promise<StoreFile> {
    const file = new File();
    this.#add(path, file);
    return opened(file);
  }

  async open(path: string): Promise<StoreFile> {
    const file = this.#at(path);
    if (!(file instanceof File)) throw systemError(file ? 'EINVAL' : 'ENOENT');
    return opened(file);
  }

  async makeFolder(path: string): Promise<void> {
    this.#add(path, new Folder());
  }

  async kind(path: string): Promise<'file' | 'folder' | undefined> {
    const at = this.#at(path);
    return at && (at instanceof Folder ? 'folder' : 'file');
  }

  async list(path: string): Promise<string[]> {
    return [...this.#folder(path).entries.keys()];
  }

  async syncFolder(path: string): Promise<void> {
    const folder = this.#folder(path);
    this.#changes = this.#changes.filter(({ folders }) => !folders.includes(folder));
  }

  async rename(from: string, to: string): Promise<void> {
    const [a, b] = [this.#place(from), this.#place(to)];
    const entry = a.folder.entries.get(a.name);
    if (!entry) throw systemError('ENOENT');
    if (b.folder.entries.has(b.name)) throw systemError('ENOTEMPTY');
    a.folder.entries.delete(a.name);
    b.folder.entries.set(b.name, entry);
    this.#changes.push({
      folders: [a.folder, b.folder],
      undo: () => {
        b.folder.entries.delete(b.name);
        a.folder.entries.set(a.name, entry);
      },
    });
  }

  #remove(path: string): void {
    const { folder, name } = this.#place(path);
    const entry = folder.entries.get(name);
    if (!entry) return;
    folder.entries.delete(name);
    this.#changes.push({ folders: [folder], undo: () => folder.entries.set(name, entry) });
  }

  async removeEmptyFolder(path: string): Promise<void> {
    if (this.#folder(path).entries.size > 0) throw systemError('ENOTEMPTY');
    this.#remove(path);
  }

  async removeAll(path: string): Promise<void> {
    this.#remove(path);
  }
}

function opened(file: File): StoreFile {
  return {
    bytes: file.data.length,
    async write(bytes) {
      file.data = Uint8Array.of(...file.data, ...bytes);
    },
    async read(into, position) {
      const bytes = file.data.subarray(position, position + into.length);
      into.set(bytes);
      return bytes.length;
    },
    async sync() {
      file.synced = file.data;
    },
    async close() {},
  };
}
