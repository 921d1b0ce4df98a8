/** What leaves a client of a tensor that it writes. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { type Kernels, KeyStream, packedBytes, Secret } from '@secformer/ring';
import { type InputState, writtenOpening } from '@secformer/secformer-ops';
import { othersTurn } from '../others-turn.js';
import type { Message } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import type { NodeLinks } from './node-links.js';
import { persist } from './persist.js';

/** A tensor to write: values that have been checked, and where to. */
export interface Writing {
  links: NodeLinks;
  kernels: Kernels;
  tensor: number;
  values: Float32Array;
  shape: readonly number[];
  state: InputState;
  /** ends the pauses between attempts */
  signal: AbortSignal | undefined;
}

/** Writes a share: P0 is sent a seed, P1 the difference, the dealer the type. */
export async function writeShare(w: Writing): Promise<void> {
  const { kernels, values, state } = w;
  const { fracBits, bits } = state;
  const words = new BigUint64Array(values.length);
  kernels.encode(words, values, fracBits);
  const seed = randomBytes(32);
  const first = new KeyStream(kernels, new Secret(seed)).words(words.length, bits);
  kernels.sub(words, words, first);
  const bytes = new Uint8Array(packedBytes(words.length, bits));
  kernels.pack(bytes, words, bits);
  const put = (re: number, role: NodeRole): Message => ({ t: 'put', re, ...typeOf(w), seed: role === 'party0' });
  await toAll(w, put, { party0: [seed], party1: [bytes], dealer: [] });
}

/**
 * Writes an opening of `width` bits: see `writtenOpening`. Each has keys of its own, and what is sent again of it is
 * the same.
 * @returns by what the nodes name it
 */
export async function writeOpening(w: Writing, width: number): Promise<string> {
  const { kernels, values, state } = w;
  const opening = bytesToHex(randomBytes(16));
  const keys = [randomBytes(32), randomBytes(32)] as const;
  const secrets = [new Secret(keys[0]), new Secret(keys[1])] as const;
  const encode = (to: BigUint64Array, from: number) =>
    kernels.encode(to, values.subarray(from, from + to.length), state.fracBits);
  const packed = await writtenOpening(kernels, values.length, width, secrets, encode, othersTurn);
  const put = (re: number): Message => ({ t: 'putOpened', re, ...typeOf(w), width, opening });
  await toAll(w, put, { party0: [keys[0], packed], party1: [keys[1], packed], dealer: [...keys] });
  return opening;
}

function typeOf({ tensor, shape, state: { fracBits, bits, magnitude } }: Writing) {
  return { tensor, shape: [...shape], fracBits, bits, magnitude };
}

/** Sends each node its part. @returns once all have said what came of it; the first refusal is thrown then */
async function toAll(
  { links, signal }: Writing,
  make: (re: number, role: NodeRole) => Message,
  payloads: Record<NodeRole, readonly Uint8Array[]>,
): Promise<void> {
  const sent = NODES.map((role) => persist(() => links.ask(role, (re) => make(re, role), ...payloads[role]), signal));
  const failed = (await Promise.allSettled(sent)).find((s) => s.status === 'rejected');
  if (failed) throw failed.reason;
}
