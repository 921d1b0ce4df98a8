/** What parties, dealer and client see of a model that is published and asked: uniform where it is secret. */
import test from 'ava';
import { Asking, type PublishRequest, Session } from '../../src/index.js';
import type { NodeRole } from '../../src/wire/tokens.js';
import { type Engines, startEngines, until } from '../engines.js';
import { asker, KEY, publisher } from '../publishing.js';
import { type Heard, Tap } from './tap.js';
import { BAR, chiSquare, chiSquareOfTwo, LEAST } from './uniform.js';

const [COUNT, DEPTH, WIDTH, OUT] = [64, 256, 32, 8];
const NEAR = 2 ** -8;

/** Rows of a table by the client's indices, times weights, plus what the client shares. */
const request: PublishRequest = {
  name: 'small',
  version: '1',
  key: KEY,
  assets: [],
  programs: [
    {
      graph: {
        nodes: [
          { op: 'oneHot', slot: 0, depth: DEPTH, in: [], shape: [COUNT, DEPTH] },
          { op: 'input', slot: 1, in: [], shape: [DEPTH, WIDTH] },
          { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [COUNT, WIDTH] },
          { op: 'input', slot: 2, in: [], shape: [WIDTH, OUT] },
          { op: 'matMul', transposeA: false, transposeB: false, in: [2, 3], shape: [COUNT, OUT] },
          { op: 'input', slot: 3, in: [], shape: [COUNT, OUT] },
          { op: 'add', in: [4, 5], shape: [COUNT, OUT] },
          { op: 'relu', in: [6], shape: [COUNT, OUT] },
        ],
        outputs: [7],
      },
      suite: 'exact',
      watched: true,
      slots: [{ indices: 0 }, { tensor: 1 }, { tensor: 2 }, { value: 0 }],
      values: [{ shape: [COUNT, OUT], fracBits: 16 }],
      revealed: [0],
      inputs: [
        { name: 'ids', shape: [COUNT], dtype: 'int32' },
        { name: 'added', shape: [COUNT, OUT], dtype: 'float32' },
      ],
      outputs: [{ name: 'scores', shape: [COUNT, OUT], dtype: 'float32' }],
      client: { steps: [] },
    },
  ],
};

interface Data {
  table: Float32Array;
  weights: Float32Array;
}
interface Question {
  ids: Int32Array;
  added: Float32Array;
}
const wild = (n: number, scale: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => scale * Math.sin(1 + i * (seed + 0.618)));
const still: Data & Question = {
  table: new Float32Array(DEPTH * WIDTH),
  weights: new Float32Array(WIDTH * OUT),
  ids: new Int32Array(COUNT),
  added: new Float32Array(COUNT * OUT),
};
const moving: Data & Question = {
  table: wild(DEPTH * WIDTH, 8, 1),
  weights: wild(WIDTH * OUT, 3, 2),
  ids: Int32Array.from({ length: COUNT }, (_, i) => (i * 97 + 31) % DEPTH),
  added: wild(COUNT * OUT, 90, 3),
};

function answerTo({ table, weights }: Data, { ids, added }: Question): Float64Array {
  return Float64Array.from(added, (b, o) => {
    let sum = b;
    for (let k = 0; k < WIDTH; k++)
      sum += table[ids[Math.floor(o / OUT)]! * WIDTH + k]! * weights[k * OUT + (o % OUT)]!;
    return Math.max(0, sum);
  });
}

interface Watched {
  e: Engines;
  tap: Tap;
  /** asks once, in a connection of its own; what came before is forgotten first where `fresh` */
  ask(q: Question, fresh?: boolean): Promise<number>;
}

/** Nodes whose links are tapped, with a model published there. */
async function published(data: Data): Promise<Watched> {
  const tap = new Tap();
  const e = await startEngines(2 ** 31, (from, to, link) => tap.sent(from, to, link));
  const dialAs = (who: string, principal: Parameters<Engines['as']>[0]) => async (role: NodeRole) => {
    const link = await e.as(principal)(role);
    tap.sent(who, role, link);
    tap.received(role, who, link);
    return link;
  };
  const session = await Session.connect(dialAs('publisher', publisher()), e.token);
  const fresh = new Map([1, 2].map((tensor) => [tensor, {}]));
  const forms = session.formsToPublish(request.programs, fresh);
  await session.write(1, data.table, [DEPTH, WIDTH], {}, { forms: forms.get(1) });
  await session.write(2, data.weights, [WIDTH, OUT], {}, { forms: forms.get(2) });
  await session.publish(request);
  session.close();
  const ask = async ({ ids, added }: Question, fresh = false) => {
    const asking = await Asking.connect(dialAs('client', asker()), e.token);
    const m = await asking.manifest('small');
    if (fresh) tap.clear();
    const { outputs } = await asking.ask(m, 0, [added], [ids]);
    await until(() => [e.party0, e.party1, e.dealer].every((node) => node.runs.size === 0));
    asking.close();
    const want = answerTo(data, { ids, added });
    return Math.max(...outputs[0]!.map((v, i) => Math.abs(v - want[i]!)));
  };
  return { e, tap, ask };
}

/** The part of a payload that hides something: names of tensors stand before masked inputs, lists are public. */
function hidden({ header, payload }: Heard): Buffer {
  const { t } = header;
  if (t === 'run') return payload.subarray(Number(header.names));
  return ['put', 'putOpened', 'round', 'material', 'result', 'prepared'].includes(t) ? payload : Buffer.alloc(0);
}

/** By sender, receiver and message, all that hides something. */
function streams({ tap: { heard } }: Watched): Map<string, Buffer> {
  const parts = new Map<string, Buffer[]>();
  for (const m of heard) {
    const name = `${m.from} to ${m.to}: ${m.header.t}`;
    parts.set(name, [...(parts.get(name) ?? []), hidden(m)]);
  }
  return new Map([...parts].map(([name, list]) => [name, Buffer.concat(list)]));
}

const constant = await published(still);
const varied = await published(moving);
test.after.always(() => Promise.all([constant.e.stop(), varied.e.stop()]));

test.serial('what is published and asked is uniform on every link, whatever it is', async (t) => {
  t.true((await constant.ask(still)) < NEAR);
  t.true((await varied.ask(moving)) < NEAR);
  const [a, b] = [streams(constant), streams(varied)];
  t.deepEqual([...a.keys()].sort(), [...b.keys()].sort());
  const looked: string[] = [];
  for (const [name, bytes] of a) {
    const others = b.get(name)!;
    t.is(bytes.length, others.length, name);
    if (bytes.length < LEAST) continue;
    looked.push(name);
    t.true(chiSquare(bytes) < BAR, `${name}, nothing but zeros: ${chiSquare(bytes)}`);
    t.true(chiSquare(others) < BAR, `${name}, wild: ${chiSquare(others)}`);
    t.true(chiSquareOfTwo(bytes, others) < BAR, `${name}, the two against each other`);
    // The statistic notices what would be in the clear
    const clear = Buffer.from(moving.table.buffer);
    t.true(chiSquare(Buffer.concat([others.subarray(0, 4 * clear.length), clear])) > BAR, name);
  }
  t.deepEqual(looked.sort(), [
    'client to party0: run',
    'client to party1: put',
    'client to party1: run',
    'dealer to party1: material',
    'party0 to client: result',
    'party0 to party1: round',
    'party1 to client: result',
    'party1 to party0: round',
    'publisher to party0: putOpened',
    'publisher to party1: putOpened',
  ]);
});

/** A header without what is drawn afresh or measured. */
function lasting(value: unknown): unknown {
  if (typeof value === 'string') return /^[0-9a-f]{32,}$/.test(value) ? '#' : value;
  if (Array.isArray(value)) return value.map(lasting);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([name]) => !/^(ms|waitMs|systemMs|collectorMs|memory|overheadBytes)$/.test(name),
  );
  return Object.fromEntries(kept.map(([name, v]) => [name, lasting(v)]));
}

/** What crossed each link, without contents; of messages whose cut depends on time the sum. */
function shape({ heard }: Tap): Record<string, unknown[]> {
  const links: Record<string, unknown[]> = {};
  const sums = new Map<string, number>();
  for (const { from, to, header, payload } of heard) {
    const [link, { t }] = [`${from} to ${to}`, header];
    if (t === 'credit' || t === 'material') {
      const name = `${link} ${t}`;
      sums.set(name, (sums.get(name) ?? 0) + (t === 'credit' ? Number(header.bytes) : payload.length));
    } else {
      links[link] = [...(links[link] ?? []), JSON.stringify([lasting(header), payload.length])];
    }
  }
  // Messages of different kinds overtake one another
  for (const list of Object.values(links)) list.sort();
  return { ...links, sums: [...sums].sort() };
}

test.serial('headers, numbers and lengths of messages are those of the Program, not of the question', async (t) => {
  t.true((await varied.ask(still, true)) < NEAR);
  const first = shape(varied.tap);
  t.true((await varied.ask(moving, true)) < NEAR);
  t.deepEqual(shape(varied.tap), first);
  t.true(Object.keys(first).length > 8, 'every link is looked at');
});

/** Pieces of these bytes, long enough to be nowhere by chance. */
function pieces(bytes: Uint8Array): Buffer[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = Array.from({ length: 16 }, (_, i) => 8 * Math.floor((i * (all.length - 24)) / 8 / 16));
  return all.length <= 24 ? [all] : starts.map((at) => all.subarray(at, at + 24));
}
const bytesOf = (a: ArrayBufferView) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** What a node keeps of the model that is secret: shares, openings and the keys of their masks. */
function secretsOf(e: Engines, role: NodeRole): Buffer[] {
  const found: Buffer[] = [];
  for (const { share, openings } of e[role].catalogue.all[0]!.tensors) {
    if (share) found.push(...pieces(bytesOf(share.words)));
    for (const opening of openings.values()) {
      const { words, key } = opening.secrets();
      found.push(...pieces(bytesOf(words)));
      found.push(Buffer.from(key.bytes));
    }
  }
  return found;
}

test.serial('a client is sent nothing of the weights, a node nothing in the clear', async (t) => {
  const { e, tap } = varied;
  tap.clear();
  t.true((await varied.ask(moving)) < NEAR);
  const to = (who: string) => Buffer.concat(tap.frames.filter((f) => f.to === who).map((f) => f.bytes));
  const weights = (['party0', 'party1', 'dealer'] as const).flatMap((role) => secretsOf(e, role));
  t.true(weights.length > 30);
  const plain = [moving.table, moving.weights].flatMap((a) => pieces(bytesOf(a)));
  const question = [moving.added, moving.ids].flatMap((a) => pieces(bytesOf(a)));
  const has = (bytes: Buffer, needles: Buffer[]) => needles.filter((needle) => bytes.includes(needle)).length;
  t.is(has(to('client'), [...weights, ...plain]), 0);
  for (const role of ['party0', 'party1', 'dealer'] as const)
    t.is(has(to(role), [...weights, ...plain, ...question]), 0, role);
  // The dealer is sent names alone, and nothing that hides something
  for (const m of tap.heard.filter((m) => m.to === 'dealer')) t.is(hidden(m).length, 0, m.header.t);
  // What looks finds what is there
  const sent = tap.heard.find((m) => m.to === 'client' && m.header.t === 'result')!;
  t.true(has(to('client'), pieces(sent.payload.subarray(0, 1024))) > 0);
});
