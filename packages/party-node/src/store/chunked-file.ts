/** Files that are written and read in chunks, one after another, hashed and if need be encrypted on the way. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Damage } from './failures.js';
import { type FilePlace, SALT_BYTES, type Sealing, TAG_BYTES } from './sealing.js';
import type { StoreFile, StoreFs } from './store-fs.js';

/** What is known of a written file. */
export interface FileRecord {
  /** of its content */
  total: number;
  /** of the file on the disk */
  bytes: number;
  /** of the file on the disk */
  sha256: string;
}

/** Chunks of a text that is in memory. */
export function* chunksOf(bytes: Uint8Array, chunkBytes: number): Iterable<Uint8Array> {
  for (const length of lengthsOf(bytes.length, chunkBytes)) {
    yield bytes.subarray(0, length);
    bytes = bytes.subarray(length);
  }
}

/** Their lengths. */
export function* lengthsOf(total: number, chunkBytes: number): Iterable<number> {
  for (let left = total; left > 0; left -= chunkBytes) yield Math.min(left, chunkBytes);
}

/**
 * Writes a fresh file and returns once it is on the disk. One chunk is made while the one before it is written: the
 * memory of a chunk is read until the next but one is asked for.
 */
export async function writeChunks(
  fs: StoreFs,
  folder: string,
  place: FilePlace,
  sealing: Sealing,
  chunks: Iterable<Uint8Array>,
): Promise<FileRecord> {
  const cipher = sealing.fresh(place);
  const hash = createHash('sha256');
  const file = await fs.create(join(folder, place.file));
  let [total, bytes] = [0, 0];
  let underWay: Promise<void> = Promise.resolve();
  const write = async (parts: readonly Uint8Array[]) => {
    for (const part of parts) {
      hash.update(part);
      bytes += part.length;
    }
    await underWay;
    underWay = written(file, parts);
    // Whoever waits for it next learns of a failure
    underWay.catch(() => {});
  };
  try {
    if (cipher) await write([cipher.salt]);
    for (const chunk of chunks) {
      total += chunk.length;
      await write(cipher ? cipher.encrypt(chunk) : [chunk]);
    }
    await underWay;
    if (total !== place.total) throw new Error(`${place.file} has ${total} bytes, ${place.total} were announced`);
    await file.sync();
  } finally {
    await underWay.catch(() => {});
    await file.close();
  }
  return { total, bytes, sha256: hash.digest('hex') };
}

async function written(file: StoreFile, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) await file.write(part);
}

/**
 * Reads a file that `writeChunks` wrote. What comes is right only once the last chunk has been read: the hash is
 * compared then. One chunk is read from the disk while the one before it is used; each stands until the next is asked
 * for.
 * @param lengths of its chunks' content, in order
 * @throws Damage
 */
export async function* readChunks(
  fs: StoreFs,
  folder: string,
  place: FilePlace,
  sealing: Sealing,
  record: FileRecord,
  lengths: Iterable<number>,
): AsyncIterable<Uint8Array> {
  const file = await fs.open(join(folder, place.file));
  let ahead: Promise<Uint8Array> | undefined;
  try {
    if (file.bytes !== record.bytes)
      throw new Damage(`${place.file} has ${file.bytes} bytes, ${record.bytes} were written`);
    const hash = createHash('sha256');
    const sealed = sealing.keyName !== undefined;
    let position = 0;
    // One is used while the other is filled
    const buffers = [NONE, NONE];
    const next = (length: number) => {
      const from = position;
      position += length;
      const spare = buffers.shift()!;
      const buffer = spare.length < length ? new Uint8Array(length) : spare;
      buffers.push(buffer);
      ahead = filled(file, buffer.subarray(0, length), from, place.file);
      ahead.catch(() => {});
      return ahead;
    };
    const salt = sealed ? (await next(SALT_BYTES)).slice() : undefined;
    const cipher = salt && sealing.existing(salt, place);
    if (salt) hash.update(salt);

    let i = 0;
    const open = (raw: Uint8Array) => {
      hash.update(raw);
      return cipher ? cipher.decrypt(i++, raw) : raw;
    };
    let coming: Promise<Uint8Array> | undefined;
    for (const length of lengths) {
      const raw = await coming;
      coming = next(length + (sealed ? TAG_BYTES : 0));
      if (raw) yield open(raw);
    }
    const last = await coming;
    const content = last && open(last);
    if (position !== record.bytes || hash.digest('hex') !== record.sha256)
      throw new Damage(`${place.file} was altered: it does not have the SHA-256 that it was written with`);
    if (content) yield content;
  } finally {
    await ahead?.catch(() => {});
    await file.close();
  }
}

const NONE = new Uint8Array(0);

async function filled(file: StoreFile, bytes: Uint8Array, position: number, name: string): Promise<Uint8Array> {
  const read = await file.read(bytes, position);
  if (read < bytes.length) throw new Damage(`${name} ends after ${position + read} bytes`);
  return bytes;
}
