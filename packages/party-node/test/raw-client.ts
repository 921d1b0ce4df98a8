import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import {
  type Graph,
  type InputState,
  type Plan,
  plan,
  readProgram,
  suiteOf,
  writtenTensor,
} from '@secformer/secformer-ops';
import { MessageLink } from '../src/wire/framing.js';
import { handshake, nodeName } from '../src/wire/handshake.js';
import type { Link } from '../src/wire/link.js';
import { type BoundInput, jsonBytes, type Message, type MessageOf } from '../src/wire/messages.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';

export interface Got {
  from: NodeRole;
  m: Message;
  payload: Uint8Array;
}

/** A client that speaks the wire protocol itself, to send what `Session` never would. */
export class RawClient {
  readonly links: Record<NodeRole, MessageLink>;
  readonly session = bytesToHex(randomBytes(16));
  readonly closed = new Map<NodeRole, string>();
  readonly #inbox: Got[] = [];
  #wake: (() => void)[] = [];
  #re = 1;

  private constructor(links: Record<NodeRole, Link>) {
    this.links = Object.fromEntries(
      NODES.map((from) => {
        const link = new MessageLink(links[from], () => nodeName[from]);
        link.accept = () => 2 ** 31;
        link.onMessage = (m, payload) => {
          this.#inbox.push({ from, m, payload });
          for (const wake of this.#wake.splice(0)) wake();
        };
        link.onClose = (why) => {
          this.closed.set(from, why);
          for (const wake of this.#wake.splice(0)) wake();
        };
        return [from, link];
      }),
    ) as Record<NodeRole, MessageLink>;
  }

  /** @param open whether a session is opened at the three nodes */
  static async connect(dial: (role: NodeRole) => Promise<Link>, token: Secret, open = true): Promise<RawClient> {
    const links = {} as Record<NodeRole, Link>;
    const process = bytesToHex(randomBytes(16));
    for (const role of NODES)
      links[role] = (
        await handshake(await dial(role), {
          mine: 'client',
          process,
          tokens: { client: token },
          side: 'dial',
          expect: role,
        })
      ).link;
    const client = new RawClient(links);
    if (open) for (const role of NODES) await client.ask<'open'>(role, { t: 'open', session: client.session });
    return client;
  }

  /** The next message that matches, waited for; undefined once the time is over. */
  async next(match: (got: Got) => boolean, ms = 20_000): Promise<Got | undefined> {
    for (const until = performance.now() + ms; ; ) {
      const at = this.#inbox.findIndex(match);
      if (at >= 0) return this.#inbox.splice(at, 1)[0];
      const left = until - performance.now();
      if (left <= 0) return undefined;
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, left);
        this.#wake.push(resolve);
      });
      clearTimeout(timer);
    }
  }

  /** Sends a command and waits for the node's answer, 'done' or 'failed'. */
  async ask<T extends 'open' | 'program' | 'put' | 'putOpened' | 'offer' | 'public'>(
    role: NodeRole,
    m: Omit<MessageOf<T>, 're'>,
    ...payload: Uint8Array[]
  ): Promise<Message | undefined> {
    const re = this.#re++;
    await this.links[role].send({ ...m, re } as unknown as Message, ...payload);
    return (await this.next((got) => got.from === role && 're' in got.m && got.m.re === re))?.m;
  }

  /** Writes a tensor of zeros' shares: party 1 gets `words` packed at 64 bits, or zeros. */
  async put(tensor: number, shape: number[], roles: readonly NodeRole[] = NODES): Promise<(Message | undefined)[]> {
    const n = shape.reduce((a, b) => a * b, 1);
    const put = (seed: boolean) => ({ t: 'put' as const, tensor, shape, fracBits: 16, bits: 64, magnitude: 14, seed });
    const payload = { party0: [new Uint8Array(32)], party1: [new Uint8Array(8 * n)], dealer: [] };
    return Promise.all(roles.map((role) => this.ask<'put'>(role, put(role === 'party0'), ...payload[role])));
  }

  /**
   * Plans a graph over written tensors and sends its Program to the nodes. @param inputs how many, or what the nodes
   * have of each
   */
  async program(
    graph: Graph,
    inputs: number | InputState[],
    roles: readonly NodeRole[] = NODES,
  ): Promise<{ hash: string; planned: Plan; bindings: BoundInput[] }> {
    const planned = plan(
      graph,
      suiteOf('exact'),
      typeof inputs === 'number' ? Array(inputs).fill(writtenTensor) : inputs,
      [0],
    );
    const text = jsonBytes(planned.program);
    const hash = bytesToHex(readProgram(text).hash);
    for (const role of roles) await this.ask<'program'>(role, { t: 'program', hash }, text);
    return { hash, planned, bindings: planned.bindings.map((b) => ({ kind: b.kind }) as BoundInput) };
  }

  /** Announces a run; the nodes' answers are to be waited for. @returns its ticket */
  async prepare(
    hash: string,
    bindings: BoundInput[],
    mode: MessageOf<'prepare'>['mode'] = 'streamed',
    roles: readonly NodeRole[] = NODES,
    ticket = bytesToHex(randomBytes(16)),
  ): Promise<string> {
    for (const role of roles)
      await this.links[role].send({ t: 'prepare', ticket, program: hash, mode }, jsonBytes(bindings));
    return ticket;
  }

  async start(
    role: NodeRole,
    ticket: string,
    names: { shares: number[]; keeps: number[] },
    ...inputs: Uint8Array[]
  ): Promise<void> {
    const list = jsonBytes(names);
    await this.links[role].send({ t: 'run', ticket, names: list.length }, list, ...inputs);
  }

  /** The end of a run at a node: its result, or why it was aborted. */
  async end(ticket: string, ms = 20_000): Promise<Got | undefined> {
    return this.next(({ m }) => (m.t === 'result' || m.t === 'abort') && m.ticket === ticket, ms);
  }

  close(): void {
    for (const link of Object.values(this.links)) link.close('done');
  }
}
