/** What a model store asks of the file system: few calls, so that a test can fail, count or lose each of them. */
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename } from 'node:path';
import type { NodeName } from '../errors.js';
import { Damage, systemCode } from './failures.js';
import { lockFolder } from './lock.js';

/** An open file. */
export interface StoreFile {
  /** its length when it was opened */
  readonly bytes: number;
  /** Appends all of these bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Fills `into` from `position` on. @returns how many bytes there were, fewer at the end of the file only */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Returns once what was written is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Paths are whole. Each call may reject with an error of the system, whose `code` says which. */
export interface StoreFs {
  /**
   * Takes a folder for this process alone.
   * @returns what gives it back
   * @throws NodeError BAD_CONFIGURATION where others may look into it, or another process has it
   */
  claim(path: string, node: NodeName): Promise<() => Promise<void>>;
  /** A fresh file that its owner alone may read and write; rejects where something is there. */
  create(path: string): Promise<StoreFile>;
  /** An ordinary file, to be read; rejects where there is none, or a link to one. */
  open(path: string): Promise<StoreFile>;
  /** A fresh folder of its owner alone. */
  makeFolder(path: string): Promise<void>;
  /** What is there, links not followed; undefined where nothing is. */
  kind(path: string): Promise<'file' | 'folder' | 'other' | undefined>;
  /** Names in a folder. */
  list(path: string): Promise<string[]>;
  /** Returns once the names in a folder are on the disk. */
  syncFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  removeEmptyFolder(path: string): Promise<void>;
  /** A file, or a folder with all that is in it; links are removed, not followed. */
  removeAll(path: string): Promise<void>;
}

class DiskFile implements StoreFile {
  readonly #handle: FileHandle;

  constructor(
    handle: FileHandle,
    readonly bytes: number,
  ) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.#handle.write(bytes, at)).bytesWritten;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let at = 0;
    while (at < into.length) {
      const { bytesRead } = await this.#handle.read(into, at, into.length - at, position + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return at;
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

// Windows opens no folders and has no such flag
const WINDOWS = process.platform === 'win32';
const READ = constants.O_RDONLY | (WINDOWS ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK);

/** The file system of this machine. */
export const diskFs: StoreFs = {
  claim: lockFolder,
  async create(path) {
    return new DiskFile(await open(path, 'wx', 0o600), 0);
  },
  async open(path) {
    const handle = await open(path, READ);
    const found = await handle.stat().catch(async (error: unknown) => {
      await handle.close();
      throw error;
    });
    if (found.isFile()) return new DiskFile(handle, found.size);
    await handle.close();
    throw new Damage(`${basename(path)} is not an ordinary file`);
  },
  async makeFolder(path) {
    await mkdir(path, { mode: 0o700 });
  },
  async kind(path) {
    try {
      const found = await lstat(path);
      return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  list: (path) => readdir(path),
  async syncFolder(path) {
    if (WINDOWS) return;
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  rename,
  removeEmptyFolder: rmdir,
  removeAll: (path) => rm(path, { recursive: true, force: true }),
};
