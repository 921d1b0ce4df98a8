/**
 * What is known of a published model: what it takes and gives, what its Programs are and where their inputs come from.
 * The publisher signs it; nodes and clients check it for themselves.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import { programLimits } from '@secformer/secformer-ops/limits';
import { z } from 'zod';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import { hex, shape } from './fields.js';
import { readJson } from './messages.js';
import { modelName, versionName } from './names.js';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const bits = z.number().int().min(1).max(64);

const tensorSpec = z.object({ name: z.string().max(200), shape, dtype: z.enum(['float32', 'int32', 'bool']) });
/** An input or output of the model, as its caller sees it. */
export type TensorSpec = z.infer<typeof tensorSpec>;

/** Where an input of the Program comes from, and its type. */
const manifestInput = z.discriminatedUnion('kind', [
  /** the share of a tensor of the model, or a public one */
  z.object({ kind: z.literal('weight'), tensor: count }),
  /** the stored opening of one */
  z.object({ kind: z.literal('opened'), tensor: count, width: z.number().int().min(2).max(64) }),
  /** a value that the client shares; `fracBits` of its encoding */
  z.object({ kind: z.literal('value'), value: count, shape, fracBits: z.number().int().min(0).max(48) }),
  /** rows of ones, and their places, of a list of indices that stays with the client */
  z.object({
    kind: z.literal('oneHot'),
    indices: count,
    shape,
    width: bits,
    depth: z.number().int().min(1),
    part: z.enum(['rows', 'hits', 'places']),
    salt: count,
  }),
]);
export type ManifestInput = z.infer<typeof manifestInput>;

const manifestProgram = z.object({
  /** SHA-256 of the Program's text */
  hash: hex(32),
  inputs: z.array(tensorSpec).max(64),
  outputs: z.array(tensorSpec).min(1).max(64),
  /** of every input of the Program, in order */
  bindings: z.array(manifestInput).max(programLimits.inputs),
  /** types of the Program's outputs, which the parties send: revealed values, and digests after them */
  revealed: z.array(z.object({ shape, bits, fracBits: z.number().int().min(0).max(63) })).max(1024),
  /** operations whose digests follow the revealed values */
  checks: z.array(z.looseObject({})).max(programLimits.outputs),
  /** how the client makes values and indices of its inputs, and outputs of what is revealed; the backend reads it */
  client: z.unknown(),
  cost: z.object({ rounds: count, online: count, dealer: count, instructions: count }),
});
/** One of its Programs, for inputs of certain shapes. */
export type ManifestProgram = z.infer<typeof manifestProgram>;

const manifest = z.object({
  format: z.literal(1),
  name: modelName,
  version: versionName,
  /** the publisher's Ed25519 key, which the manifest is signed with */
  publisher: hex(32),
  /** milliseconds since 1970 */
  published: count,
  /** drawn for each sharing: shares of different sharings of the same weights do not fit one another */
  generation: hex(16),
  suite: z.string().max(32),
  /** types of the model's tensors, in order; a public one has the digest that Programs name it by */
  tensors: z.array(
    z.object({ shape, fracBits: z.number().int(), bits, magnitude: z.number().int(), digest: hex(32).optional() }),
  ),
  /** one for each shape of the inputs */
  programs: z.array(manifestProgram).min(1).max(64),
  /** small public files that belong to it, such as its tokenizer */
  assets: z.array(z.object({ name: z.string().max(200), bytes: count, sha256: hex(32) })).max(64),
});
/** What is known of a version of a published model. */
export type Manifest = z.infer<typeof manifest>;

/** A manifest's text with its publisher's signature of exactly these bytes. */
export interface SignedManifest {
  text: string;
  signature: string;
}

/** Prefixed to what is signed, so that no signature of another kind can be taken for one. */
const CONTEXT = 'secformer manifest 1\n';

/** @param key the publisher's Ed25519 key, a seed of 32 bytes */
export function signManifest(m: Manifest, key: Secret): SignedManifest {
  const text = JSON.stringify(m);
  return { text, signature: bytesToHex(ed25519.sign(utf8ToBytes(CONTEXT + text), key.bytes)) };
}

/**
 * Checks a manifest's form and its publisher's signature.
 * @param from who sent it
 * @throws NodeError BAD_MESSAGE
 */
export function readManifest({ text, signature }: SignedManifest, from: NodeName): Manifest {
  if (text.length > limits.manifestBytes)
    throw new NodeError(
      from,
      'BAD_MESSAGE',
      `sent a manifest of ${text.length} characters, at most ${limits.manifestBytes}`,
    );
  const m = readJson(manifest, utf8ToBytes(text), from, 'a manifest');
  let valid = false;
  try {
    valid = ed25519.verify(hexToBytes(signature), utf8ToBytes(CONTEXT + text), hexToBytes(m.publisher));
  } catch {
    // no signature, or no key
  }
  if (!valid) throw new NodeError(from, 'BAD_MESSAGE', `sent a manifest of ${m.name}@${m.version} that is not signed`);
  return m;
}
