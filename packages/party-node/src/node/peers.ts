/** The links to the other two nodes: at most one to each. */
import type { Secret } from '@secformer/ring';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageLink } from '../wire/framing.js';
import { nodeName } from '../wire/handshake.js';
import type { Message } from '../wire/messages.js';
import type { NodeRole } from '../wire/tokens.js';
import type { NodeRun } from './run.js';

/** Another node: an authenticated link to it, and the seed that the two share. */
export interface Peer {
  role: NodeRole;
  seed: Secret;
  link: MessageLink;
  /** where it has one: for rounds and corrections */
  data?: MessageLink | undefined;
}

export class Peers {
  readonly #mine: NodeRole;
  readonly #there = new Map<NodeRole, Peer>();
  readonly #waiters = new Map<NodeRole, Deferred<Peer>>();

  /** @param mine the node whose peers these are */
  constructor(mine: NodeRole) {
    this.#mine = mine;
  }

  /** Adds a node; an earlier link to it is closed. */
  add(peer: Peer): void {
    const { role } = peer;
    this.#there.get(role)?.link.close('the node connected again');
    this.#there.set(role, peer);
    this.#waiters.get(role)?.resolve(peer);
    this.#waiters.delete(role);
  }

  /** Removes a node whose link is closed, unless it has connected again since. */
  remove(peer: Peer): void {
    if (this.#there.get(peer.role) === peer) this.#there.delete(peer.role);
  }

  /** A node, if it is connected. */
  of(role: NodeRole): Peer | undefined {
    return this.#there.get(role);
  }

  /** Nodes that are connected. */
  get count(): number {
    return this.#there.size;
  }

  /** Sends all connected nodes a message that needs no answer. */
  tell(message: Message, ...payload: Uint8Array[]): void {
    for (const { link } of this.#there.values()) link.send(message, ...payload).catch(() => {});
  }

  /**
   * A node that a run needs; waits up to `limits.reconnectMs` until it is connected.
   * @throws NodeError UNREACHABLE, or the reason if the run was aborted meanwhile
   */
  async connected(run: NodeRun, role: NodeRole): Promise<Peer> {
    const there = this.#there.get(role);
    if (there) return there;
    const waiter = this.#waiters.get(role) ?? new Deferred<Peer>();
    this.#waiters.set(role, waiter);
    try {
      return await run.within(waiter.promise, limits.reconnectMs, nodeName[role], 'a connection');
    } catch (error) {
      run.check();
      throw new NodeError(nodeName[role], 'UNREACHABLE', `${nodeName[this.#mine]} has no connection to it`, {
        cause: error,
      });
    }
  }
}
