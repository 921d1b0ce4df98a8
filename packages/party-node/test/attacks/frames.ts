/**
 * A client that has proved itself, and sends what no client should: recorded messages with something wrong about them.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '@secformer/ring';
import { tokenFrom } from '../../src/index.js';
import { WIRE_VERSION } from '../../src/limits.js';
import { dialSocket, type LocalNodes } from '../../src/node.js';
import { MessageLink } from '../../src/wire/framing.js';
import { nodeName } from '../../src/wire/handshake.js';
import type { Link } from '../../src/wire/link.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { randomFrom } from './kit.js';

type Random = (n: number) => number;
/** Frames that a session sent to each node, without the handshake, in base64 so that they travel to another process. */
export type Recording = Record<NodeRole, string[]>;

/** A link that remembers what goes out. */
export function recorded(link: Link, frames: string[]): Link {
  const send = link.send.bind(link);
  link.send = (frame) => {
    const text = Buffer.from(frame).toString('base64');
    const kind = headerOf(Buffer.from(frame))?.t;
    if (kind !== 'hello' && kind !== 'proof') frames.push(text);
    return send(frame);
  };
  return link;
}

const HEAD = 16;

function headerOf(frame: Buffer): Record<string, unknown> | undefined {
  if (frame[1] !== 0) return undefined;
  try {
    return JSON.parse(frame.subarray(HEAD, HEAD + frame.readUInt16LE(2)).toString()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** A frame with another header. */
function withHeader(frame: Buffer, header: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.from(frame.subarray(0, HEAD));
  head.writeUInt16LE(Math.min(65_535, json.length), 2);
  return Buffer.concat([head, json, frame.subarray(HEAD + frame.readUInt16LE(2))]);
}

const STRANGE: unknown[] = [
  0,
  1,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  1e300,
  '',
  'x',
  '00',
  null,
  true,
  [],
  [[[[[[]]]]]],
  {},
  { t: 'open' },
  [1, 2, 3],
  'x'.repeat(300),
  [-1],
  [2 ** 31, 2 ** 31],
  [0],
];

/** What may be wrong about a frame. Some are refused with an answer, most end the link. */
const mutations: Record<string, (frame: Buffer, random: Random) => Buffer[]> = {
  'a bit of the head': (f, random) => [flipped(f, random(HEAD * 8))],
  'a bit of the header': (f, random) => [flipped(f, HEAD * 8 + random(8 * Math.max(1, f.readUInt16LE(2))))],
  'a bit anywhere': (f, random) => [flipped(f, random(f.length * 8))],
  'the length of the header': (f, random) => [patched(f, (b) => b.writeUInt16LE(random(65_536), 2))],
  'the number of the message': (f, random) => [
    patched(f, (b) => b.writeUInt32LE(random(2) ? random(8) : 2 ** 32 - 1, 4)),
  ],
  'the length of the payload': (f, random) => [
    patched(f, (b) =>
      b.writeDoubleLE(
        [
          0,
          -1,
          0.5,
          b.readDoubleLE(8) + 1,
          b.readDoubleLE(8) - 1,
          2 ** 31,
          2 ** 53,
          1e308,
          Number.NaN,
          Number.POSITIVE_INFINITY,
        ][random(10)]!,
        8,
      ),
    ),
  ],
  'the kind': (f, random) => [patched(f, (b) => b.writeUInt8(1 + random(255), 1))],
  // `ws` has one buffer for all empty messages of a process
  'an empty message': () => [Buffer.alloc(0), Buffer.alloc(0)],
  'a part': (f, random) => [f.subarray(0, 1 + random(f.length - 1))],
  'more behind it': (f, random) => [Buffer.concat([f, Buffer.alloc(1 + random(100), random(256))])],
  'sent twice': (f) => [f, f],
  'a continuation of nothing': (f, random) => [
    patched(f.subarray(0, HEAD + random(f.length - HEAD)), (b) => [b.writeUInt8(1, 1), b.writeUInt16LE(0, 2)]),
  ],
  'a message that never ends': (f, random) => [
    patched(f, (b) => b.writeUInt32LE(2 ** 20 + random(2 ** 20), 4)).subarray(0, Math.max(HEAD, f.length - 1)),
  ],
  'a field': (f, random) => [
    edited(f, random, (h, key) => Object.assign(h, { [key]: STRANGE[random(STRANGE.length)] })),
  ],
  'a field left out': (f, random) => [edited(f, random, (h, key) => delete h[key])],
  'a field within a field': (f, random) => [
    edited(f, random, (h, key) => Object.assign(h, { [key]: { [key]: h[key] } })),
  ],
  'a strange name': (f, random) => [
    edited(f, random, (h) =>
      Object.defineProperty(h, ['__proto__', 'constructor', 'toString'][random(3)]!, {
        value: STRANGE[random(STRANGE.length)],
        enumerable: true,
      }),
    ),
  ],
  // These keep the form of a message, so that more of a node hears them
  'another ticket': (f) => [
    edited(
      f,
      () => 0,
      (h) => 'ticket' in h && Object.assign(h, { ticket: randomBytes(16).toString('hex') }),
    ),
  ],
  'another number': (f, random) => [edited(f, random, (h) => 're' in h && Object.assign(h, { re: 1 + random(1000) }))],
  'another tensor': (f, random) => [
    edited(
      f,
      random,
      (h) =>
        ('tensor' in h && Object.assign(h, { tensor: 1 + random(100) })) ||
        ('tensors' in h && Object.assign(h, { tensors: [1 + random(100)] })),
    ),
  ],
  'another shape': (f, random) => [
    edited(
      f,
      random,
      (h) =>
        'shape' in h &&
        Object.assign(h, {
          shape: [[], [0], [1], [2, 2], [3, 0, 5], [2 ** 31, 2 ** 31], [1000], [1, 1, 1, 1, 1, 1, 1, 1]][random(8)],
        }),
    ),
  ],
  'another type': (f, random) => [
    edited(
      f,
      random,
      (h) =>
        'bits' in h && Object.assign(h, { bits: 1 + random(64), fracBits: random(80) - 8, magnitude: random(80) - 8 }),
    ),
  ],
  'another mode': (f, random) => [
    edited(f, random, (h) => 'mode' in h && Object.assign(h, { mode: ['streamed', 'ahead', 'spare'][random(3)] })),
  ],
  'another hash': (f) => [
    edited(
      f,
      () => 0,
      (h) =>
        Object.assign(h, 'hash' in h ? { hash: '00'.repeat(32) } : 'program' in h ? { program: '00'.repeat(32) } : {}),
    ),
  ],
  'another number of names': (f, random) => [
    edited(f, random, (h) => 'names' in h && Object.assign(h, { names: random(2) ? random(200) : 2 ** 40 })),
  ],
  'another payload': (f, random) => [
    patched(
      f,
      (b) =>
        b.length > HEAD + b.readUInt16LE(2) &&
        b.fill(random(256), HEAD + b.readUInt16LE(2) + random(b.length - HEAD - b.readUInt16LE(2))),
    ),
  ],
  'a message of nodes': (f, random) => [
    withHeader(f, {
      t: [
        'agree',
        'turn',
        'confirm',
        'kept',
        'round',
        'material',
        'credit',
        'result',
        'done',
        'prepared',
        'dealt',
        'hello',
      ][random(12)],
      ticket: '00'.repeat(16),
      round: 0,
      bytes: 1,
      re: 1,
      hash: '00'.repeat(32),
      nonce: '00'.repeat(16),
      session: '00'.repeat(16),
      program: '00'.repeat(32),
      bindings: '00'.repeat(32),
    }),
  ],
};

function patched(frame: Buffer, change: (copy: Buffer) => unknown): Buffer {
  const copy = Buffer.from(frame);
  change(copy);
  return copy;
}

function flipped(frame: Buffer, bit: number): Buffer {
  return patched(frame, (b) => {
    const at = Math.min(b.length - 1, bit >> 3);
    b[at] = b[at]! ^ (1 << (bit & 7));
  });
}

function edited(
  frame: Buffer,
  random: Random,
  change: (header: Record<string, unknown>, key: string) => unknown,
): Buffer {
  const header = headerOf(frame);
  if (!header) return frame;
  const keys = Object.keys(header);
  change(header, keys[random(keys.length)]!);
  return withHeader(frame, header);
}

export interface Mutated {
  /**
   * changed frames that were sent; those of them to a link that was open, as far as the sender knew; and unchanged ones
   * in between
   */
  mutated: number;
  looked: number;
  plain: number;
  connections: number;
  /** links that the node ended, and frames of it: answers, refusals, aborts */
  ended: number;
  answers: number;
  /** links that were not let in */
  refused: Record<string, number>;
}

/** Changed frames to each node on one connection, at most. */
const BATCH = 60;
/** Bytes of a frame of a long message. */
const LONG = 2 ** 18;

/** Sends so many changed frames, in sessions of three connections each, some sessions at a time. */
export async function mutate(
  {
    urls,
    token,
    recording,
    count,
    seed,
    atOnce,
  }: Pick<LocalNodes, 'urls' | 'token'> & { recording: Recording; count: number; seed: number; atOnce: number },
  note: (note: unknown) => void,
): Promise<Mutated> {
  const tally: Mutated = { mutated: 0, looked: 0, plain: 0, connections: 0, ended: 0, answers: 0, refused: {} };
  const random = randomFrom(seed);
  const names = Object.keys(mutations);
  const soft = names.slice(names.indexOf('another ticket'));
  const hard = names.slice(0, names.indexOf('another ticket'));
  const session = async () => {
    const own = randomFrom(random(2 ** 31));
    // Every other session sends on without a look at what comes back
    const looks = own(2) === 0;
    // Tickets are used once, so each session has others
    const [from, to] = [ids(recording), new Map<string, string>()];
    for (const id of from) to.set(id, randomBytes(16).toString('hex'));
    await Promise.all(
      NODES.map(async (role) => {
        let open = true;
        try {
          const link = await dialSocket(urls[role], nodeName[role]);
          tally.connections++;
          await prove(link, role, tokenFrom(token));
          link.onFrame = () => {
            tally.answers++;
          };
          link.onClose = () => {
            tally.ended++;
            open = false;
          };
          // The first stays as it is more often than not, or nothing after it is heard
          const frames = recording[role].map((text) => renamed(Buffer.from(text, 'base64'), to));
          let [sent, large] = [0, false];
          for (let at = 0; open && sent < BATCH; at = own(12) === 0 ? own(frames.length) : at + 1) {
            const frame = frames[at % frames.length]!;
            // The parts of a long message, now and then: it is not bytes that do harm
            if (frame[1] === 0) large = frame.length > LONG && own(20) > 0;
            if (large) continue;
            const changes =
              own(at === 0 ? 8 : 3) < (at === 0 ? 1 : 2)
                ? mutations[own(12) === 0 ? hard[own(hard.length)]! : soft[own(soft.length)]!]!(frame, own)
                : undefined;
            for (const changed of changes ?? [frame]) await link.send(new Uint8Array(changed));
            if (changes) sent++;
            if (changes) tally.mutated++;
            if (changes && looks) tally.looked++;
            else tally.plain++;
            // What comes back is looked at, so that not much is sent to a link that is over
            if (looks && own(3) === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          for (let waited = 0; open && waited < 100; waited += 10)
            await new Promise((resolve) => setTimeout(resolve, 10));
          open = false;
          link.close('done');
        } catch (error) {
          const { code, message } = error as { code?: string; message: string };
          // A frame after the end of its link is not sent
          if (open) tally.refused[code ?? message] = (tally.refused[code ?? message] ?? 0) + 1;
        }
      }),
    );
  };
  let said = 0;
  const one = async () => {
    while (tally.mutated < count) {
      await session();
      if (tally.mutated - said > count / 10) {
        said = tally.mutated;
        note(said);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return tally;
}

/**
 * A client's side of a handshake, cheaper than an honest one's: whoever wants no secret of his own takes the same key
 * every time, and computes no seed.
 */
async function prove(link: Link, role: NodeRole, token: Secret): Promise<void> {
  const channel = new MessageLink(link, () => nodeName[role]);
  const mine = {
    t: 'hello' as const,
    version: WIRE_VERSION,
    role: 'client' as const,
    nonce: randomBytes(32).toString('hex'),
    key: '09'.padEnd(64, '0'),
    process: randomBytes(16).toString('hex'),
  };
  const proven = new Promise<void>((resolve, reject) => {
    channel.onClose = (why) => reject(new Error(why));
    channel.onMessage = async (m) => {
      if (m.t === 'hello') {
        const text = [mine, m].map((h) => `${h.version} ${h.role} ${h.nonce} ${h.key} ${h.process}`).join('\n');
        const transcript = createHash('sha256').update(text).digest();
        const mac = createHmac('sha256', token.bytes).update('a').update(transcript).digest('hex');
        await channel.send({ t: 'proof', mac });
      } else if (m.t === 'proof') resolve();
      else reject(new Error(m.t === 'refused' ? m.code : m.t));
    };
  });
  await channel.send(mine);
  await proven;
}

/** Sessions and tickets that a recording names. */
function ids(recording: Recording): Set<string> {
  const found = new Set<string>();
  for (const text of Object.values(recording).flat()) {
    const header = headerOf(Buffer.from(text, 'base64'));
    for (const id of [header?.session, header?.ticket]) if (typeof id === 'string') found.add(id);
  }
  return found;
}

function renamed(frame: Buffer, to: ReadonlyMap<string, string>): Buffer {
  const header = headerOf(frame);
  if (!header) return frame;
  for (const field of ['session', 'ticket'])
    if (typeof header[field] === 'string') header[field] = to.get(header[field] as string) ?? header[field];
  return withHeader(frame, header);
}
