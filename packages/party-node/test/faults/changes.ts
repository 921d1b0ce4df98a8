/** Changes to frames that keep more of their form than those of the attacks, so that more of a node is reached. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { edited, HEAD, headerOf, mutations, patched, type Random, withHeader } from '../attacks/mutations.js';

/** What a frame becomes. @param tickets of the session that it belongs to */
export type Change = (frame: Buffer, random: Random, tickets: readonly string[]) => Buffer[];

const bodyAt = (frame: Buffer) => HEAD + frame.readUInt16LE(2);
const isFirst = (frame: Buffer) => headerOf(frame) !== undefined;

/** A whole message in one frame with another payload, and the length that says so. */
function withPayload(frame: Buffer, payload: Uint8Array): Buffer {
  return patched(Buffer.concat([frame.subarray(0, bodyAt(frame)), payload]), (b) => b.writeDoubleLE(payload.length, 8));
}

/** A header of this text, which may be no JSON. */
function withText(frame: Buffer, text: Uint8Array): Buffer {
  const head = patched(frame.subarray(0, HEAD), (b) => b.writeUInt16LE(text.length, 2));
  return Buffer.concat([head, text, frame.subarray(bodyAt(frame))]);
}

const NUMBERS = [0, 1, -1, 0.5, 63, 64, 65, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308];

const MODEL_MESSAGES = ['models', 'manifest', 'asset', 'upload', 'stage', 'commit', 'discard', 'unpublish'];

const own: Record<string, Change> = {
  'a field more': (f, random) => [
    edited(f, random, (h) => Object.assign(h, { [['x', 'error', 'session', 'bytes', 're', 'trace'][random(6)]!]: 1 })),
  ],
  'a huge number': (f, random) => [
    edited(
      f,
      random,
      (h, key) => typeof h[key] === 'number' && Object.assign(h, { [key]: NUMBERS[random(NUMBERS.length)] }),
    ),
  ],
  'a long text': (f, random) => [edited(f, random, (h, key) => Object.assign(h, { [key]: 'x'.repeat(60_000) }))],
  'a deep header': (f, random) => [withText(f, Buffer.from('['.repeat(1 + random(60_000))))],
  'a header that is no text': (f, random) => [withText(f, Buffer.alloc(1 + random(100), 0xff))],
  'the ticket of another run': (f, random, tickets) => [
    edited(f, random, (h) => 'ticket' in h && Object.assign(h, { ticket: tickets[random(tickets.length)] ?? '' })),
  ],
  'a prepared run in its place': (f, random, tickets) => [
    edited(f, random, (h) => h.t === 'agree' && Object.assign(h, { pooled: tickets[random(tickets.length)] ?? '' })),
  ],
  'another model': (f, random) => [
    edited(f, random, (h) => {
      const named = typeof h.model === 'object' && h.model !== null ? (h.model as Record<string, unknown>) : h;
      const other = { name: 'other', version: '0', generation: '00'.repeat(16) };
      const key = (['name', 'version', 'generation'] as const)[random(3)]!;
      if (key in named) named[key] = other[key];
    }),
  ],
  'a message about models': (f, random) => [
    withHeader(f, {
      t: MODEL_MESSAGES[random(MODEL_MESSAGES.length)],
      re: headerOf(f)?.re ?? 1,
      generation: '00'.repeat(16),
      name: 'small',
      version: '1',
      sha256: '00'.repeat(32),
      model: { name: 'small', version: '1', generation: '00'.repeat(16) },
    }),
  ],
  'a message of the pool': (f, random, tickets) => [
    withHeader(f, {
      t: ['pool', 'ready', 'computed', 'have'][random(4)],
      ticket: tickets[random(tickets.length)] ?? '00'.repeat(16),
      program: '00'.repeat(32),
      model: { name: 'small', version: '1', generation: '00'.repeat(16) },
    }),
  ],
  'a shorter payload': (f, random) => {
    const body = f.subarray(bodyAt(f));
    return [isFirst(f) ? withPayload(f, body.subarray(0, random(body.length + 1))) : f];
  },
  'a longer payload': (f, random) => {
    const more = Buffer.alloc(1 + random(random(8) === 0 ? 100_000 : 64), random(256));
    return [isFirst(f) ? withPayload(f, Buffer.concat([f.subarray(bodyAt(f)), more])) : f];
  },
  'something else in its JSON': (f, random) => [
    isFirst(f) ? withPayload(f, changedJson(f.subarray(bodyAt(f)), random)) : f,
  ],
  'a Program with its own hash': (f, random) => {
    const header = headerOf(f);
    if (header?.t !== 'program') return [f];
    const text = changedJson(f.subarray(bodyAt(f)), random);
    return [withPayload(withHeader(f, { ...header, hash: bytesToHex(sha256(text)) }), text)];
  },
  'in two frames': (f, random) => parts(f, random),
  'in two frames, the second twice': (f, random) => {
    const [first, ...rest] = parts(f, random) as [Buffer, ...Buffer[]];
    return [first, ...rest, ...rest];
  },
  'the first of two frames': (f, random) => parts(f, random).slice(0, 1),
};

/** A message as a frame that begins it and one that continues it. */
function parts(frame: Buffer, random: Random): Buffer[] {
  const at = bodyAt(frame);
  if (!isFirst(frame) || frame.length - at < 2) return [frame];
  const cut = at + 1 + random(frame.length - at - 1);
  const head = patched(frame.subarray(0, HEAD), (b) => {
    b.writeUInt8(1, 1);
    b.writeUInt16LE(0, 2);
  });
  return [frame.subarray(0, cut), Buffer.concat([head, frame.subarray(cut)])];
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** JSON in which one value is another; the text as it is where it is none. */
export function changedJson(text: Uint8Array, random: Random): Uint8Array {
  let value: Json;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text)) as Json;
  } catch {
    return text;
  }
  const root = { value };
  const places: [Record<string, Json>, string][] = [];
  const visit = (o: Record<string, Json>) => {
    for (const key of Object.keys(o)) {
      places.push([o, key]);
      if (typeof o[key] === 'object' && o[key] !== null) visit(o[key] as Record<string, Json>);
    }
  };
  visit(root);
  const [holder, key] = places[random(places.length)]!;
  const [other, otherKey] = places[random(places.length)]!;
  const old = holder[key]!;
  if (random(5) === 0) holder[key] = structuredClone(other[otherKey]!);
  else if (random(6) === 0 && !Array.isArray(holder)) delete holder[key];
  else if (typeof old === 'number') holder[key] = random(2) ? old + 1 - random(3) : NUMBERS[random(NUMBERS.length)]!;
  else if (Array.isArray(old)) holder[key] = arrayLike(old, random);
  else if (typeof old === 'string') holder[key] = random(2) ? 'x' : old.slice(1);
  else holder[key] = NUMBERS[random(NUMBERS.length)]!;
  return new TextEncoder().encode(JSON.stringify(root.value) ?? 'null');
}

function arrayLike(old: Json[], random: Random): Json[] {
  const at = random(old.length + 1);
  switch (random(4)) {
    case 0:
      return [];
    case 1:
      return [...old.slice(0, at), ...old.slice(at + 1)];
    case 2:
      return [...old.slice(0, at), ...old.slice(Math.max(0, at - 1), at), ...old.slice(at)];
    default:
      return [...old].reverse();
  }
}

/** Of them, those that most often end the link, as those of the attacks before 'another ticket' do. */
const ENDING = [
  'a huge number',
  'a long text',
  'a deep header',
  'a header that is no text',
  'a longer payload',
  'a message of the pool',
  'in two frames, the second twice',
];

const names = Object.keys(mutations);
const first = names.indexOf('another ticket');
const OF_NODES = 'a message of nodes';
const harsh = [
  ...[...names.slice(0, first), OF_NODES].map((name) => mutations[name]!),
  ...ENDING.map((name) => own[name]!),
];
const soft = [
  ...names.slice(first).flatMap((name) => (name === OF_NODES ? [] : [mutations[name]!])),
  ...Object.keys(own)
    .filter((name) => !ENDING.includes(name))
    .map((name) => own[name]!),
];

/** One of the changes; one in `harshIn` of those that hardly any link survives. */
export function anyChange(random: Random, harshIn: number): Change {
  const list = random(harshIn) === 0 ? harsh : soft;
  return list[random(list.length)]!;
}
