import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { type Claim, handshake, nodeName, type Proven } from '../wire/handshake.js';
import type { KeyPair } from '../wire/keys.js';
import type { Channel, Link } from '../wire/link.js';
import type { Principal } from '../wire/principal.js';
import { NODES, type NodeRole, type Tokens, type WireRole } from '../wire/tokens.js';
import type { Log } from './log.js';

/** By which keys a node knows others, and is known. What it knows may change while it runs. */
export interface Identities {
  /** this node's own */
  key: KeyPair;
  /** the other nodes', in hex; undefined where nodes prove themselves by tokens */
  pins(): Partial<Record<NodeRole, string>> | undefined;
  /**
   * Who a client with such a key and grant is; absent where no such client is taken.
   * @throws NodeError NOT_AUTHENTICATED, GRANT_REFUSED
   */
  identify?: (claim: Claim) => Promise<Principal>;
  /** why somebody who was let in with a key would not be let in now; undefined where they would */
  ended(principal: Principal, key: string): string | undefined;
}

export interface GateOptions {
  role: NodeRole;
  tokens: Tokens;
  identities?: Identities | undefined;
  /** whether nodes are taken by their keys over connections that are not bound; see `HandshakeOptions` */
  unboundNodes?: boolean | undefined;
  /** how to reach the nodes that this one dials */
  dial: Partial<Record<NodeRole, () => Promise<Link>>>;
  /** takes a proven link, and says through `left` when it is closed; called before another frame of it is read */
  welcome: (proven: Proven, left: (why: string) => void) => void;
  log: Log;
}

interface Present {
  process: string;
  link: Link;
  /** its key in hex, if it has proved itself by one */
  key: string | undefined;
}

interface Client {
  principal: Principal;
  key: string | undefined;
}

/**
 * Authenticates every link: dials the nodes that this one dials, and accepts the others and clients. A node that this
 * one dials is never accepted, so that nobody can connect in its name; a node that is connected and answers keeps its
 * place, whoever else claims to be it.
 */
export class Gate {
  readonly #o: GateOptions;
  readonly #process = bytesToHex(randomBytes(16));
  readonly #nodes = new Map<NodeRole, Present>();
  readonly #clients = new Map<Link, Client>();
  #checking: ReturnType<typeof setInterval> | undefined;
  #stopped = false;
  #draining = false;

  constructor(options: GateOptions) {
    this.#o = options;
  }

  start(): void {
    for (const role of NODES) if (this.#o.dial[role]) void this.#keepDialing(role);
    if (this.#o.identities) this.#checking = setInterval(() => this.checkAgain(), limits.grantCheckMs);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#checking);
    for (const { link } of this.#nodes.values()) link.close('the node stops');
    for (const link of this.#clients.keys()) link.close('the node stops');
  }

  /** Ends the connections of whoever would not be let in any more. */
  checkAgain(): void {
    const ended = this.#o.identities?.ended.bind(this.#o.identities);
    if (!ended) return;
    const all = [
      ...[...this.#clients].map(([link, client]) => ({ link, ...client })),
      ...[...this.#nodes].map(([role, { link, key }]) => ({ link, key, principal: { kind: 'node', role } as const })),
    ];
    for (const { link, principal, key } of all) {
      const why = key === undefined ? undefined : ended(principal, key);
      if (why !== undefined) link.close(why);
    }
  }

  /** Lets nobody in any more, and dials nobody; who is connected stays. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when what was sent on all links has arrived, or after so many milliseconds. */
  async flush(ms: number): Promise<void> {
    const links = [...this.#clients.keys(), ...[...this.#nodes.values()].map(({ link }) => link)];
    await Promise.all(links.map((link) => link.answers?.(ms)));
  }

  /**
   * Takes a new connection.
   * @param proven called once it has shown who it is
   * @param channel what is known of the connection, where the link does not say so itself
   */
  accept(link: Link, proven: (role: WireRole) => void = () => {}, channel?: Channel): void {
    const { identities, unboundNodes } = this.#o;
    handshake(link, {
      mine: this.#o.role,
      process: this.#process,
      tokens: this.#o.tokens,
      key: identities?.key,
      pins: identities?.pins(),
      identify: identities?.identify,
      unboundNodes,
      channel,
      side: 'accept',
      admit: (role, process, principal) => this.#admit(role, process, principal),
      ready: (p) => {
        proven(p.role);
        this.#enter(p);
      },
    }).catch((error: NodeError) => this.#o.log('refused', { code: error.code, why: error.message }));
  }

  async #admit(role: WireRole, process: string, principal: Principal): Promise<void> {
    if (this.#draining)
      throw new NodeError(nodeName[this.#o.role], 'BUSY', 'is being stopped; try again later', {
        retryAfterMs: limits.restartMs,
      });
    if (role === 'client') {
      this.#admitSubject(principal);
      if (this.#clients.size >= limits.clients)
        throw new NodeError(
          nodeName[this.#o.role],
          'TOO_MANY_CONNECTIONS',
          `${limits.clients} clients are connected; try again later`,
          { retryAfterMs: limits.retryMs },
        );
      return;
    }
    if (this.#o.dial[role])
      throw new NodeError(
        nodeName[role],
        'NOT_AUTHENTICATED',
        `is dialled by ${nodeName[this.#o.role]} and not accepted from there; check the addresses`,
      );
    const there = this.#nodes.get(role);
    // The same process again: it knows that its old link is dead
    if (!there || there.process === process) return;
    const alive = (await there.link.answers?.(limits.answerMs)) ?? true;
    if (alive && this.#nodes.get(role) === there)
      throw new NodeError(
        nodeName[role],
        'ALREADY_CONNECTED',
        `another process that is ${nodeName[role]} is connected to ${nodeName[this.#o.role]} and answers; ` +
          'stop it first',
      );
  }

  /** One subject with many connections leaves the others room. */
  #admitSubject(principal: Principal): void {
    if (principal.kind !== 'asker') return;
    const { publisher, subject } = principal.grant;
    let count = 0;
    for (const { principal: p } of this.#clients.values())
      if (p.kind === 'asker' && p.grant.publisher === publisher && p.grant.subject === subject) count++;
    if (count < limits.subjectConnections) return;
    throw new NodeError(
      nodeName[this.#o.role],
      'TOO_MANY_CONNECTIONS',
      `${count} connections with grants of ${subject} are open, which is as many as one may have; close some`,
      { retryAfterMs: limits.retryMs },
    );
  }

  #enter(proven: Proven, closed: () => void = () => {}): void {
    const { role, process, link, principal, public: key } = proven;
    const node = nodeName[role];
    if (role === 'client') {
      this.#clients.set(link, { principal, key });
    } else {
      this.#nodes.get(role)?.link.close('the node connected again');
      this.#nodes.set(role, { process, link, key });
    }
    this.#o.log('connected', { node, ...namesOf(principal) });
    if (role !== 'client' && this.#nodes.size === NODES.length - 1) this.#o.log('ready');
    this.#o.welcome(proven, (why) => {
      this.#clients.delete(link);
      if (role !== 'client' && this.#nodes.get(role)?.link === link) this.#nodes.delete(role);
      this.#o.log('left', { node, why });
      closed();
    });
  }

  async #keepDialing(role: NodeRole): Promise<void> {
    const node = nodeName[role];
    let pause: number = limits.redialMs;
    let said = '';
    while (!this.#stopped && !this.#draining) {
      try {
        const link = await this.#o.dial[role]!();
        const pins = this.#o.identities?.pins();
        await new Promise<void>((resolve, reject) => {
          handshake(link, {
            mine: this.#o.role,
            process: this.#process,
            tokens: this.#o.tokens,
            ...(pins && { key: this.#o.identities!.key, pins }),
            side: 'dial',
            expect: role,
            ready: (p) => {
              [pause, said] = [limits.redialMs, ''];
              this.#enter(p, resolve);
            },
          }).catch(reject);
        });
      } catch (error) {
        const { code, message } = error as NodeError;
        // Logged once for each reason, however often it is tried
        if (message !== said) this.#o.log('unreachable', { node, code, why: message });
        said = message;
      }
      if (this.#stopped) return;
      // Jitter: nodes that lost each other at the same moment should not retry in step
      await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
      pause = Math.min(limits.redialMostMs, pause * 1.5);
    }
  }
}

/** What a log may say of a client: names that operators and publishers gave. */
function namesOf(principal: Principal): Record<string, string> {
  if (principal.kind === 'publisher') return { publisher: principal.name };
  if (principal.kind !== 'asker') return {};
  const { publisher, subject, id } = principal.grant;
  return { publisher, subject, grant: id };
}
