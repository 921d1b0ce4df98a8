import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { randomBytes } from '@noble/hashes/utils.js';
import { Secret } from '@secformer/ring';
import { PortLink } from '../src/index.js';
import { Dealer } from '../src/node/dealer.js';
import { Gate } from '../src/node/gate.js';
import { Party } from '../src/node/party.js';
import type { NodeEvent } from '../src/operation/events.js';
import type { Link } from '../src/wire/link.js';
import type { Principal } from '../src/wire/principal.js';
import { NODES, type NodeRole, tokensFromOne } from '../src/wire/tokens.js';

export interface Engines {
  dealer: Dealer;
  party0: Party;
  party1: Party;
  token: Secret;
  logs: { node: NodeRole; event: string; fields: Record<string, unknown> | undefined }[];
  events: (NodeEvent & { at: NodeRole })[];
  dial(role: NodeRole): Promise<PortLink>;
  /** dials as somebody who has proved to be this */
  as(principal: Principal): (role: NodeRole) => Promise<PortLink>;
  stop(): Promise<void>;
}

/**
 * The three nodes in this thread, so that a test sees what they count and hold.
 * @param between sees each link from one node to another before it is used
 * @param folder where each of them keeps published models
 * @param pool bytes that prepared runs of published models may take
 */
export async function startEngines(
  memory = 2 ** 31,
  between: (from: NodeRole, to: NodeRole, link: PortLink) => void = () => {},
  pool = 0,
  folder?: string,
): Promise<Engines> {
  const token = new Secret(randomBytes(32));
  const one = new Secret(randomBytes(32));
  const logs: Engines['logs'] = [];
  const events: Engines['events'] = [];
  const optionsOf = (node: NodeRole) => ({
    threads: 1,
    memory,
    pool,
    ...(folder !== undefined && { models: { folder: join(folder, node) } }),
    log: (event: string, fields?: Record<string, unknown>) => void logs.push({ node, event, fields }),
    report: (event: NodeEvent) => void events.push({ ...event, at: node }),
  });
  const engines = {
    dealer: new Dealer(optionsOf('dealer')),
    party0: new Party(0, optionsOf('party0')),
    party1: new Party(1, optionsOf('party1')),
  };
  const gates = {} as Record<NodeRole, Gate>;
  const links: PortLink[] = [];
  const principals = new WeakMap<Link, Principal>();
  const connect = async (to: NodeRole, from?: NodeRole, principal?: Principal) => {
    const { port1, port2 } = new MessageChannel();
    const [mine, theirs] = [new PortLink(port1), new PortLink(port2)];
    links.push(mine, theirs);
    if (from) {
      between(from, to, mine);
      between(to, from, theirs);
    }
    if (principal) principals.set(theirs, principal);
    gates[to].accept(theirs);
    return mine;
  };
  const dials: Record<NodeRole, NodeRole[]> = { dealer: [], party0: ['dealer'], party1: ['party0', 'dealer'] };
  for (const role of NODES) {
    const engine = engines[role];
    await engine.start();
    gates[role] = new Gate({
      role,
      tokens: { client: token, nodes: tokensFromOne(one, role) },
      dial: Object.fromEntries(dials[role].map((to) => [to, () => connect(to, role)])),
      welcome: (proven, left) => {
        const principal = principals.get(proven.link);
        engine.welcome({ ...proven, left, ...(principal && { principal }) });
      },
      log: optionsOf(role).log,
    });
  }
  for (const role of NODES) gates[role].start();
  return {
    ...engines,
    token,
    logs,
    events,
    dial: (role) => connect(role),
    as: (principal) => (role) => connect(role, undefined, principal),
    async stop() {
      for (const role of NODES) gates[role].stop();
      await Promise.all(NODES.map((role) => engines[role].stop()));
      for (const link of links) link.close('the tests are over');
    },
  };
}

/** Waits until something holds. */
export async function until(what: () => boolean, ms = 10_000): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (what()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return what();
}

/** The message that a frame begins, if it begins one. */
export function messageOf(frame: Uint8Array): { t?: string } {
  const head = new DataView(frame.buffer, frame.byteOffset).getUint16(2, true);
  return head === 0 ? {} : JSON.parse(new TextDecoder().decode(frame.subarray(16, 16 + head)));
}

/** Holds back messages of a kind on a link until they are let go. */
export function holding(link: Link, kind: string) {
  const send = link.send.bind(link);
  let open: () => void = () => {};
  let held = 0;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  link.send = async (frame) => {
    if (messageOf(frame).t === kind) {
      held++;
      await gate;
    }
    return send(frame);
  };
  return { open: () => open(), held: () => held };
}
