/** One model's folder: written file by file, and read again with everything compared. */
import { join } from 'node:path';
import { type Kernels, sizeOf, type Words } from '@secformer/ring';
import { z } from 'zod';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import { type Manifest, readManifest, type SignedManifest } from '../wire/manifest.js';
import { chunksOf, type FileRecord, lengthsOf, readChunks, writeChunks } from './chunked-file.js';
import { Damage } from './failures.js';
import {
  checkTexts,
  layoutOf,
  type ModelFiles,
  type ModelTensor,
  validOpening,
  type WordsToStore,
} from './model-files.js';
import { INDEX, LAYOUT, MANIFEST, type ModelIndex, namesOf, readIndex, TENSORS, writeIndex } from './model-index.js';
import type { Sealing } from './sealing.js';
import type { StoreFs } from './store-fs.js';
import {
  KEY_BYTES,
  packChunks,
  planChunks,
  type TensorArrays,
  type TensorLayout,
  tensorBytes,
  unpackChunk,
} from './tensor-chunks.js';

/** What folders of one store have in common. */
export interface FolderOptions {
  fs: StoreFs;
  kernels: Kernels;
  sealing: Sealing;
  node: NodeName;
  chunkBytes: number;
}

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/**
 * Writes a model into an empty folder, and returns once all of it is on the disk.
 * @throws NodeError BAD_MESSAGE where parts of the model do not belong together; errors of the file system
 */
export async function writeModel(o: FolderOptions, folder: string, files: ModelFiles<WordsToStore>): Promise<void> {
  const { fs, sealing, chunkBytes } = o;
  const { name, version, generation, publisher, manifest, programs, assets, tensors } = files;
  const layout = layoutOf(o.node, tensors, checkTexts(o.node, files));
  const counts = { programs: programs.length, assets: assets.length };
  const texts = [
    encode(manifest),
    ...programs,
    ...assets,
    encode(
      layout.map(({ share, openings }) => ({
        share: share !== undefined,
        openings,
      })),
    ),
  ];
  const records: Record<string, FileRecord> = {};
  const write = async (file: string, total: number, chunks: Iterable<Uint8Array>) => {
    records[file] = await writeChunks(fs, folder, { generation, file, total }, sealing, chunks);
  };
  const names = namesOf(counts);
  for (const [i, text] of texts.entries()) await write(names[i]!, text.length, chunksOf(text, chunkBytes));
  const arrays = { words: wordsOf(o.node, tensors, layout), key: keyOf(tensors) };
  await write(TENSORS, tensorBytes(layout), packChunks(o.kernels, layout, arrays, chunkBytes));

  const key = sealing.keyName === undefined ? {} : { key: sealing.keyName };
  const index = {
    format: 1,
    name,
    version,
    generation,
    publisher,
    ...key,
    chunkBytes,
    ...counts,
    files: records,
  } as const;
  const file = await fs.create(join(folder, INDEX));
  try {
    await file.write(writeIndex(index, sealing));
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.syncFolder(folder);
}

const keyOf = (tensors: readonly ModelTensor<WordsToStore>[]) => (tensor: number, opening: number) =>
  tensors[tensor]!.openings[opening]!.key;

/** The words of a share or an opening, made or taken when they are to be written. */
function wordsOf(node: NodeName, tensors: readonly ModelTensor<WordsToStore>[], layout: readonly TensorLayout[]) {
  return (tensor: number, opening: number): Words => {
    const { share, openings } = tensors[tensor]!;
    const given = (opening < 0 ? share : openings[opening]!.words)!;
    const words = typeof given === 'function' ? given() : given;
    const { length } = layout[tensor]!;
    if (words.length !== length)
      throw new NodeError(node, 'BAD_MESSAGE', `tensor ${tensor} has ${length} elements, got ${words.length} words`);
    return words;
  };
}

/** What a look at a model's folder finds, without reading its tensors. */
export interface Found {
  index: ModelIndex;
  manifest: Manifest;
  signed: SignedManifest;
}

const signedManifest = z.object({ text: z.string(), signature: z.string() });

/**
 * Reads a model's index and manifest, and sees that its files and no others are there, as long as they were.
 * @throws Damage, NodeError or errors of the file system, which all mean that it is damaged
 */
export async function lookAt(o: FolderOptions, folder: string): Promise<Found> {
  const { fs } = o;
  if ((await fs.kind(folder)) !== 'folder') throw new Damage('it is not a folder');
  const there = new Set(await fs.list(folder));
  if (!there.has(INDEX)) throw new Damage(`${INDEX} is missing`);
  const index = readIndex(await wholeFile(fs, join(folder, INDEX)), o.sealing);
  const names = namesOf(index);
  for (const name of names) {
    if (!there.has(name)) throw new Damage(`${name} is missing`);
    await checkLength(fs, folder, name, index.files[name]!.bytes);
  }
  const extra = [...there].find((name) => name !== INDEX && !names.includes(name));
  if (extra !== undefined) throw new Damage(`it holds a file that does not belong to it (${JSON.stringify(extra)})`);
  const signed = json(signedManifest, await textOf(o, folder, index, MANIFEST), MANIFEST);
  const manifest = readManifest(signed, o.node);
  for (const name of ['name', 'version', 'generation'] as const)
    if (manifest[name] !== index[name]) throw new Damage(`${MANIFEST} is another model's`);
  return { index, manifest, signed };
}

async function wholeFile(fs: StoreFs, path: string): Promise<Uint8Array> {
  const file = await fs.open(path);
  try {
    if (file.bytes > limits.storeIndexBytes) throw new Damage(`${INDEX} has ${file.bytes} bytes, which is too many`);
    const bytes = new Uint8Array(file.bytes);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

async function checkLength(fs: StoreFs, folder: string, name: string, bytes: number): Promise<void> {
  if ((await fs.kind(join(folder, name))) !== 'file') throw new Damage(`${name} is not an ordinary file`);
  const file = await fs.open(join(folder, name));
  await file.close();
  if (file.bytes !== bytes) throw new Damage(`${name} has ${file.bytes} bytes, ${bytes} were written`);
}

/** One of a model's smaller files. */
async function textOf(o: FolderOptions, folder: string, index: ModelIndex, file: string): Promise<Uint8Array> {
  const record = index.files[file]!;
  const place = { generation: index.generation, file, total: record.total };
  // The length on the disk is as it was, so there is no more than that to be read
  if (record.total > record.bytes) throw new Damage(`${INDEX} gives ${file} a wrong length`);
  const out = new Uint8Array(record.total);
  let at = 0;
  const lengths = lengthsOf(record.total, index.chunkBytes);
  for await (const chunk of readChunks(o.fs, folder, place, o.sealing, record, lengths)) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function json<T>(schema: z.ZodType<T>, bytes: Uint8Array, file: string): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    throw new Damage(`${file} is not what a store writes`);
  }
}

const storedLayout = z.array(
  z.object({ share: z.boolean(), openings: z.array(z.object({ width: z.number(), bits: z.number() })) }),
);

/** Reads all of a model. @throws as `lookAt` */
export async function readModel(o: FolderOptions, folder: string): Promise<ModelFiles> {
  const { index, manifest, signed } = await lookAt(o, folder);
  const { name, version, generation, publisher } = index;
  const read = (file: string) => textOf(o, folder, index, file);
  const several = async (n: number, nameOf: (i: number) => string) => {
    const texts: Uint8Array[] = [];
    for (let i = 0; i < n; i++) texts.push(await read(nameOf(i)));
    return texts;
  };
  const files = {
    name,
    version,
    generation,
    publisher,
    manifest: signed,
    programs: await several(index.programs, (i) => `program-${i}.json`),
    assets: await several(index.assets, (i) => `asset-${i}`),
  };
  checkTexts(o.node, files);
  const stored = json(storedLayout, await read(LAYOUT), LAYOUT);
  if (stored.length !== manifest.tensors.length) throw new Damage(`${LAYOUT} is of another number of tensors`);
  const layout = stored.map(({ share, openings }, i): TensorLayout => {
    if (!openings.every(({ width, bits }) => validOpening(width, bits)))
      throw new Damage(`${LAYOUT} has wrong numbers`);
    const { shape, bits } = manifest.tensors[i]!;
    return { length: sizeOf(shape), share: share ? bits : undefined, openings };
  });
  return { ...files, tensors: await readTensors(o, folder, index, manifest, layout) };
}

async function readTensors(
  o: FolderOptions,
  folder: string,
  index: ModelIndex,
  manifest: Manifest,
  layout: readonly TensorLayout[],
): Promise<ModelTensor[]> {
  const record = index.files[TENSORS]!;
  const total = tensorBytes(layout);
  // Before memory is taken: the file is there in this length
  if (total !== record.total || total > record.bytes) throw new Damage(`${TENSORS} is not as long as its tensors`);
  const tensors = layout.map(
    ({ length, share, openings }, i): ModelTensor => ({
      type: manifest.tensors[i]!,
      ...(share !== undefined && { share: new BigUint64Array(length) }),
      openings: openings.map((opening) => ({
        ...opening,
        words: new BigUint64Array(length),
        key: new Uint8Array(KEY_BYTES),
      })),
    }),
  );
  const arrays: TensorArrays = {
    words: (tensor, opening) => {
      const { share, openings } = tensors[tensor]!;
      return (opening < 0 ? share : openings[opening]!.words)!;
    },
    key: keyOf(tensors),
  };
  const plan = [...planChunks(layout, index.chunkBytes)];
  const place = { generation: index.generation, file: TENSORS, total };
  const lengths = plan.map(({ bytes }) => bytes);
  let i = 0;
  for await (const chunk of readChunks(o.fs, folder, place, o.sealing, record, lengths))
    unpackChunk(o.kernels, plan[i++]!, chunk, arrays);
  return tensors;
}
