import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';
import { NodeError, type NodeErrorCode, type NodeName, reportOf } from '../errors.js';
import { limits, WIRE_VERSION } from '../limits.js';
import { MessageLink } from './framing.js';
import { type KeyPair, publicKeyText } from './keys.js';
import type { Channel, Link } from './link.js';
import type { Message, MessageOf } from './messages.js';
import type { Principal } from './principal.js';
import { isMac, isSignature, macOf, signatureOf, transcriptOf } from './proofs.js';
import type { NodeRole, Tokens, WireRole } from './tokens.js';

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
  'GRANT_REFUSED',
] satisfies NodeErrorCode[];

/** An authenticated link: who is at the other end, and a seed that only the two of them know. */
export interface Proven {
  role: WireRole;
  /** what the other end has proved to be, and may do by that */
  principal: Principal;
  /** the other end's Ed25519 key in hex, where it proved itself by one */
  public?: string | undefined;
  /** of the process at the other end */
  process: string;
  seed: Secret;
  link: Link;
}

/** What a client that proves itself by a key says of itself. */
export interface Claim {
  /** its key in hex */
  public: string;
  grant: string | undefined;
}

export interface HandshakeOptions {
  mine: WireRole;
  /** this process, 16 bytes in hex */
  process: string;
  tokens: Tokens;
  /**
   * this side's key: the side that dials proves itself by it and not by a token; the accepting side does where the
   * other one has
   */
  key?: KeyPair | undefined;
  /** the nodes' keys, in hex: whoever says to be one of them by a key has to have that one */
  pins?: Partial<Record<NodeRole, string>> | undefined;
  /** of a client with a key: what it is allowed */
  grant?: string | undefined;
  /** what is known of the connection, where the link does not say so itself */
  channel?: Channel | undefined;
  side: 'dial' | 'accept';
  /** the role that must be at the other end, if that is known */
  expect?: WireRole;
  /**
   * of the accepting side: whether a node may prove itself by a key over a connection that is not bound, because it
   * stays on this machine or comes through a TLS proxy of this node's operator
   */
  unboundNodes?: boolean | undefined;
  /**
   * of a node: who a client with such a key and grant is, before it has proved to have the key; throws to refuse, and
   * its error is what the other end is told
   */
  identify?: ((claim: Claim) => Principal | Promise<Principal>) | undefined;
  /**
   * of the accepting side: whether somebody who has proved to be that is let in; throws to refuse, and its error is
   * what the other end is told
   */
  admit?: (role: WireRole, process: string, principal: Principal) => void | Promise<void>;
  /** called in the same tick as the last message, so that the link's handlers are set before another frame is read */
  ready?: (proven: Proven) => void;
}

/**
 * Four messages that prove to each side who the other is, and agree a seed:
 *
 *   1. A → B: role, nonce, X25519 key, process; by keys also A's Ed25519 key and, of a client, its grant
 *   2. B → A: role, nonce, X25519 key, process; by keys also B's Ed25519 key
 *   3. A → B: HMAC-SHA256(token, 'a' ‖ transcript), or Ed25519(A's key, 'a' ‖ transcript)
 *   4. B → A: HMAC-SHA256(token, 'b' ‖ transcript), or Ed25519(B's key, 'b' ‖ transcript)
 *
 * transcript = SHA-256 of 1 and 2, and of the TLS connection's keying material where both have it and have said so in
 * 1 and 2; seed = HKDF(X25519 secret, transcript). A says by its first message whether the two prove themselves by
 * keys. By a token: between nodes it is the one of the two, where one side is a client the clients' token. By keys: a
 * node's is the one that the network file has for its role, a publisher's stands in the node's access file, another
 * client's in its grant. Whoever dials proves first: a stranger who dials is told nothing that a token could be guessed
 * against. Whoever does not know the token or have the key learns neither it nor the seed; the seed is never sent. A
 * refusal is a message with a code, and both sides fail with it.
 *
 * Somebody in the middle, whom A took for B's TLS server: the keying material of his two connections differs, so what
 * A proves to him is no proof at B, and B's none at A. Of messages 1 and 2 he can change nothing, the word of who is
 * bound included; he has read them, with the grant in them, which is of no use without its client's key. So where both
 * are bound and prove themselves by keys, the certificate may be anybody's. Where one is not (a browser gives no keying
 * material, a TLS proxy in front of B keeps it), the certificate is all that keeps him out, and A refuses one that is
 * not verified; without that he would read and change what follows, except for what only both ends of the seed can.
 * @throws NodeError NOT_AUTHENTICATED, GRANT_REFUSED, VERSION_MISMATCH, LINK_CLOSED, or what `admit` of the other side
 * said
 */
export function handshake(link: Link, o: HandshakeOptions): Promise<Proven> {
  return new Promise<Proven>((resolve, reject) => new Handshake(link, o, resolve, reject).start());
}

interface Ephemeral {
  secret: Uint8Array;
  key: string;
}

function freshKey(): Ephemeral {
  const secret = x25519.utils.randomSecretKey();
  return { secret, key: bytesToHex(x25519.getPublicKey(secret)) };
}

let recent: (Ephemeral & { until: number }) | undefined;

/**
 * The accepting side's key, which serves for some seconds: the seeds differ by the other side's key and by both nonces,
 * and no secret is computed for somebody who has not proved who it is: all that a stranger can ask for is the check of
 * one signature. After those seconds the key is gone, and with it whatever could find old seeds.
 */
function recentKey(): Ephemeral {
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
  #transcript: Uint8Array = new Uint8Array(0);
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

  get #below(): Channel | undefined {
    return this.#o.channel ?? this.#link.channel;
  }

  /** Whether the two prove themselves by keys and not by a token. */
  get #byKeys(): boolean {
    return this.#o.side === 'dial' ? this.#o.key !== undefined : this.#other!.public !== undefined;
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
    if (this.#o.side !== 'dial') return;
    const unverified = this.#below?.unverified;
    if (unverified !== undefined && !this.#o.key)
      this.#fail(this.#refusal(`has a certificate that is not to be trusted (${unverified})`));
    else channel.send(this.#introduction()).catch((error) => this.#fail(this.#refusal(String(error), 'LINK_CLOSED')));
  }

  #introduction(): MessageOf<'hello'> {
    const { secret, key } = this.#o.side === 'accept' ? recentKey() : freshKey();
    this.#secret = secret;
    const { mine, process, key: own, grant, side } = this.#o;
    this.#hello = {
      t: 'hello',
      version: WIRE_VERSION,
      role: mine,
      nonce: bytesToHex(randomBytes(32)),
      key,
      process,
      ...(this.#byKeys && { public: own!.public }),
      ...(this.#byKeys && side === 'dial' && mine === 'client' && grant !== undefined && { grant }),
      ...(this.#below?.binding && { bound: true }),
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
        this.#transcript = transcriptOf(this.#hello!, m, this.#below?.binding);
        await this.#channel.send(this.#proof('a'));
      }
    } else if (m.t === 'proof' && this.#hello && this.#other && !this.#proved) {
      this.#proved = true;
      if (side === 'accept') this.#transcript = transcriptOf(this.#other, this.#hello, this.#below?.binding);
      const { role, process } = this.#other;
      // In this tick: the accepting side's next frame may have been read with this one
      if (side === 'dial') {
        this.#check(m);
        return this.#finish({ kind: 'node', role: role as NodeRole });
      }
      const principal = await this.#identified();
      if (this.#over) return;
      this.#check(m);
      await this.#o.admit?.(role, process, principal);
      if (this.#over) return;
      // The other end may send as soon as it has this
      const sent = this.#channel.send(this.#proof('b'));
      this.#finish(principal);
      await sent.catch(() => {});
    } else {
      throw this.#refusal(`sent '${m.t}' in the middle of the handshake`);
    }
  }

  #meet(h: MessageOf<'hello'>): void {
    this.#other = h;
    const { mine, expect, process, side } = this.#o;
    if (h.version !== WIRE_VERSION)
      throw this.#refusal(
        `speaks version ${h.version} of the protocol, this side speaks ${WIRE_VERSION}; ` +
          'run the same release everywhere',
        'VERSION_MISMATCH',
      );
    if (h.role === mine || (expect && h.role !== expect) || (side === 'dial' && h.role === 'client'))
      throw this.#refusal(
        `expected ${expect ?? 'another role'} at the other end, found ${h.role}; check the addresses`,
      );
    if (h.process === process) throw this.#refusal('is this process itself; check the addresses');
    if (this.#byKeys) this.#meetByKey(h);
    else this.#token();
  }

  get #bound(): boolean {
    return this.#below?.binding !== undefined && this.#other?.bound === true;
  }

  /** What can be said about a key before anything is proved. */
  #meetByKey(h: MessageOf<'hello'>): void {
    const { side, key, pins, identify, unboundNodes } = this.#o;
    if (!key) throw this.#refusal('shows a key, and this side was given tokens alone');
    if (h.role === 'client') {
      if (!identify) throw this.#refusal('shows a key, and this node was given no --access file');
      return;
    }
    const pin = pins?.[h.role];
    if (pin === undefined) throw this.#refusal('shows a key, and this side was given no network file (--peers)');
    if (h.public === undefined) throw this.#refusal('has no key of its own; it needs the network file too (--peers)');
    if (h.public !== pin)
      throw this.#refusal(`has another key than the network file says: ${publicKeyText(h.public)}; check both`);
    const unverified = this.#below?.unverified;
    if (side === 'dial' && unverified !== undefined && !this.#bound)
      throw this.#refusal(
        `has a certificate that is not to be trusted (${unverified}), which would do if nothing stood between; ` +
          'behind a TLS proxy it needs one of an authority that is known here',
      );
    if (side === 'accept' && !this.#bound && !unboundNodes)
      throw this.#refusal('comes through something that ends TLS before this node; say so with --behind-tls-proxy');
  }

  #token(): Secret {
    const { mine, tokens, pins } = this.#o;
    const theirs = this.#other!.role;
    if (theirs === 'client' && !tokens.client)
      throw this.#refusal('shows no key, and this node takes no token of clients; ask its publisher for a grant');
    if (mine !== 'client' && theirs !== 'client' && pins)
      throw this.#refusal('shows no key; this node knows the others by the keys in its network file (--peers)');
    const token = mine === 'client' || theirs === 'client' ? tokens.client : tokens.nodes?.[theirs];
    if (!token)
      throw this.#refusal(`is not expected here: ${nodeName[mine]} has no token for a link with ${nodeName[theirs]}`);
    return token;
  }

  #proof(by: 'a' | 'b'): MessageOf<'proof'> {
    if (this.#byKeys) return { t: 'proof', signature: signatureOf(this.#o.key!, by, this.#transcript) };
    return { t: 'proof', mac: macOf(this.#token(), by, this.#transcript) };
  }

  /** Who the other side is if its proof is right. */
  #identified(): Principal | Promise<Principal> {
    const { role, public: key, grant } = this.#other!;
    if (role !== 'client') return { kind: 'node', role };
    return key === undefined ? { kind: 'owner' } : this.#o.identify!({ public: key, grant });
  }

  #check({ mac, signature }: MessageOf<'proof'>): void {
    const by = this.#o.side === 'accept' ? 'a' : 'b';
    const right = this.#byKeys
      ? signature !== undefined && isSignature(signature, this.#other!.public!, by, this.#transcript)
      : mac !== undefined && isMac(mac, this.#token(), by, this.#transcript);
    if (!right) throw this.#refusal(this.#unproved());
  }

  /** Tells what has to be equal, and what else may be in the way. */
  #unproved(): string {
    const between = this.#bound ? ', or something between the two ends TLS (then --behind-tls-proxy)' : '';
    if (this.#byKeys) return `has not the key that it shows${between}`;
    if (this.#o.side === 'dial') return `does not know the token that this side was given${between}`;
    const where =
      this.#other!.role === 'client'
        ? "clients give what is in the nodes' --client-token-file"
        : 'the two nodes need the same token file for each other';
    return `does not know the token; ${where}${between}`;
  }

  #finish(principal: Principal): void {
    const { role, process, key, public: known } = this.#other!;
    const shared = x25519.getSharedSecret(this.#secret!, hexToBytes(key));
    const seed = new Secret(hkdf(sha256, shared, this.#transcript, utf8ToBytes('secformer seed'), 32));
    this.#over = true;
    clearTimeout(this.#timer);
    const by = this.#byKeys ? { public: known } : {};
    const proven: Proven = { role, principal, ...by, process, seed, link: this.#link };
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
