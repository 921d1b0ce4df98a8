import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { scratch } from './arena.js';
import { StreamReuseError } from './errors.js';
import type { Kernels } from './kernels.js';
import { Secret } from './share.js';
import { bytesOf, packedBytes, planeWords, type Words } from './words.js';

/**
 * What a stream is for. Masks are drawn when an instruction opens, corrections when it finishes, so each of the two is
 * claimed in order of its own; inputs and outputs are the ends of a run.
 */
export const Purpose = { mask: 0, correction: 1, input: 2, output: 3 } as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** @returns the key of one run, one way from the seed that two nodes share (HKDF-SHA256, the run id as salt) */
export function deriveRunKey(seed: Secret, runId: Uint8Array): Secret {
  return new Secret(hkdf(sha256, seed.bytes, runId, new TextEncoder().encode('secformer run'), 32));
}

/** One key stream, drawn from its start. */
export class KeyStream {
  readonly #kernels: Kernels;
  readonly #key: Uint8Array;
  #block = 0;

  constructor(kernels: Kernels, key: Secret) {
    this.#kernels = kernels;
    this.#key = key.bytes;
  }

  /** Fills whole blocks at a time: what is left of the last block of a draw is dropped. */
  bytes(out: Uint8Array): Uint8Array {
    this.#kernels.chacha20(this.#key, out, this.#block);
    this.#block += Math.ceil(out.length / 64);
    return out;
  }

  /** @returns `n` words, uniform modulo 2^bits, in `out` if given */
  words(n: number, bits: number, out: Words = scratch(n)): Words {
    this.#kernels.streamWords(this.#key, out, this.#block, bits);
    this.#block += Math.ceil(packedBytes(n, bits) / 64);
    return out;
  }

  /** Packs what `words` would draw, taken from these words. */
  subtractFrom(words: Words, bits: number, out: Uint8Array): void {
    this.#kernels.streamDifference(this.#key, out, words, this.#block, bits);
    this.#block += Math.ceil(out.length / 64);
  }

  /** @returns a plane of `n` uniform bits */
  plane(n: number): Words {
    const out = new BigUint64Array(planeWords(n));
    this.bytes(bytesOf(out));
    return out;
  }
}

/**
 * The streams that two nodes share for one run. A stream is named by (purpose, instruction, slot) and may be claimed
 * once; claims of one purpose rise, so the ledger is one number each. `regenerate` draws a claimed stream again, for
 * the same value.
 */
export class RunStreams {
  readonly #kernels: Kernels;
  readonly #runKey: Secret;
  readonly #last = [-1, -1, -1, -1];

  constructor(kernels: Kernels, runKey: Secret) {
    this.#kernels = kernels;
    this.#runKey = runKey;
  }

  /**
   * A stream from its start.
   * @throws StreamReuseError where it, or a later one of its purpose, was claimed before
   */
  claim(purpose: Purpose, instruction: number, slot: number): KeyStream {
    const at = instruction * 65536 + slot;
    if (at <= (this.#last[purpose] as number)) {
      const name = `${purpose}/${instruction}/${slot}`;
      throw new StreamReuseError(
        `stream ${name} was asked for twice in one run; the node stops rather than mask two values alike`,
      );
    }
    this.#last[purpose] = at;
    return new KeyStream(this.#kernels, this.key(purpose, instruction, slot));
  }

  /**
   * A claimed stream from its start once more.
   * @throws StreamReuseError where it was not claimed
   */
  regenerate(purpose: Purpose, instruction: number, slot: number): KeyStream {
    if (instruction * 65536 + slot > (this.#last[purpose] as number)) {
      throw new StreamReuseError(
        `stream ${purpose}/${instruction}/${slot} was never claimed, so there is nothing to regenerate`,
      );
    }
    return new KeyStream(this.#kernels, this.key(purpose, instruction, slot));
  }

  /** The key of a stream: half a ChaCha20 block under the run key, the name as nonce. */
  key(purpose: Purpose, instruction: number, slot: number): Secret {
    const nonce = new Uint8Array(12);
    const view = new DataView(nonce.buffer);
    view.setUint32(0, purpose, true);
    view.setUint32(4, instruction, true);
    view.setUint32(8, slot, true);
    const block = new Uint8Array(32);
    this.#kernels.chacha20(this.#runKey.bytes, block, 0, nonce);
    return new Secret(block);
  }
}
