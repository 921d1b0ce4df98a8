/** What a node keeps of a published model, and whether it is all that the manifest says. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { sizeOf, type Words } from '@secformer/ring';
import { NodeError, type NodeName } from '../errors.js';
import { type Manifest, readManifest, type SignedManifest } from '../wire/manifest.js';
import { modelName, versionName } from '../wire/names.js';
import { KEY_BYTES, type TensorLayout } from './tensor-chunks.js';

/** Words, or what makes them when they are written: a model need not be in memory twice. Asked once. */
export type WordsToStore = Words | (() => Words);

/** What a node holds of one tensor. Words of a share and an opening, and the key of its mask, are secret. */
export interface ModelTensor<W extends WordsToStore = Words> {
  type: { shape: readonly number[]; fracBits: number; bits: number; magnitude: number };
  /** right modulo 2^bits of the type; absent at the dealer, or if no Program needs it */
  share?: W;
  /**
   * of each: the words below 2^bits of what stays at the node, and the 32 bytes that its half of the mask follows from
   */
  openings: readonly { width: number; bits: number; words: W; key: Uint8Array }[];
}

/** What a node keeps of one version of a published model. */
export interface ModelFiles<W extends WordsToStore = Words> {
  name: string;
  version: string;
  /** of the sharing: 32 hexadecimal digits */
  generation: string;
  /** the publisher's name in the operator's access file */
  publisher: string;
  manifest: SignedManifest;
  /** texts of the Programs, in the manifest's order */
  programs: readonly Uint8Array[];
  assets: readonly Uint8Array[];
  tensors: readonly ModelTensor<W>[];
}

/** Hash of a manifest's text: nodes that have the same one serve the same model. */
export const manifestHash = (text: string): string => bytesToHex(sha256(utf8ToBytes(text)));

export const generationName = /^[0-9a-f]{32}$/;

/** @throws NodeError BAD_MESSAGE where these are names of no model */
export function checkNames(node: NodeName, name: string, version: string): void {
  if (!modelName.safeParse(name).success || !versionName.safeParse(version).success)
    throw new NodeError(node, 'BAD_MESSAGE', 'was given a name or version that no model can have');
}

/** @throws NodeError BAD_MESSAGE where this is none */
export function checkGeneration(node: NodeName, generation: string): void {
  if (!generationName.test(generation))
    throw new NodeError(node, 'BAD_MESSAGE', 'was given a generation that is not 32 hexadecimal digits');
}

/** Files of a model besides its tensors. */
type Texts = Pick<ModelFiles, 'name' | 'version' | 'generation' | 'manifest' | 'programs' | 'assets'>;

/**
 * Compares Programs and assets with the manifest, and the manifest with its signature.
 * @throws NodeError BAD_MESSAGE
 */
export function checkTexts(node: NodeName, files: Texts): Manifest {
  const manifest = readManifest(files.manifest, node);
  const bad = (what: string) =>
    new NodeError(node, 'BAD_MESSAGE', `${manifest.name}@${manifest.version}: ${what} not what its manifest says`);
  for (const name of ['name', 'version', 'generation'] as const)
    if (files[name] !== manifest[name]) throw bad(`its ${name} is`);
  const hashes = (texts: readonly Uint8Array[]) => texts.map((text) => bytesToHex(sha256(text))).join();
  if (hashes(files.programs) !== manifest.programs.map(({ hash }) => hash).join()) throw bad('its Programs are');
  if (hashes(files.assets) !== manifest.assets.map((asset) => asset.sha256).join()) throw bad('its assets are');
  return manifest;
}

/**
 * What the file of tensors will hold.
 * @throws NodeError BAD_MESSAGE where the tensors are not those of the manifest
 */
export function layoutOf(node: NodeName, tensors: readonly ModelTensor<WordsToStore>[], m: Manifest): TensorLayout[] {
  const bad = (what: string) => new NodeError(node, 'BAD_MESSAGE', `${m.name}@${m.version}: ${what}`);
  if (tensors.length !== m.tensors.length) throw bad(`${tensors.length} tensors, its manifest has ${m.tensors.length}`);
  return tensors.map(({ type, share, openings }, i) => {
    const { shape, fracBits, bits, magnitude } = m.tensors[i]!;
    const same =
      type.shape.join() === shape.join() &&
      type.fracBits === fracBits &&
      type.bits === bits &&
      type.magnitude === magnitude;
    if (!same) throw bad(`tensor ${i} is of another type than in its manifest`);
    for (const { width, bits, key } of openings)
      if (!validOpening(width, bits) || key.length !== KEY_BYTES) throw bad(`an opening of tensor ${i} is none`);
    return {
      length: sizeOf(shape),
      share: share === undefined ? undefined : bits,
      openings: openings.map(({ width, bits }) => ({ width, bits })),
    };
  });
}

const inBits = (n: number, least: number) => Number.isInteger(n) && n >= least && n <= 64;

/** Can an opening modulo 2^width have words of so many bits? */
export const validOpening = (width: number, bits: number): boolean => inBits(width, 2) && inBits(bits, 1);
