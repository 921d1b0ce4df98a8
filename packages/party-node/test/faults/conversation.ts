/** What an honest session makes a client and the nodes say, recorded once so that it can be said again. */
import type { Graph } from '@secformer/secformer-ops';
import { type Dial, Session } from '../../src/index.js';
import type { Link } from '../../src/wire/link.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { sleep } from '../attacks/kit.js';
import { headerOf } from '../attacks/mutations.js';
import { startEngines } from '../engines.js';

/** A frame, and how many frames of the other end had been there before it was sent. */
export interface Said {
  frame: Buffer;
  after: number;
}

/** What one end says to each node that it is connected to. */
export type Speech = Partial<Record<NodeRole, Said[]>>;
/** Who has a client's part: with the owners' token, with a grant, or with a publisher's key. */
export type ClientSpeaker = 'client' | 'asker' | 'publisher';
export type Speaker = ClientSpeaker | NodeRole;
export const CLIENTS: readonly ClientSpeaker[] = ['client', 'asker', 'publisher'];
export const isClient = (speaker: Speaker): speaker is ClientSpeaker => CLIENTS.includes(speaker as ClientSpeaker);
/** An end that says nothing was not recorded. */
export type Conversation = Record<Speaker, Speech>;

const isHandshake = (frame: Buffer) => ['hello', 'proof', 'refused'].includes(String(headerOf(frame)?.t));

/** A link whose frames are counted, after the handshake. @param note told of each that is sent */
function noted(link: Link, note: (frame: Buffer) => void): void {
  const send = link.send.bind(link);
  link.send = (frame) => {
    // A copy: the link may give the frame's buffer away
    const copy = Buffer.from(frame);
    if (!isHandshake(copy)) note(copy);
    return send(frame);
  };
}

const input = (slot: number, shape: number[]): Graph['nodes'][number] => ({ op: 'input', slot, in: [], shape });
const product: Graph = {
  nodes: [input(0, [3]), input(1, [3]), { op: 'mul', in: [0, 1], shape: [3] }],
  outputs: [2],
};
const gelu: Graph = { nodes: [input(0, [2]), { op: 'gelu', form: 'erf', in: [0], shape: [2] }], outputs: [1] };
const lookup: Graph = {
  nodes: [
    { op: 'oneHot', slot: 0, depth: 8, in: [], shape: [4, 8] },
    input(1, [8, 2]),
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [4, 2] },
  ],
  outputs: [2],
};

/**
 * Everything that a client says: it writes, runs, keeps a result and runs with that, looks indices up, prepares runs
 * and starts or cancels them, and frees.
 */
async function speak(session: Session): Promise<void> {
  session.prepareAhead = false;
  await session.write(1, Float32Array.of(1, -1), [2]);
  for (const tensor of [2, 3]) await session.write(tensor, Float32Array.of(1, 2, 3), [3]);
  const opened = { share: false, widths: [32, 48] };
  await session.write(6, Float32Array.of(1, 2, 3), [3], {}, { forms: opened });
  await session.write(
    4,
    Float32Array.from({ length: 16 }, (_, i) => i / 4),
    [8, 2],
  );
  const of = (graph: Graph, ...tensors: number[]) => ({
    graph,
    slots: tensors.map((tensor) => ({ tensor })),
    revealed: [0],
    kept: [] as { output: number; tensor: number }[],
    suite: 'exact',
  });
  await session.run({ ...of(product, 2, 3), kept: [{ output: 0, tensor: 5 }] });
  await session.run(of(product, 5, 2));
  await session.run(of(gelu, 1));
  await session.run({ ...of(lookup), slots: [{ indices: Int32Array.of(0, 7, 3, 3) }, { tensor: 4 }] });
  await (await session.prepare(of(product, 2, 3))).run();
  (await session.prepare(of(product, 2, 3))).cancel();
  session.free([1, 2, 3, 4, 5, 6]);
  await sleep(200);
}

/** Dials for a client whose frames are recorded, after the handshake. */
export function recorded(dial: Dial, speech: Speech): Dial {
  return async (role) => {
    const link = await dial(role);
    let arrived = 0;
    speech[role] ??= [];
    const said = speech[role];
    noted(link, (frame) => said.push({ frame, after: arrived }));
    // Frames that arrive are counted before whoever reads them is told
    let read: Link['onFrame'] = () => {};
    Object.defineProperty(link, 'onFrame', {
      get: () => (frame: Uint8Array) => {
        if (!isHandshake(Buffer.from(frame))) arrived++;
        return read(frame);
      },
      set: (f: Link['onFrame']) => {
        read = f;
      },
    });
    return link;
  };
}

/** Records a session with nodes of this thread. */
export async function recordConversation(): Promise<Conversation> {
  const conversation: Conversation = { client: {}, asker: {}, publisher: {}, party0: {}, party1: {}, dealer: {} };
  const speechOf = (from: string, to: NodeRole) => {
    const speech = conversation[from as Speaker];
    speech[to] ??= [];
    return speech[to];
  };
  const arrived = new Map<string, number>();
  const note = (from: string, to: string) => (frame: Buffer) => {
    arrived.set(`${from} ${to}`, (arrived.get(`${from} ${to}`) ?? 0) + 1);
    const said = speechOf(from, to as NodeRole);
    said.push({ frame, after: arrived.get(`${to} ${from}`) ?? 0 });
  };
  const nodes = await startEngines(2 ** 31, (from, to, link) => noted(link, note(from, to)));
  try {
    const session = await Session.connect(recorded(nodes.dial, conversation.client), nodes.token);
    await speak(session);
    session.close();
    await sleep(100);
  } finally {
    nodes.stop();
  }
  // What is said at the end of a link is said by closing it
  for (const role of NODES) if (!conversation.client[role]) throw new Error(`nothing was said to ${role}`);
  return conversation;
}
