/** Tensors that both parties have in full: what a client may do with them, and what it may not. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { largestOf } from '@secformer/ring';
import { type Graph, publicHead } from '@secformer/secformer-ops';
import test from 'ava';
import { publicTensor } from '../src/client/public-tensors.js';
import { type RunRequest, Session } from '../src/index.js';
import { PublishedModel } from '../src/node/models/model.js';
import { startTrio } from '../src/node.js';
import { jsonBytes, type MessageOf } from '../src/wire/messages.js';
import { NODES } from '../src/wire/tokens.js';
import { startEngines, until } from './engines.js';
import { askerOf, askSmall, publishSmall } from './publishing.js';
import { RawClient } from './raw-client.js';

const trio = startTrio();
test.after.always(() => trio.stop());
const connect = () => Session.connect(trio.dial, trio.token);

const [m, k, n] = [3, 4, 5];
const weighed: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [m, k] },
    { op: 'input', slot: 1, in: [], shape: [k, n] },
    { op: 'input', slot: 2, in: [], shape: [n] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [m, n] },
    { op: 'add', in: [3, 2], shape: [m, n] },
  ],
  outputs: [4],
};
const request = (x: number, w: number, b: number): RunRequest => ({
  graph: weighed,
  slots: [{ tensor: x }, { tensor: w }, { tensor: b }],
  revealed: [0],
  kept: [],
  suite: 'exact',
});
const x = Float32Array.from({ length: m * k }, (_, i) => (i % 5) - 2);
const w = Float32Array.from({ length: k * n }, (_, i) => ((i * 7) % 11) / 4 - 1);
const b = Float32Array.from({ length: n }, (_, i) => i / 8);
const want = Array.from({ length: m * n }, (_, o) => {
  const [row, column] = [Math.floor(o / n), o % n];
  let sum = b[column]!;
  for (let i = 0; i < k; i++) sum += x[row * k + i]! * w[i * n + column]!;
  return sum;
});
const right = (got: ArrayLike<number>) => want.every((v, i) => Math.abs(got[i]! - v) < 1e-4);

test('a product with public tensors opens nothing, in the first run and in the next', async (t) => {
  const s = await connect();
  await s.write(1, x, [m, k]);
  await s.writePublic(2, w, [k, n]);
  await s.writePublic(3, b, [n]);
  for (let run = 0; run < 3; run++) {
    const { outputs, record } = await s.run(request(1, 2, 3));
    t.true(right(outputs[0]!), String(outputs[0]));
    t.is(record.rounds, 0);
    t.is(record.bytes.dealer, 0);
  }
  s.close();
});

test('a tensor that another session has sent is named, and stays as long as a session names it', async (t) => {
  const e = await startEngines();
  try {
    const [first, second] = [await Session.connect(e.dial, e.token), await Session.connect(e.dial, e.token)];
    for (const s of [first, second]) {
      await s.write(1, x, [m, k]);
      await s.writePublic(2, w, [k, n]);
      await s.writePublic(3, b, [n]);
    }
    first.close();
    t.true(right((await second.run(request(1, 2, 3))).outputs[0]!));
    second.free([2]);
    await t.throwsAsync(second.run(request(1, 2, 3)), { code: 'TENSOR_LOST' });
    await second.writePublic(2, w, [k, n]);
    t.true(right((await second.run(request(1, 2, 3))).outputs[0]!));
    second.close();
    // What the sessions have counted is given back, and their one tensor with it
    t.true(await until(() => e.party0.budget.held === 0 && e.party1.budget.held === 0));
  } finally {
    await e.stop();
  }
});

test('values that no word holds are refused before anything is sent', async (t) => {
  const s = await connect();
  for (const v of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 20])
    await t.throwsAsync(s.writePublic(1, Float32Array.of(v), [1]), { code: 'VALUE_OUT_OF_RANGE' });
  s.close();
});

const error = (answer: unknown) => (answer as MessageOf<'failed'>).error;

test('what is offered and sent is checked before it is taken, and counted no longer than it is there', async (t) => {
  const e = await startEngines();
  const client = await RawClient.connect(e.dial, e.token);
  const bytes = new Uint8Array(9);
  const digest = createHash('sha256').update(publicHead(4, 18)).update(bytes).digest('hex');
  const about = { tensor: 1, digest, count: 4, bits: 18 };
  const sent = (more: object, payload = bytes, role: 'party0' | 'dealer' = 'party0') =>
    client.ask<'public'>(role, { t: 'public', ...about, ...more }, payload);
  t.is(error(await sent({}, bytes, 'dealer'))?.code, 'BAD_MESSAGE');
  t.regex(error(await sent({ bits: 50 }, new Uint8Array(25))).message, /public tensors have 49 at most/);
  t.is(error(await sent({ count: 2 ** 28 + 1 }, new Uint8Array(0)))?.code, 'LIMIT_EXCEEDED');
  t.is(error(await sent({ count: 5 }))?.code, 'BAD_FRAME');
  t.regex(error(await sent({ digest: '0'.repeat(64) })).message, /another digest/);
  t.regex(error(await sent({ count: 8, bits: 9 })).message, /another digest/, 'the head is part of the digest');
  t.is(e.party0.budget.held, 0);
  const done = await sent({});
  t.is(done?.t, 'done');
  t.is(e.party0.budget.held, 8 * 4);
  t.regex(error(await sent({})).message, /exists already/);
  const type = { tensor: 1, shape: [4], fracBits: 16, bits: 64, magnitude: 14 };
  const put = await client.ask<'put'>('party0', { t: 'put', ...type, seed: true }, new Uint8Array(32));
  t.regex(error(put).message, /exists already/);
  const opened = { t: 'putOpened', ...type, width: 48, opening: '0'.repeat(32) } as const;
  t.regex(error(await client.ask<'putOpened'>('party0', opened, new Uint8Array(56))).message, /exists already/);
  t.is(e.party0.budget.held, 8 * 4);
  client.close();
  await t.notThrowsAsync(Session.connect(e.dial, e.token).then((s) => s.close()));
  await e.stop();
});

test('parties that were given different tensors run nothing together', async (t) => {
  const s = await connect();
  const { kernels } = s;
  s.close();
  const made = await publicTensor(kernels, w, largestOf(w));
  const other = await publicTensor(
    kernels,
    w.map((v) => -v),
    largestOf(w),
  );
  const client = await RawClient.connect(trio.dial, trio.token);
  const give = (role: 'party0' | 'party1', { digest, count, bits, bytes }: typeof made) =>
    client.ask<'public'>(role, { t: 'public', tensor: 1, digest, count, bits }, bytes);
  t.is((await give('party0', made))?.t, 'done');
  t.is((await give('party1', other))?.t, 'done');
  // The Program names one of them, and the party that lacks it says so
  const { fracBits, magnitude, digest } = made;
  const program = jsonBytes({
    version: 1,
    inputs: [{ kind: 'public', shape: [k, n], fracBits, magnitude, digest }],
    constants: [],
    instructions: [{ op: 'sharePublic', in: [0] }],
    outputs: [1],
    keeps: [],
  });
  const hash = createHash('sha256').update(program).digest('hex');
  for (const role of NODES) t.is((await client.ask<'program'>(role, { t: 'program', hash }, program))?.t, 'done');
  const ticket = await client.prepare(hash, [{ kind: 'public' }]);
  const end = await client.end(ticket);
  t.is(error(end!.m).code, 'TENSOR_LOST');
  client.close();
});

test('a published model of public weights opens less, is asked as others are, and outlives its nodes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-models-'));
  const start = () => startEngines(2 ** 31, undefined, 0, folder);
  const first = await start();
  const secret = await publishSmall(first, '1');
  const { programs } = await publishSmall(first, '2', undefined, true);
  t.true(programs[0]!.cost.rounds < secret.programs[0]!.cost.rounds);
  t.true(programs[0]!.cost.online < secret.programs[0]!.cost.online);
  t.true(programs[0]!.cost.dealer < secret.programs[0]!.cost.dealer);
  const ask = async (e: typeof first) => {
    const asking = await askerOf(e);
    for (const count of [4, 9]) t.true((await askSmall(asking, count, '2')) < 2 ** -12);
    asking.close();
  };
  await ask(first);
  await first.stop();
  const second = await start();
  // As many bytes as before: all of a public tensor once, at the parties alone
  t.true(await until(() => second.party0.budget.held > second.dealer.budget.held));
  t.true(await until(() => second.party0.catalogue.all.length === 2));
  await ask(second);
  await second.stop();
  rmSync(folder, { recursive: true });
});

test('a manifest that says of a public tensor what it is not is refused', async (t) => {
  const e = await startEngines();
  await publishSmall(e, '1', undefined, true);
  const model = e.party0.catalogue.all[0]!;
  const { manifest, signed, publisher, programs, tensors, assets } = model;
  const [first, ...others] = manifest.tensors;
  const parts = { signed, publisher, programs, tensors, assets };
  t.notThrows(() => new PublishedModel({ manifest, ...parts }));
  for (const change of [{ digest: '0'.repeat(64) }, { digest: undefined }, { fracBits: 3 }, { bits: 49 }]) {
    const { digest, ...rest } = { ...first!, ...change };
    const changed = { ...manifest, tensors: [{ ...rest, ...(digest && { digest }) }, ...others] };
    t.throws(() => new PublishedModel({ manifest: changed, ...parts }), { message: /a public tensor that it is not/ });
  }
  // Nor is one taken for a share: the parties have none
  const { shape, fracBits, bits, magnitude } = first!;
  const inputs = [{ kind: 'share', shape, fracBits, bits, magnitude }];
  const program = jsonBytes({ version: 1, inputs, constants: [], instructions: [], outputs: [0], keeps: [] });
  const asShare = {
    ...manifest.programs[0]!,
    hash: createHash('sha256').update(program).digest('hex'),
    bindings: [{ kind: 'weight', tensor: 0 } as const],
    revealed: [{ shape, fracBits, bits }],
    checks: [],
  };
  const changed = { ...manifest, programs: [asShare] };
  t.throws(() => new PublishedModel({ ...parts, manifest: changed, programs: [program] }), {
    message: /to a public tensor, for a 'share'/,
  });
  await e.stop();
});
