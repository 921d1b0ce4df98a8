/** Tensors that clients let both parties know, at a party: each is held once, by the digest of its bytes. */
import { createHash } from 'node:crypto';
import { type Kernels, lasting, packedBytes } from '@secformer/ring';
import { PUBLIC_BITS, PublicWords, programLimits, publicHead } from '@secformer/secformer-ops';
import { NodeError, type NodeErrorCode } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageOf } from '../wire/messages.js';
import type { NodeRole } from '../wire/tokens.js';
import { breath } from './breath.js';

/** A public tensor, and what the head of its bytes says. */
export interface PublicTensor {
  digest: string;
  count: number;
  bits: number;
  words: PublicWords;
}

/** What names tensors: a client's session. */
interface Naming {
  checkNewPublic(id: number): void;
  checkOpen(): void;
  hold(bytes: number, what: string): void;
  give(bytes: number): void;
  /** @param release called once the session names it no longer */
  storePublic(id: number, tensor: PublicTensor, bytes: number, release: () => void): void;
}

type About = MessageOf<'offer'> | MessageOf<'public'>;

const bad = (what: string, code: NodeErrorCode = 'BAD_MESSAGE') => new NodeError('client', code, what);

/** What is wrong with a tensor that is offered or sent, before any memory is taken for it. */
export function wrongPublic(role: NodeRole, { count, bits }: About): NodeError | undefined {
  if (role === 'dealer') return bad('offered the dealer a public tensor, which it has no use for');
  if (bits > PUBLIC_BITS) return bad(`offered words of ${bits} bits; public tensors have ${PUBLIC_BITS} at most`);
  if (count > programLimits.elements)
    return bad(`a public tensor of ${count} elements; the limit is ${programLimits.elements}`, 'LIMIT_EXCEEDED');
  return undefined;
}

/**
 * The public tensors of all sessions. One is there as long as a session names it; each counts it against its own
 * memory, so that no client's part depends on what others have named.
 *
 * View: whoever offers a tensor learns whether another session has named it, and gets its use by the digest alone. That
 * is what public means: nothing belongs here that anybody may not know.
 */
export class PublicTensors {
  readonly #tensors = new Map<string, { tensor: PublicTensor; holders: number }>();

  /** Names a tensor that another session has sent. @returns the answer: a byte, 1 where it is here */
  offered(session: Naming, m: MessageOf<'offer'>): Uint8Array {
    session.checkNewPublic(m.tensor);
    const known = this.#tensors.get(m.digest);
    if (known?.tensor.count !== m.count || known.tensor.bits !== m.bits) return Uint8Array.of(0);
    session.hold(8 * m.count, `a public tensor of ${m.count} elements`);
    this.#name(session, m.tensor, known.tensor);
    return Uint8Array.of(1);
  }

  /**
   * Takes a tensor.
   * @throws NodeError BAD_MESSAGE where it has another digest or length than was said, LIMIT_EXCEEDED
   */
  async sent(kernels: Kernels, session: Naming, m: MessageOf<'public'>, payload: Uint8Array): Promise<void> {
    const { digest, count, bits } = m;
    session.checkNewPublic(m.tensor);
    if (payload.length !== packedBytes(count, bits))
      throw bad(`sent ${payload.length} bytes for ${count} words of ${bits} bits`, 'BAD_FRAME');
    session.hold(8 * count, `a public tensor of ${count} elements`);
    try {
      const hash = createHash('sha256').update(publicHead(count, bits));
      for (let at = 0; at < payload.length; at += limits.digestBytes) {
        hash.update(payload.subarray(at, at + limits.digestBytes));
        await breath();
      }
      if (hash.digest('hex') !== digest) throw bad(`sent a public tensor of another digest than ${digest}`);
      const tensor = this.#tensors.get(digest)?.tensor ?? {
        digest,
        count,
        bits,
        words: await wordsOf(kernels, m, payload),
      };
      // It may have left meanwhile, or sent another of that number
      session.checkOpen();
      session.checkNewPublic(m.tensor);
      this.#name(session, m.tensor, this.#tensors.get(digest)?.tensor ?? tensor);
    } catch (error) {
      session.give(8 * count);
      throw error;
    }
  }

  #name(session: Naming, id: number, tensor: PublicTensor): void {
    const entry = this.#tensors.get(tensor.digest) ?? { tensor, holders: 0 };
    this.#tensors.set(tensor.digest, entry);
    entry.holders++;
    session.storePublic(id, tensor, 8 * tensor.count, () => {
      entry.holders--;
      if (entry.holders === 0) this.#tensors.delete(tensor.digest);
    });
  }
}

/** A large one is read in slices, so that other clients need not wait for it. */
async function wordsOf(
  kernels: Kernels,
  { count, bits }: MessageOf<'public'>,
  payload: Uint8Array,
): Promise<PublicWords> {
  const words = lasting(count);
  // A slice is a multiple of 8 words, so that it begins at a byte for any width
  for (let at = 0; at < count; at += limits.expandWords) {
    const part = words.subarray(at, at + limits.expandWords);
    const from = (at / 8) * bits;
    kernels.unpack(part, payload.subarray(from, from + packedBytes(part.length, bits)), bits);
    await breath();
  }
  return new PublicWords(kernels, words, bits);
}
