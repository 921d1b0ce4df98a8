import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { type Forms, type Graph, writtenBytes } from '@secformer/secformer-ops';
import test from 'ava';
import { FormsLacking, limits, NodeError, type RunRequest, Session } from '../src/index.js';
import { startTrio } from '../src/node.js';
import type { Message, MessageOf } from '../src/wire/messages.js';
import type { NodeRole } from '../src/wire/tokens.js';
import { RawClient } from './raw-client.js';

const trio = startTrio();
test.after.always(() => trio.stop());
const connect = () => Session.connect(trio.dial, trio.token);

/** Rows of values times a weight that is large enough to be opened by its owner, and a bias. */
const [ROWS, DEPTH, WIDTH] = [3, 128, 128];
const dense: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [ROWS, DEPTH] },
    { op: 'input', slot: 1, in: [], shape: [DEPTH, WIDTH] },
    { op: 'input', slot: 2, in: [], shape: [WIDTH] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [ROWS, WIDTH] },
    { op: 'add', in: [3, 2], shape: [ROWS, WIDTH] },
  ],
  outputs: [4],
};
const request = (tensors: number[], more: Partial<RunRequest> = {}): RunRequest => ({
  graph: dense,
  slots: tensors.map((tensor) => ({ tensor })),
  revealed: [0],
  kept: [],
  suite: 'exact',
  ...more,
});
const some = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => ((i * seed) % 23) / 8 - 1);
const [x, w, bias] = [some(ROWS * DEPTH, 7), some(DEPTH * WIDTH, 5), some(WIDTH, 3)];

function worst(got: Float32Array, rows = x): number {
  let most = 0;
  got.forEach((v, i) => {
    const [row, column] = [Math.floor(i / WIDTH), i % WIDTH];
    let want = bias[column]!;
    for (let d = 0; d < DEPTH; d++) want += rows[row * DEPTH + d]! * w[d * WIDTH + column]!;
    most = Math.max(most, Math.abs(want - v));
  });
  return most;
}

const fresh = (...tensors: number[]) => new Map(tensors.map((t) => [t, {}]));
const opened: Forms = { share: false, widths: [48] };
const shared: Forms = { share: true, widths: [] };

async function writeAll(s: Session): Promise<void> {
  const forms = s.forms(request([1, 2, 3]), fresh(1, 2, 3));
  await s.write(1, x, [ROWS, DEPTH], {}, { forms: forms.get(1) });
  await s.write(2, w, [DEPTH, WIDTH], {}, { forms: forms.get(2) });
  await s.write(3, bias, [WIDTH], {}, { forms: forms.get(3) });
}

test('a large weight is written as the opening that products read, and the parties open nothing of it', async (t) => {
  const s = await connect();
  const forms = s.forms(request([1, 2, 3]), fresh(1, 2, 3));
  t.deepEqual(
    [...forms],
    [
      [1, shared],
      [2, opened],
      [3, shared],
    ],
  );
  await writeAll(s);
  t.deepEqual(s.formsOf(2), opened);
  const first = await s.run(request([1, 2, 3]));
  t.true(worst(first.outputs[0]!) < 1e-3);
  // x alone is opened, modulo 2^48
  t.is(first.record.bytes.p0p1, 6 * ROWS * DEPTH);
  const second = await s.run(request([1, 2, 3]));
  t.true(worst(second.outputs[0]!) < 1e-3);
  t.is(second.record.rounds, 0);
  s.close();
});

test('in a graph that was run before, what comes later is a share, so that runs can be prepared', async (t) => {
  const s = await connect();
  const wide: RunRequest = request([1, 2, 3]);
  await writeAll(s);
  await s.run(wide);
  t.deepEqual([...s.forms(request([1, 12, 3]), fresh(12))], [[12, shared]]);
  for (const tensor of [4, 5, 6]) {
    await s.write(tensor, some(ROWS * DEPTH, tensor), [ROWS, DEPTH]);
    const { outputs, record } = await s.run(request([tensor, 2, 3]));
    t.true(worst(outputs[0]!, some(ROWS * DEPTH, tensor)) < 1e-3);
    t.is(record.rounds, 1);
  }
  s.close();
});

test('what was written as an opening alone, and is taken as a share, is asked for again and added', async (t) => {
  const s = await connect();
  await writeAll(s);
  await s.run(request([1, 2, 3]));
  const sum: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [DEPTH, WIDTH] },
      { op: 'add', in: [0, 0], shape: [DEPTH, WIDTH] },
    ],
    outputs: [1],
  };
  const doubled = request([2], { graph: sum });
  const error = await t.throwsAsync(s.run(doubled), { instanceOf: FormsLacking, code: 'TENSOR_LOST' });
  t.deepEqual((error as FormsLacking).tensors, [2]);
  await s.write(2, w, [DEPTH, WIDTH], {}, { forms: shared });
  t.deepEqual(s.formsOf(2), { share: true, widths: [48] });
  const { outputs } = await s.run(doubled);
  t.true(outputs[0]!.every((v, i) => Math.abs(v - 2 * w[i]!) < 1e-3));
  const { outputs: again, record } = await s.run(request([1, 2, 3]));
  t.true(worst(again[0]!) < 1e-3);
  t.is(record.rounds, 0);
  s.close();
});

test('a write that is refused leaves nothing in the way of another, and one that is given up neither', async (t) => {
  const s = await connect();
  const wrong = w.slice();
  wrong[77] = Number.NaN;
  await t.throwsAsync(s.write(2, wrong, [DEPTH, WIDTH], {}, { forms: opened }), { code: 'VALUE_OUT_OF_RANGE' });
  const narrow = { bits: 40, magnitude: 8 };
  const forms = { share: true, widths: [32, 48] };
  await t.throwsAsync(s.write(2, w, [DEPTH, WIDTH], narrow, { forms }), { instanceOf: NodeError, code: 'BAD_MESSAGE' });
  t.is(s.formsOf(2), undefined);
  const given = new AbortController();
  const write = s.write(2, w, [DEPTH, WIDTH], {}, { forms: opened, signal: given.signal });
  given.abort(new Error('enough'));
  await t.throwsAsync(write, { message: 'enough' });
  t.is(s.formsOf(2), undefined);
  await writeAll(s);
  t.true(worst((await s.run(request([1, 2, 3]))).outputs[0]!) < 1e-3);
  s.close();
});

test('an opening that does not fit is refused by its node, with what was expected', async (t) => {
  const c = await RawClient.connect(trio.dial, trio.token);
  const n = 64;
  const good: Omit<MessageOf<'putOpened'>, 're'> = {
    t: 'putOpened',
    tensor: 1,
    shape: [n],
    fracBits: 16,
    bits: 64,
    magnitude: 14,
    width: 48,
    opening: bytesToHex(randomBytes(16)),
  };
  const bytes = (role: NodeRole, width = 48) =>
    new Uint8Array(writtenBytes(role === 'dealer' ? role : role === 'party0' ? 0 : 1, n, width));
  const refusal = (m: Message | undefined) => (m?.t === 'failed' ? `${m.error.code} ${m.error.message}` : m?.t);
  for (const role of ['party0', 'party1', 'dealer'] as const) {
    const ask = (m: Partial<typeof good>, payload = bytes(role, m.width)) =>
      c.ask<'putOpened'>(role, { ...good, ...m }, payload).then(refusal);
    t.regex((await ask({}, bytes(role).subarray(1)))!, /BAD_FRAME .*sent \d+ bytes for an opening of 64 words/);
    t.regex((await ask({ bits: 40, magnitude: 8 }))!, /BAD_MESSAGE .*an opening of 48 bits of a tensor modulo 2\^40/);
    t.regex((await ask({ fracBits: 60 }))!, /BAD_PROGRAM/);
    t.is(await ask({}), 'done');
    t.regex((await ask({}))!, /BAD_MESSAGE .*tensor 1 has an opening of 48 bits already/);
    t.regex((await ask({ width: 32, shape: [8, 8] }))!, /BAD_MESSAGE .*of another type/);
    t.is(await ask({ width: 32 }), 'done', 'another width of it');
    const put = { t: 'put' as const, tensor: 1, shape: [n], fracBits: 16, bits: 64, magnitude: 14, seed: true };
    const seed = role === 'dealer' ? [] : [new Uint8Array(32)];
    t.regex(refusal(await c.ask<'put'>(role, { ...put, shape: [8, 8] }, ...seed))!, /of another type/);
    t.is(refusal(await c.ask<'put'>(role, put, ...seed)), 'done', 'its share beside it');
    t.regex(refusal(await c.ask<'put'>(role, put, ...seed))!, /exists already/);
  }
  c.close();
});

test('a share is not made of an opening: a run that is bound so ends with its client told', async (t) => {
  const c = await RawClient.connect(trio.dial, trio.token);
  const opening = bytesToHex(randomBytes(16));
  const type = { tensor: 1, shape: [2, 2], fracBits: 16, bits: 64, magnitude: 14 };
  for (const role of ['party0', 'party1', 'dealer'] as const) {
    const payload = new Uint8Array(writtenBytes(role === 'dealer' ? role : role === 'party0' ? 0 : 1, 4, 48));
    await c.ask<'putOpened'>(role, { t: 'putOpened', ...type, width: 48, opening }, payload);
  }
  const square: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [2, 2] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [2, 2] },
    ],
    outputs: [1],
  };
  const { hash, bindings } = await c.program(square, 1);
  const ticket = await c.prepare(hash, bindings);
  t.truthy(await c.next(({ m }) => m.t === 'prepared'));
  for (const role of ['party0', 'party1', 'dealer'] as const) await c.start(role, ticket, { shares: [1], keeps: [1] });
  const ended = await c.next(({ m }) => m.t === 'abort');
  t.regex((ended!.m as MessageOf<'abort'>).error.message, /tensor 1, which it has written as an opening alone/);
  c.close();
  const s = await connect();
  await writeAll(s);
  t.true(worst((await s.run(request([1, 2, 3]))).outputs[0]!) < 1e-3, 'the nodes live');
  s.close();
});

test('what is too small to matter is shared', (t) => {
  t.true(limits.openedElements <= DEPTH * WIDTH && limits.openedElements > ROWS * DEPTH);
});
