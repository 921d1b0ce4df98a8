/** The frames that a session of the fuzzer sends, all of them drawn from its seed before it begins. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { randomBytesFrom, randomFrom } from '../attacks/kit.js';
import { HEAD, headerOf, type Random, renamed, withHeader } from '../attacks/mutations.js';
import { anyChange, changedJson } from './changes.js';
import { type Conversation, isClient, type Said, type Speaker, type Speech } from './conversation.js';
import { modelIn, nodeSpeech, type Republished, republished, type Served } from './service-speech.js';

export interface Line {
  frame: Buffer;
  /** frames of the other end that the sender waits for before it, not for long */
  after: number;
  changed: boolean;
  /** of the frame before its change: the run that a node must have prepared for it, else it is left out */
  starts: string | undefined;
  /** the run that it is about */
  ticket: string | undefined;
}

/** Who speaks in a session, and what to which node. */
export interface SessionPlan {
  number: number;
  /** the node that the fuzzer stands for, beside a client; that node is not there meanwhile */
  as: Speaker;
  lines: Record<Speaker, Partial<Record<NodeRole, Line[]>>>;
  random: Random;
}

/** Sessions of a cycle as each speaker. */
const CYCLE: readonly [Speaker, number][] = [
  ['party1', 3],
  ['party0', 2],
  ['dealer', 2],
  ['publisher', 20],
  ['client', 60],
  ['asker', 40],
];
const CYCLE_SESSIONS = CYCLE.reduce((sum, [, n]) => sum + n, 0);

/** Who the fuzzer is in a session of this number. */
export function speakerOf(number: number): SessionPlan['as'] {
  let at = number % CYCLE_SESSIONS;
  for (const [speaker, sessions] of CYCLE) {
    if (at < sessions) return speaker;
    at -= sessions;
  }
  return 'client';
}

/** One in so many frames is changed: of whoever the session is about, and of the client beside a node. */
const CHANGED_IN = 2;
const BESIDE_IN = 40;
/** One in so many changes is one that no link survives. */
const HARSH_IN = 40;
/** Of these so much less: without them nothing that comes after them is heard. */
const RARELY: Record<string, number> = { open: 16, prepare: 4, agree: 2 };
/** One in so many runs is started whatever the node has said of it. */
const UNPREPARED_IN = 200;
/** What is sent when the answers before it are there; everything else goes at once. */
const WAITS = ['prepare', 'run', 'stage', 'commit', 'unpublish', 'round', 'confirm', 'kept', 'turn', 'material'];
/** Of so many clients all but one are hasty; half of those of a service. */
const HASTY_OF = 5;
const SERVICE_HASTY_OF = 2;
/** One in so many frames of the others is changed: a model is published by what all three nodes have heard. */
const GENTLE_IN: Partial<Record<Speaker, number>> = { asker: 24, publisher: 80 };
/** How often a publisher's conversation is repeated, at most: its tensors are there after the first. */
const PUBLISHER_REPEATS = 2;
/** One in so many manifests has something else in it. */
const MANIFEST_IN = 3;
/** How often the conversation is repeated in one session, at most. */
const REPEATS = 12;
/** The same where a node is away meanwhile: the longer it is, the longer the others pause before they dial again. */
const NODE_REPEATS = 3;

/** What the nodes serve, and the key that models are published with. */
export interface Service {
  served: Served;
  key: Republished['key'];
}

/** What a session sends; the same for the same seed and number. */
export function planOf(conversation: Conversation, seed: number, number: number, service?: Service): SessionPlan {
  const random = randomFrom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const as = speakerOf(number);
  const there = NODES.filter((role) => role !== as);
  const repeats = 1 + random(as === 'publisher' ? PUBLISHER_REPEATS : isClient(as) ? REPEATS : NODE_REPEATS);
  // Most clients do not look at what comes back, and change nearly everything
  const hasty = isClient(as) && random(as === 'client' ? HASTY_OF : SERVICE_HASTY_OF) > 0;
  const gentle = GENTLE_IN[as] ?? CHANGED_IN;
  const lines: SessionPlan['lines'] = { client: {}, asker: {}, publisher: {}, party0: {}, party1: {}, dealer: {} };
  const session = randomBytesFrom(random, 16).toString('hex');
  const heard = new Map<string, number>();
  for (let repeat = 0; repeat < repeats; repeat++) {
    const speakers: Speaker[] = isClient(as) ? [as] : ['client', as];
    const names = namesOf(conversation[speakers[0]!], session, random);
    const program = random(3) === 0 && !hasty ? changedProgram(conversation[speakers[0]!], random) : undefined;
    // The same model for all three nodes
    const drawn = random(2 ** 31);
    const model = modelIn(conversation.publisher);
    if (as === 'publisher' && model) {
      names.set(model, randomBytesFrom(random, 16).toString('hex'));
      names.set('recorded', `s${number}-${repeat}`);
    }
    for (const speaker of speakers)
      for (const role of there) {
        const speech = conversation[speaker][role];
        // Party 1 dials the other two, party 0 the dealer; whom a node dials comes to nobody
        if (!speech || (speaker === 'party0' && role !== 'dealer')) continue;
        // A session is opened once
        const said = repeat > 0 ? speech.filter(({ frame }) => headerOf(frame)?.t !== 'open') : speech;
        const own = said.map((s): Said & { changed?: boolean } => {
          const frame = withProgram(renamed(s.frame, names), as === 'publisher' ? undefined : program);
          if (as !== 'publisher' || !service) return { ...s, frame };
          const own = republished(frame, names, randomFrom(drawn), { key: service.key, changedIn: 0 });
          const more = republished(frame, names, randomFrom(drawn), { key: service.key, changedIn: MANIFEST_IN });
          return { ...s, frame: more, changed: !more.equals(own) };
        });
        if (!isClient(speaker) && service) {
          const more = nodeSpeech(service.served, [...names.values()], random);
          for (const one of more) own.splice(random(own.length + 1), 0, one);
        }
        const base = heard.get(`${speaker} ${role}`) ?? 0;
        heard.set(`${speaker} ${role}`, base + (speech.at(-1)?.after ?? 0));
        lines[speaker][role] ??= [];
        const changedIn = hasty ? 1 : speaker === as ? gentle : BESIDE_IN;
        const more = changedLines(own, random, changedIn, base, [...names.values()]);
        lines[speaker][role].push(...(hasty ? more.map((line) => ({ ...line, after: 0 })) : more));
      }
  }
  return { number, as, lines, random };
}

/** Changes of single frames, and of their order. */
function changedLines(
  said: readonly (Said & { changed?: boolean })[],
  random: Random,
  changedIn: number,
  base: number,
  tickets: readonly string[],
): Line[] {
  const lines: Line[] = [];
  for (let i = 0; i < said.length; i++) {
    const { frame, after } = said[i]!;
    const header = headerOf(frame);
    const kind = String(header?.t);
    const waits = WAITS.includes(kind) ? base + after : 0;
    const ticket = typeof header?.ticket === 'string' ? header.ticket : undefined;
    // A run that a node has not taken ends the link where it is started, and nothing more is heard there
    const starts = kind === 'run' && random(UNPREPARED_IN) > 0 ? ticket : undefined;
    const line = (bytes: Buffer, changed: boolean) =>
      lines.push({ frame: bytes, after: waits, changed, starts, ticket });
    if (random(changedIn * (RARELY[kind] ?? 1)) > 0) {
      line(frame, said[i]!.changed ?? false);
      continue;
    }
    switch (random(12)) {
      case 0:
        // Left out
        break;
      case 1:
        // After the next
        if (said[i + 1]) line(said[++i]!.frame, true);
        line(frame, true);
        break;
      case 2:
        // Something from anywhere in between
        line(said[random(said.length)]!.frame, true);
        line(frame, false);
        break;
      default:
        for (const changed of anyChange(random, HARSH_IN)(frame, random, tickets)) line(changed, true);
    }
  }
  return lines;
}

/** Sessions and tickets that a conversation names, with those that this session has instead. */
function namesOf(speech: Speech, session: string, random: Random): Map<string, string> {
  const names = new Map<string, string>();
  for (const { frame } of Object.values(speech).flat()) {
    const header = headerOf(frame);
    if (typeof header?.session === 'string') names.set(header.session, session);
    if (typeof header?.ticket === 'string' && !names.has(header.ticket))
      names.set(header.ticket, randomBytesFrom(random, 16).toString('hex'));
  }
  return names;
}

interface ChangedProgram {
  old: string;
  hash: string;
  text: Uint8Array;
}

/** One of the Programs with something else in it, for all three nodes to agree on. */
function changedProgram(client: Speech, random: Random): ChangedProgram | undefined {
  const frames = (client.dealer ?? []).map(({ frame }) => frame).filter((frame) => headerOf(frame)?.t === 'program');
  const frame = frames[random(frames.length)];
  if (!frame) return undefined;
  const text = changedJson(frame.subarray(HEAD + frame.readUInt16LE(2)), random);
  return { old: String(headerOf(frame)!.hash), hash: bytesToHex(sha256(text)), text };
}

function withProgram(frame: Buffer, program: ChangedProgram | undefined): Buffer {
  const header = headerOf(frame);
  if (!program || !header) return frame;
  if (header.program === program.old) return withHeader(frame, { ...header, program: program.hash });
  if (header.hash !== program.old) return frame;
  const whole = withHeader(frame, { ...header, hash: program.hash });
  const copy = Buffer.concat([whole.subarray(0, HEAD + whole.readUInt16LE(2)), program.text]);
  copy.writeDoubleLE(program.text.length, 8);
  return copy;
}
