/** What may be wrong about a frame of the wire protocol. */
import { randomBytesFrom } from './kit.js';

export type Random = (n: number) => number;

/** Bytes of a frame before its header. */
export const HEAD = 16;

export function headerOf(frame: Buffer): Record<string, unknown> | undefined {
  if (frame[1] !== 0) return undefined;
  try {
    return JSON.parse(frame.subarray(HEAD, HEAD + frame.readUInt16LE(2)).toString()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** A frame with another header. */
export function withHeader(frame: Buffer, header: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.from(frame.subarray(0, HEAD));
  head.writeUInt16LE(Math.min(65_535, json.length), 2);
  return Buffer.concat([head, json, frame.subarray(HEAD + frame.readUInt16LE(2))]);
}

export const STRANGE: unknown[] = [
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
export const mutations: Record<string, (frame: Buffer, random: Random) => Buffer[]> = {
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
  'another ticket': (f, random) => [
    edited(
      f,
      random,
      (h) => 'ticket' in h && Object.assign(h, { ticket: randomBytesFrom(random, 16).toString('hex') }),
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

export function patched(frame: Buffer, change: (copy: Buffer) => unknown): Buffer {
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

export function edited(
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

/** A frame with other sessions, tickets and models. */
export function renamed(frame: Buffer, to: ReadonlyMap<string, string>): Buffer {
  const header = headerOf(frame);
  if (!header) return frame;
  for (const field of ['session', 'ticket', 'generation', 'version'])
    if (typeof header[field] === 'string') header[field] = to.get(header[field] as string) ?? header[field];
  return withHeader(frame, header);
}
