import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';
import { NodeError, type NodeErrorCode, type NodeName, reportOf } from '../errors.js';
import { limits, WIRE_VERSION } from '../limits.js';
import { MessageLink } from './framing.js';
import type { Link } from './link.js';
import type { Message, MessageOf } from './messages.js';
import type { Tokens, WireRole } from './tokens.js';

export const nodeName: Record<WireRole, NodeName> = {
  party0: 'party 0',
  party1: 'party 1',
  dealer: 'dealer',
  client: 'client',
};

/** Prefix of the close reason of a connection that was evicted to make room. */
export const CROWDED = 'TOO_MANY_CONNECTIONS';

/** Codes that the other side may refuse with; anything else it says is NOT_AUTHENTICATED. */
const REFUSALS: readonly string[] = [
  'VERSION_MISMATCH',
  'ALREADY_CONNECTED',
  'TOO_MANY_CONNECTIONS',
  'BUSY',
] satisfies NodeErrorCode[];

/** Compares in constant time. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}

/** An authenticated link: who is at the other end, and a seed that only the two of them know. */
export interface Proven {
  role: WireRole;
  /** of the process at the other end */
  process: string;
  seed: Secret;
  link: Link;
}

export interface HandshakeOptions {
  mine: WireRole;
  /** this process, 16 bytes in hex */
  process: string;
  tokens: Tokens;
  side: 'dial' | 'accept';
  /** the role that must be at the other end, if that is known */
  expect?: WireRole;
  /**
   * of the accepting side: whether somebody who has proved to be of that role is let in; throws to refuse, and its
   * error is what the other end is told
   */
  admit?: (role: WireRole, process: string) => void | Promise<void>;
  /** called in the same tick as the last message, so that the link's handlers are set before another frame is read */
  ready?: (proven: Proven) => void;
}

/**
 * Four messages that prove to each side that the other knows their token, without sending it, and agree a seed:
 *
 *   1. A → B: role, nonce, X25519 key, process
 *   2. B → A: role, nonce, X25519 key, process
 *   3. A → B: HMAC-SHA256(token, 'a' ‖ transcript)
 *   4. B → A: HMAC-SHA256(token, 'b' ‖ transcript)
 *
 * transcript = SHA-256 of 1 and 2; seed = HKDF(X25519 secret, transcript). Between nodes it is the token of the two,
 * where one side is a client the clients' token. Whoever dials proves first: a stranger who dials is told nothing that
 * a token could be guessed against. Whoever does not know the token learns neither it nor the seed; the seed is never
 * sent. A refusal is a message with a code, and both sides fail with it.
 * @throws NodeError NOT_AUTHENTICATED, VERSION_MISMATCH, LINK_CLOSED, or what `admit` of the other side said
 */
export function handshake(link: Link, o: HandshakeOptions): Promise<Proven> {
  return new Promise<Proven>((resolve, reject) => new Handshake(link, o, resolve, reject).start());
}

interface Key {
  secret: Uint8Array;
  key: string;
}

function freshKey(): Key {
  const secret = x25519.utils.randomSecretKey();
  return { secret, key: bytesToHex(x25519.getPublicKey(secret)) };
}

let recent: (Key & { until: number }) | undefined;

/**
 * The accepting side's key, which serves for some seconds: the seeds differ by the other side's key and by both nonces,
 * and nothing is multiplied for somebody who has not proved who it is. After those seconds the key is gone, and with it
 * whatever could find old seeds.
 */
function recentKey(): Key {
  const now = performance.now();
  if (!recent || now > recent.until) recent = { ...freshKey(), until: now + limits.keyMs };
  return recent;
}

class Handshake {
  readonly #link: Link;
  readonly #o: HandshakeOptions;
  readonly #resolve: (p: Proven) => void;
  readonly #reject: (error: NodeError) => void;
  readonly #channel: MessageLink;
  readonly #timer: ReturnType<typeof setTimeout>;
  #secret: Uint8Array | undefined;
  #hello: MessageOf<'hello'> | undefined;
  #other: MessageOf<'hello'> | undefined;
  /** of both hellos, once they are there */
  #transcript = new Uint8Array(0);
  #proved = false;
  #over = false;

  constructor(link: Link, o: HandshakeOptions, resolve: (p: Proven) => void, reject: (error: NodeError) => void) {
    this.#link = link;
    this.#o = o;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#channel = new MessageLink(link, () => this.#name);
    this.#channel.frameLimit = limits.handshakeFrameBytes;
    this.#timer = setTimeout(
      () => this.#fail(this.#refusal(`did not finish the handshake in ${this.#wait} ms`)),
      this.#wait,
    );
  }

  get #wait(): number {
    return this.#o.side === 'accept' ? limits.handshakeMs : limits.connectMs;
  }

  get #name(): NodeName {
    return nodeName[this.#other?.role ?? this.#o.expect ?? 'client'];
  }

  #refusal(what: string, code: NodeErrorCode = 'NOT_AUTHENTICATED'): NodeError {
    return new NodeError(this.#name, code, what);
  }

  start(): void {
    const channel = this.#channel;
    channel.accept = () => 0;
    channel.onMessage = (m) => {
      this.#receive(m).catch((error) => this.#fail(error instanceof NodeError ? error : this.#refusal(String(error))));
    };
    channel.onClose = (why) => {
      const crowded = why.startsWith(CROWDED);
      const code = crowded ? 'TOO_MANY_CONNECTIONS' : 'LINK_CLOSED';
      const after = crowded ? { retryAfterMs: limits.retryMs } : {};
      this.#end(new NodeError(this.#name, code, `closed the connection during the handshake (${why})`, after));
    };
    // The accepting side does no work before the other side has said hello
    if (this.#o.side === 'dial')
      channel.send(this.#introduction()).catch((error) => this.#fail(this.#refusal(String(error), 'LINK_CLOSED')));
  }

  #introduction(): MessageOf<'hello'> {
    const { secret, key } = this.#o.side === 'accept' ? recentKey() : freshKey();
    this.#secret = secret;
    this.#hello = {
      t: 'hello',
      version: WIRE_VERSION,
      role: this.#o.mine,
      nonce: bytesToHex(randomBytes(32)),
      key,
      process: this.#o.process,
    };
    return this.#hello;
  }

  async #receive(m: Message): Promise<void> {
    if (this.#over) return;
    const { side } = this.#o;
    if (m.t === 'refused') {
      const after = m.retryAfterMs === undefined ? {} : { retryAfterMs: m.retryAfterMs };
      const code = REFUSALS.includes(m.code) ? (m.code as NodeErrorCode) : 'NOT_AUTHENTICATED';
      this.#end(new NodeError(this.#name, code, `refused the connection (${m.message})`, after));
      this.#channel.close('refused');
    } else if (m.t === 'hello' && !this.#other) {
      this.#meet(m);
      if (side === 'accept') {
        await this.#channel.send(this.#introduction());
      } else {
        this.#transcript = transcriptOf(this.#hello!, m);
        await this.#channel.send({ t: 'proof', mac: bytesToHex(this.#proof('a')) });
      }
    } else if (m.t === 'proof' && this.#hello && this.#other && !this.#proved) {
      this.#proved = true;
      if (side === 'accept') this.#transcript = transcriptOf(this.#other, this.#hello);
      if (!equalBytes(hexToBytes(m.mac), this.#proof(side === 'accept' ? 'a' : 'b'))) {
        throw this.#refusal(side === 'accept' ? this.#unknown() : 'does not know the token that this side was given');
      }
      if (side === 'dial') return this.#finish();
      await this.#o.admit?.(this.#other.role, this.#other.process);
      if (this.#over) return;
      // The other end may send as soon as it has this
      const sent = this.#channel.send({ t: 'proof', mac: bytesToHex(this.#proof('b')) });
      this.#finish();
      await sent.catch(() => {});
    } else {
      throw this.#refusal(`sent '${m.t}' in the middle of the handshake`);
    }
  }

  /** Tells whoever has another token which tokens have to be equal. */
  #unknown(): string {
    const where =
      this.#other!.role === 'client'
        ? "clients give what is in the nodes' --client-token-file"
        : 'the two nodes need the same token file for each other';
    return `does not know the token; ${where}`;
  }

  #meet(h: MessageOf<'hello'>): void {
    this.#other = h;
    const { mine, expect, process } = this.#o;
    if (h.version !== WIRE_VERSION)
      throw this.#refusal(
        `speaks version ${h.version} of the protocol, this side speaks ${WIRE_VERSION}; ` +
          'run the same release everywhere',
        'VERSION_MISMATCH',
      );
    if (h.role === mine || (expect && h.role !== expect))
      throw this.#refusal(
        `expected ${expect ?? 'another role'} at the other end, found ${h.role}; check the addresses`,
      );
    if (h.process === process) throw this.#refusal('is this process itself; check the addresses');
    this.#token();
  }

  #token(): Secret {
    const { mine, tokens } = this.#o;
    const theirs = this.#other!.role;
    const token = mine === 'client' || theirs === 'client' ? tokens.client : tokens.nodes?.[theirs];
    if (!token)
      throw this.#refusal(`is not expected here: ${nodeName[mine]} has no token for a link with ${nodeName[theirs]}`);
    return token;
  }

  #proof(who: 'a' | 'b'): Uint8Array {
    return hmac(sha256, this.#token().bytes, new Uint8Array([who.charCodeAt(0), ...this.#transcript]));
  }

  #finish(): void {
    const { role, process, key } = this.#other!;
    const shared = x25519.getSharedSecret(this.#secret!, hexToBytes(key));
    const seed = new Secret(hkdf(sha256, shared, this.#transcript, utf8ToBytes('secformer seed'), 32));
    this.#over = true;
    clearTimeout(this.#timer);
    const proven: Proven = { role, process, seed, link: this.#link };
    this.#o.ready?.(proven);
    this.#resolve(proven);
  }

  /** Tells the other side why, and ends. */
  #fail(error: NodeError): void {
    if (this.#over) return;
    this.#end(error);
    const { code, message, retryAfterMs } = reportOf(error, this.#name);
    this.#channel
      .send({ t: 'refused', code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) })
      .catch(() => {});
    this.#channel.close(error.message);
  }

  /** Before the link closes, whose end would be a reason too. */
  #end(error: NodeError): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#reject(error);
  }
}

function transcriptOf(a: MessageOf<'hello'>, b: MessageOf<'hello'>): Uint8Array<ArrayBuffer> {
  const text = [a, b].map((h) => `${h.version} ${h.role} ${h.nonce} ${h.key} ${h.process}`).join('\n');
  return new Uint8Array(sha256(utf8ToBytes(text)));
}
