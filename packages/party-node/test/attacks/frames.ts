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
import { NODES, type NodeRole, type WireRole } from '../../src/wire/tokens.js';
import { randomFrom } from './kit.js';
import { headerOf, mutations, renamed } from './mutations.js';

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
 * The dialling side of a handshake, cheaper than an honest one's: whoever wants no secret of his own takes the same key
 * every time, and computes no seed.
 * @param as who it says it is; `token` is what this role shows to that node
 */
export async function prove(
  link: Link,
  role: NodeRole,
  token: Secret,
  as: WireRole = 'client',
  process = randomBytes(16).toString('hex'),
): Promise<void> {
  const channel = new MessageLink(link, () => nodeName[role]);
  const mine = {
    t: 'hello' as const,
    version: WIRE_VERSION,
    role: as,
    nonce: randomBytes(32).toString('hex'),
    key: '09'.padEnd(64, '0'),
    process,
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
