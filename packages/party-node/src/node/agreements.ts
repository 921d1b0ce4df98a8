/** How the three nodes agree on a run before anything of it is drawn or sent. */
import { createHash } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import type { MessageOf } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import type { Peer, Peers } from './peers.js';
import type { NodeRun } from './run.js';

export interface Agreement {
  peer: Peer;
  message: MessageOf<'agree'>;
}

interface Early {
  tickets: Map<string, Map<NodeRole, Agreement>>;
  last: number;
}

/**
 * The other nodes' messages that they take part in a run, by ticket. They may arrive before the client's own message,
 * so some are stored: with a limit per session, so that a client that announces runs to a single node evicts only its
 * own.
 */
export class Agreements {
  readonly #early = new Map<string, Early>();
  readonly #expected = new Map<string, Map<NodeRole, Deferred<Agreement>>>();

  arrived(role: NodeRole, a: Agreement): void {
    const { ticket, session } = a.message;
    const waiting = this.#expected.get(ticket)?.get(role);
    if (waiting) {
      waiting.resolve(a);
      return;
    }
    const now = performance.now();
    const early = this.#early.get(session) ?? { tickets: new Map(), last: now };
    early.last = now;
    const of = early.tickets.get(ticket) ?? new Map<NodeRole, Agreement>();
    of.set(role, a);
    early.tickets.set(ticket, of);
    if (early.tickets.size > limits.earlyAgreements) early.tickets.delete(early.tickets.keys().next().value!);
    // Keeps sessions in the order of their last message
    this.#early.delete(session);
    this.#early.set(session, early);
    for (const [name, { last }] of this.#early) {
      if (now - last < 2 * limits.agreeMs) break;
      this.#early.delete(name);
    }
  }

  /** Waits for the other nodes' agreement to a run; call `done` when it is complete. */
  expect(ticket: string, session: string, others: readonly NodeRole[]): ReadonlyMap<NodeRole, Deferred<Agreement>> {
    const expected = new Map(others.map((r) => [r, new Deferred<Agreement>()] as const));
    this.#expected.set(ticket, expected);
    for (const [role, a] of this.#early.get(session)?.tickets.get(ticket) ?? []) expected.get(role)?.resolve(a);
    this.forget(ticket, session);
    return expected;
  }

  done(ticket: string): void {
    this.#expected.delete(ticket);
  }

  /** Discards what was stored for a run that is over before its client has announced it here. */
  forget(ticket: string, session?: string): void {
    for (const [name, early] of session === undefined ? this.#early : [[session, this.#early.get(session)] as const]) {
      early?.tickets.delete(ticket);
      if (early?.tickets.size === 0) this.#early.delete(name);
    }
  }
}

export interface Agreed {
  /** the links that the run goes on with */
  peers: Map<NodeRole, Peer>;
  /** the prepared run that takes its place, if the dealer knows one */
  pooled: string | undefined;
}

/**
 * Exchanges nonces and hashes with the other two nodes. The run's id, which is set here, follows from its ticket, all
 * three nonces and its program, so that no node alone can make an id repeat.
 * @throws NodeError BAD_MESSAGE where the client asked the nodes for different things, NO_PROGRESS, UNREACHABLE
 */
export async function agree(run: NodeRun, mine: NodeRole, peers: Peers, agreements: Agreements): Promise<Agreed> {
  const others = NODES.filter((r) => r !== mine);
  const program = bytesToHex(run.checked.hash);
  // Bindings are compared as well: parties bound to different tensors would compute a function of single shares
  // The same of the sharing that a model's tensors are of
  const model = run.model && [run.model.ref.generation, run.model.hash];
  const bindings = createHash('sha256')
    .update(JSON.stringify([run.mode, run.inputs, model]))
    .digest('hex');
  const pending = agreements.expect(run.ticket, run.session.id, others);
  try {
    for (const role of others) {
      const peer = await peers.connected(run, role);
      await peer.link.send({
        t: 'agree',
        ticket: run.ticket,
        session: run.session.id,
        program,
        bindings,
        nonce: bytesToHex(run.nonce),
        ...(mine === 'dealer' && run.pooled !== undefined && { pooled: run.pooled }),
      });
      run.check();
    }
    const nonces = new Map<NodeRole, string>([[mine, bytesToHex(run.nonce)]]);
    const agreed = new Map<NodeRole, Peer>();
    let { pooled } = run;
    for (const [role, deferred] of pending) {
      const { peer, message } = await run.within(
        deferred.promise,
        limits.agreeMs,
        nodeName[role],
        'its agreement to the run',
      );
      const same = message.program === program && message.session === run.session.id && message.bindings === bindings;
      if (!same)
        throw new NodeError(
          'client',
          'BAD_MESSAGE',
          `asked ${nodeName[mine]} and ${nodeName[role]} for different programs, inputs or modes`,
        );
      nonces.set(role, message.nonce);
      agreed.set(role, peer);
      if (role === 'dealer') pooled = message.pooled;
    }
    const id = [run.ticket, ...NODES.map((r) => nonces.get(r)!), program].join('');
    run.runId = sha256(hexToBytes(id)).slice(0, 16);
    return { peers: agreed, pooled };
  } finally {
    agreements.done(run.ticket);
  }
}
