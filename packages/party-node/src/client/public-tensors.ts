/** Tensors that a client lets both parties know: what is sent of them. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { checkFixed, EncodingError, type Kernels, packedBytes } from '@secformer/ring';
import {
  type InputState,
  programLimits,
  publicBits,
  publicFormat,
  publicHead,
  writtenTensor,
} from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import { othersTurn } from '../others-turn.js';
import { nodeName } from '../wire/handshake.js';
import type { NodeLinks } from './node-links.js';
import { persist } from './persist.js';

const PARTIES = ['party0', 'party1'] as const;

/** A public tensor as it is sent. */
export interface PublicBytes {
  fracBits: number;
  magnitude: number;
  count: number;
  /** of a word */
  bits: number;
  /** the words, packed */
  bytes: Uint8Array;
  /** SHA-256 of a head and the bytes, in hex */
  digest: string;
}

/**
 * @returns the largest of the values, sign apart
 * @throws EncodingError where there are too many values, or one is out of range or not finite
 */
export function checkPublic(values: Float32Array, shape: readonly number[]): number {
  if (values.length > programLimits.elements)
    throw new EncodingError(`a tensor of ${values.length} elements; the limit is ${programLimits.elements}`);
  return checkFixed(values, writtenTensor.magnitude, `a public tensor of shape [${shape}]`);
}

/**
 * @param values that `checkPublic` has let pass
 * @param top what it has said of them
 */
export async function publicTensor(kernels: Kernels, values: Float32Array, top: number): Promise<PublicBytes> {
  const format = publicFormat(values, top);
  const [count, bits] = [values.length, publicBits(format)];
  const head = publicHead(count, bits);
  const all = new Uint8Array(head.length + packedBytes(count, bits));
  all.set(head);
  const bytes = all.subarray(head.length);
  // In slices, which are whole bytes: the words of all would take twice the memory of the values
  const room = new BigUint64Array(Math.min(count, programLimits.sliceWords));
  for (let from = 0; from < count; from += room.length) {
    const words = room.subarray(0, count - from);
    kernels.encode(words, values.subarray(from, from + words.length), format.fracBits);
    const at = packedBytes(from, bits);
    kernels.pack(bytes.subarray(at, at + packedBytes(words.length, bits)), words, bits);
    await othersTurn();
  }
  return { ...format, count, bits, bytes, digest: bytesToHex(await digestOf(all)) };
}

/** By the platform where it has that, some times faster; a page without a secure context has not. */
async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto;
  return subtle ? new Uint8Array(await subtle.digest('SHA-256', bytes)) : sha256(bytes);
}

/** Gives a tensor to both parties. @returns what planning knows of it, once both have said what came of it */
export async function writePublic(
  links: NodeLinks,
  kernels: Kernels,
  tensor: number,
  { values, top }: { values: Float32Array; top: number },
  signal: AbortSignal | undefined,
): Promise<InputState> {
  const made = await publicTensor(kernels, values, top);
  const sent = await Promise.allSettled(PARTIES.map((role) => sendPublic(links, role, tensor, made, signal)));
  const failed = sent.find((s) => s.status === 'rejected');
  if (failed) throw failed.reason;
  const { fracBits, magnitude, bits, digest } = made;
  return { fracBits, bits, magnitude, stored: [], digest };
}

/** Offers a tensor to a party, and sends it where the party does not have it. */
async function sendPublic(
  links: NodeLinks,
  role: (typeof PARTIES)[number],
  tensor: number,
  { digest, count, bits, bytes }: PublicBytes,
  signal?: AbortSignal,
): Promise<void> {
  const about = { tensor, digest, count, bits };
  const answer = await persist(() => links.answer(role, (re) => ({ t: 'offer', re, ...about }), 1, signal), signal);
  if (answer.length !== 1) throw new NodeError(nodeName[role], 'BAD_MESSAGE', 'answered an offer with no byte');
  if (answer[0] === 1) return;
  await persist(() => links.ask(role, (re) => ({ t: 'public', re, ...about }), bytes), signal);
}
