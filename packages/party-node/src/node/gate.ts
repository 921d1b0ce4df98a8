import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { handshake, nodeName, type Proven } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { NODES, type NodeRole, type Tokens, type WireRole } from '../wire/tokens.js';
import type { Log } from './log.js';

export interface GateOptions {
  role: NodeRole;
  tokens: Tokens;
  /** how to reach the nodes that this one dials */
  dial: Partial<Record<NodeRole, () => Promise<Link>>>;
  /** takes a proven link, and says through `left` when it is closed; called before another frame of it is read */
  welcome: (proven: Proven, left: (why: string) => void) => void;
  log: Log;
}

interface Present {
  process: string;
  link: Link;
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
  readonly #clients = new Set<Link>();
  #stopped = false;

  constructor(options: GateOptions) {
    this.#o = options;
  }

  start(): void {
    for (const role of NODES) if (this.#o.dial[role]) void this.#keepDialing(role);
  }

  stop(): void {
    this.#stopped = true;
    for (const { link } of this.#nodes.values()) link.close('the node stops');
    for (const link of this.#clients) link.close('the node stops');
  }

  /** Takes a new connection. @param proven called once it has shown who it is */
  accept(link: Link, proven: (role: WireRole) => void = () => {}): void {
    handshake(link, {
      mine: this.#o.role,
      process: this.#process,
      tokens: this.#o.tokens,
      side: 'accept',
      admit: (role, process) => this.#admit(role, process),
      ready: (p) => {
        proven(p.role);
        this.#enter(p);
      },
    }).catch((error: NodeError) => this.#o.log('refused', { code: error.code, why: error.message }));
  }

  async #admit(role: WireRole, process: string): Promise<void> {
    if (role === 'client') {
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

  #enter(proven: Proven, closed: () => void = () => {}): void {
    const { role, process, link } = proven;
    const node = nodeName[role];
    if (role === 'client') {
      this.#clients.add(link);
    } else {
      this.#nodes.get(role)?.link.close('the node connected again');
      this.#nodes.set(role, { process, link });
    }
    this.#o.log('connected', { node });
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
    while (!this.#stopped) {
      try {
        const link = await this.#o.dial[role]!();
        await new Promise<void>((resolve, reject) => {
          handshake(link, {
            mine: this.#o.role,
            process: this.#process,
            tokens: this.#o.tokens,
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
