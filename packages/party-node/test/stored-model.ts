/** Models to store, whose words are drawn from a seed. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { KeyStream, loadKernels, Secret, sizeOf, type Words } from '@secformer/ring';
import type { ExecutionContext } from 'ava';
import type { ModelFiles, ModelTensor } from '../src/store/model-files.js';
import { type Manifest, signManifest } from '../src/wire/manifest.js';

export const kernels = await loadKernels();

/** What a tensor of a model has: a share of so many bits or none, openings by width and bits. */
export interface TensorForm {
  shape: number[];
  bits: number;
  share: boolean;
  openings: [width: number, bits: number][];
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const keyOf = (...of: (number | string)[]) => new Uint8Array(createHash('sha256').update(of.join('/')).digest());
const PUBLISHER = keyOf('publisher');

/** Words below 2^bits. */
export function wordsOf(seed: string, n: number, bits: number): Words {
  return new KeyStream(kernels, new Secret(keyOf(seed))).words(n, bits, new BigUint64Array(n));
}

export const generationOf = (seed: number | string): string => bytesToHex(keyOf('generation', seed)).slice(0, 32);

/** A model of these tensors, the same for the same arguments. */
export function modelOf(
  forms: readonly TensorForm[],
  { name = 'tiny', version = '1', seed = 1, texts = ['{"a":1}', ''], assets = ['vocabulary'] } = {},
): ModelFiles {
  const [programs, files] = [texts, assets].map((all) => all.map((text) => new TextEncoder().encode(text))) as [
    Uint8Array[],
    Uint8Array[],
  ];
  const tensors = forms.map(({ shape, bits, share, openings }, i): ModelTensor => {
    const n = sizeOf(shape);
    return {
      type: { shape, fracBits: 16, bits, magnitude: 14 },
      ...(share && { share: wordsOf(`${seed}/${i}`, n, bits) }),
      openings: openings.map(([width, of], j) => ({
        width,
        bits: of,
        words: wordsOf(`${seed}/${i}/${j}`, n, of),
        key: keyOf('key', seed, i, j),
      })),
    };
  });
  const generation = generationOf(seed);
  const manifest: Manifest = {
    format: 1,
    name,
    version,
    publisher: bytesToHex(ed25519.getPublicKey(PUBLISHER)),
    published: 1,
    generation,
    suite: 'exact',
    tensors: tensors.map(({ type }) => ({ ...type, shape: [...type.shape] })),
    programs: programs.map((text) => ({
      hash: sha256(text),
      inputs: [],
      outputs: [{ name: 'y', shape: [1], dtype: 'float32' as const }],
      bindings: [],
      revealed: [],
      checks: [],
      client: {},
      cost: { rounds: 1, online: 1, dealer: 1, instructions: 1 },
    })),
    assets: files.map((file, i) => ({ name: `asset ${i}`, bytes: file.length, sha256: sha256(file) })),
  };
  return {
    name,
    version,
    generation,
    publisher: 'acme',
    manifest: signManifest(manifest, new Secret(PUBLISHER)),
    programs,
    assets: files,
    tensors,
  };
}

/** A model of a few small tensors. */
export const small = (of: Parameters<typeof modelOf>[1] = {}): ModelFiles =>
  modelOf(
    [
      { shape: [5, 7], bits: 64, share: true, openings: [[48, 49]] },
      { shape: [33], bits: 64, share: true, openings: [] },
    ],
    of,
  );

/** A folder that goes with its test. */
export async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'secformer-store-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'models');
}

export const storeKey = (seed = 1): Secret => new Secret(keyOf('store', seed));
