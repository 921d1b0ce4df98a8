/** A client's links to the three nodes: messages out, and the matching of answers to requests. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import { Deferred } from '../deferred.js';
import { errorOf, NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { timed } from '../timed.js';
import { MessageLink } from '../wire/framing.js';
import { handshake, nodeName } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import type { Message } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { during, unless } from './abortable.js';
import { type Credentials, provingBy } from './credentials.js';
import { persist } from './persist.js';

/** How a client reaches the three nodes. */
export type Dial = (node: NodeRole) => Promise<Link>;

/** Receives the nodes' messages about runs. */
export interface RunMessages {
  /** The largest payload to accept for this header now, in bytes. */
  accept(role: NodeRole, m: Message): number;
  receive(role: NodeRole, m: Message, payload: Uint8Array): void;
  /** Called once when the session ends, which ends all of its runs. */
  lost(error: NodeError): void;
}

/** A request that is not answered yet. */
interface Asked {
  reply: Deferred<Uint8Array>;
  /** bytes that the answer may have */
  most: number;
}

const NOTHING = new Uint8Array(0);
/** What nodes are told of a connection that nobody waits for any more. */
const GIVEN_UP = 'the client has given up the connection';

export class NodeLinks {
  /** why the links are closed; losing one closes all three */
  dead: NodeError | undefined;
  /** between the parties, in milliseconds, as they have measured it when the session began */
  roundTripMs: number | undefined;
  runs: RunMessages = { accept: () => 0, receive: () => {}, lost: () => {} };
  readonly #links: Map<NodeRole, MessageLink>;
  readonly #replies = new Map<string, Asked>();
  #nextReply = 1;

  private constructor(links: ReadonlyMap<NodeRole, Link>) {
    this.#links = new Map([...links].map(([role, link]) => [role, new MessageLink(link, () => nodeName[role])]));
    for (const [role, link] of this.#links) {
      link.accept = (m) => (m.t === 'answer' ? this.#answerOf(role, m.re) : this.runs.accept(role, m));
      link.onMessage = (m, payload) => this.#receive(role, m, payload);
      link.onClose = (why) =>
        this.lost(
          new NodeError(
            nodeName[role],
            'LINK_CLOSED',
            `the connection was lost (${why}); it is used again once it is back`,
          ),
        );
    }
  }

  /**
   * Connects to the three nodes and opens a session there; if one of them has no room at present, retries for some
   * seconds.
   * @param credentials a secret is the clients' token
   * @param signal gives it up: links that are open are closed, and those that open later
   * @throws NodeError UNREACHABLE, NOT_AUTHENTICATED, GRANT_REFUSED, TOO_MANY_CONNECTIONS and others, naming the node
   */
  static async connect(dial: Dial, credentials: Secret | Credentials, signal?: AbortSignal): Promise<NodeLinks> {
    const open = new Set<Link>();
    const watched: Dial = async (role) => {
      const link = await unless(signal, () => dial(role), { late: (link) => link.close(GIVEN_UP) });
      if (signal?.aborted) link.close(GIVEN_UP);
      open.add(link);
      return link;
    };
    const stop = () => {
      for (const link of open) link.close(GIVEN_UP);
    };
    const late = (links: NodeLinks) => links.lost(new NodeError('client', 'LINK_CLOSED', GIVEN_UP));
    return unless(signal, () => NodeLinks.#connect(watched, credentials, signal), { stop, late });
  }

  static async #connect(dial: Dial, credentials: Secret | Credentials, signal?: AbortSignal): Promise<NodeLinks> {
    const proofs = provingBy(credentials);
    const process = bytesToHex(randomBytes(16));
    const links = new Map<NodeRole, Link>();
    const closed = new Map<NodeRole, string>();
    const settled = await Promise.allSettled(
      NODES.map((role) =>
        persist(async () => {
          const link = await timed(dial(role), limits.connectMs, nodeName[role], 'a connection');
          await handshake(link, {
            mine: 'client',
            process,
            ...proofs,
            side: 'dial',
            expect: role,
            ready: (p) => {
              links.set(role, p.link);
              // Until all three are connected
              p.link.onClose = (why) => closed.set(role, why);
            },
          });
        }, signal),
      ),
    );
    const failed = settled.find((s) => s.status === 'rejected');
    if (failed) {
      for (const link of links.values()) link.close('another node is not there');
      throw failed.reason;
    }
    const all = new NodeLinks(links);
    for (const [role, why] of closed)
      all.lost(new NodeError(nodeName[role], 'LINK_CLOSED', `the connection was lost (${why})`));
    const id = bytesToHex(randomBytes(16));
    try {
      await Promise.all(NODES.map((role) => all.ask(role, (re) => ({ t: 'open', re, session: id }))));
    } catch (error) {
      all.lost(error instanceof NodeError ? error : new NodeError('client', 'LINK_CLOSED', String(error)));
      throw error;
    }
    return all;
  }

  /** Closes all links and fails whatever waits for an answer; only the first call has an effect. */
  lost(error: NodeError): void {
    if (this.dead) return;
    this.dead = error;
    this.runs.lost(error);
    for (const { reply } of this.#replies.values()) reply.reject(error);
    for (const link of this.#links.values()) link.close(error.message);
  }

  #receive(role: NodeRole, header: Message, payload: Uint8Array): void {
    if (header.t === 'done') {
      const { roundTripMs: ms } = header;
      // Of what both have measured the less: what delayed one of them is none of the network's
      if (ms !== undefined) this.roundTripMs = Math.min(ms, this.roundTripMs ?? ms);
      this.#replies.get(`${role}:${header.re}`)?.reply.resolve(NOTHING);
    } else if (header.t === 'answer') this.#replies.get(`${role}:${header.re}`)?.reply.resolve(payload);
    else if (header.t === 'failed') this.#replies.get(`${role}:${header.re}`)?.reply.reject(errorOf(header.error));
    else this.runs.receive(role, header, payload);
  }

  send(role: NodeRole, m: Message, ...payload: Uint8Array[]): Promise<void> {
    if (this.dead) return Promise.reject(this.dead);
    return this.#links
      .get(role)!
      .send(m, ...payload)
      .catch((cause) => {
        throw this.dead ?? new NodeError(nodeName[role], 'LINK_CLOSED', String(cause), { cause });
      });
  }

  /** Sends all nodes a message that needs no answer. */
  tell(m: Message): void {
    for (const role of NODES) this.send(role, m).catch(() => {});
  }

  /** Largest answer to a request; one that nobody waits for any more is read past. */
  #answerOf(role: NodeRole, re: number): number {
    return this.#replies.get(`${role}:${re}`)?.most ?? limits.assetBytes;
  }

  /**
   * Sends a request and waits until the node confirms it.
   * @throws NodeError the node's refusal, or NO_PROGRESS
   */
  async ask(role: NodeRole, make: (re: number) => Message, ...payload: Uint8Array[]): Promise<void> {
    await this.#asked(role, make, 0, payload, undefined);
  }

  /**
   * Sends a request and waits for the node's answer.
   * @param most bytes that the answer may have
   * @param signal ends the wait: an answer that comes later is read past
   * @throws NodeError the node's refusal, or NO_PROGRESS
   */
  answer(role: NodeRole, make: (re: number) => Message, most: number, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#asked(role, make, most, [], signal);
  }

  async #asked(
    role: NodeRole,
    make: (re: number) => Message,
    most: number,
    payload: Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const re = this.#nextReply++;
    const reply = new Deferred<Uint8Array>();
    const key = `${role}:${re}`;
    this.#replies.set(key, { reply, most });
    try {
      await this.send(role, make(re), ...payload);
      const stop = () => reply.reject(signal!.reason);
      return await during(signal, stop, () => timed(reply.promise, limits.progressMs, nodeName[role], 'an answer'));
    } finally {
      this.#replies.delete(key);
    }
  }
}
