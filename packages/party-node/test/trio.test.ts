import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { NodeError, type RunRequest, Session } from '../src/index.js';
import { startTrio } from '../src/node.js';
import type { MessageOf } from '../src/wire/messages.js';
import { type Got, RawClient } from './raw-client.js';

const trio = startTrio();
test.after.always(() => trio.stop());
const connect = () => Session.connect(trio.dial, trio.token);

const square: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 2] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [2, 2] },
  ],
  outputs: [1],
};
const request = (tensor: number, more: Partial<RunRequest> = {}): RunRequest => ({
  graph: square,
  slots: [{ tensor }],
  revealed: [0],
  kept: [],
  suite: 'exact',
  ...more,
});
const close = (a: Float32Array, b: number[]) => b.every((v, i) => Math.abs(a[i]! - v) < 1e-3);

test('a run on the embedded trio, its cost record, and openings that are not made twice', async (t) => {
  const s = await connect();
  await s.write(1, Float32Array.of(1, 2, 3, 4), [2, 2]);
  const first = await s.run(request(1));
  t.true(close(first.outputs[0]!, [7, 10, 15, 22]));
  t.is(first.record.rounds, 1);
  t.is(first.record.bytes.p0p1, 24);
  const second = await s.run(request(1));
  t.true(close(second.outputs[0]!, [7, 10, 15, 22]));
  t.is(second.record.rounds, 0, 'the opening of the tensor was kept');
  s.close();
});

test('a weight that stays multiplies the same in every run, as it is, in another shape and transposed', async (t) => {
  const s = await connect();
  const [m, k, n] = [3, 4, 6];
  const x = Float32Array.from({ length: m * k }, (_, i) => (i % 5) - 2);
  const w = Float32Array.from({ length: k * n }, (_, i) => ((i * 7) % 11) / 4 - 1);
  await s.write(1, w, [2, 2, n]);
  const graph: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [m, k] },
      { op: 'input', slot: 1, in: [], shape: [2, 2, n] },
      { op: 'reshape', in: [1], shape: [k, n] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 2], shape: [m, n] },
      { op: 'transpose', perm: [1, 0], in: [2], shape: [n, k] },
      { op: 'matMul', transposeA: false, transposeB: true, in: [0, 4], shape: [m, n] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [3, 4], shape: [m, k] },
    ],
    outputs: [3, 5, 6],
  };
  const at = (a: ArrayLike<number>, width: number, i: number, j: number) => a[i * width + j]!;
  const product = Float32Array.from({ length: m * n }, (_, o) =>
    x.slice(0, k).reduce((sum, _, p) => sum + at(x, k, Math.floor(o / n), p) * at(w, n, p, o % n), 0),
  );
  const back = Float32Array.from({ length: m * k }, (_, o) =>
    Array.from({ length: n }, (_, p) => at(product, n, Math.floor(o / k), p) * at(w, n, o % k, p)).reduce(
      (a, b) => a + b,
    ),
  );
  for (let run = 0; run < 4; run++) {
    await s.write(10 + run, x, [m, k]);
    const { outputs } = await s.run({
      graph,
      slots: [{ tensor: 10 + run }, { tensor: 1 }],
      revealed: [0, 1, 2],
      kept: [],
      suite: 'exact',
    });
    for (const [got, want] of [
      [outputs[0]!, product],
      [outputs[1]!, product],
      [outputs[2]!, back],
    ] as const) {
      t.true(
        got.every((v, i) => Math.abs(v - want[i]!) < 2e-3),
        `run ${run}: ${got} for ${want}`,
      );
    }
  }
  s.close();
});

test('a watched run tells which operations left their domain, beside what is revealed; another does not', async (t) => {
  const s = await connect();
  const graph: Graph = {
    nodes: [...square.nodes, { op: 'reciprocal', in: [1], shape: [2, 2] }, { op: 'sqrt', in: [1], shape: [2, 2] }],
    outputs: [1, 2, 3],
  };
  const run = async (tensor: number, watched?: boolean) =>
    s.run(request(tensor, { graph, revealed: [0, 2], ...(watched !== undefined && { watched }) }));
  // Squares [7, 10, 15, 22], and [0, 1, 0, 1]
  await s.write(1, Float32Array.of(1, 2, 3, 4), [2, 2]);
  await s.write(2, Float32Array.of(0, 1, 0, 1), [2, 2]);
  for (const [tensor, want] of [
    [1, [7, 10, 15, 22]],
    [2, [0, 1, 0, 1]],
  ] as const) {
    for (const watched of [true, false, undefined]) {
      const { outputs, left } = await run(tensor, watched);
      t.is(outputs.length, 2);
      t.true(close(outputs[0]!, [...want]) && close(outputs[1]!, want.map(Math.sqrt)), `${outputs}`);
      t.deepEqual(left, watched && tensor === 2 ? [{ op: 'reciprocal', shape: [2, 2], node: 2 }] : []);
    }
  }
  s.close();
});

test('outputs can stay at the nodes and be used again', async (t) => {
  const s = await connect();
  await s.write(1, Float32Array.of(1, 2, 3, 4), [2, 2]);
  const none = await s.run(request(1, { revealed: [], kept: [{ output: 0, tensor: 2 }] }));
  t.is(none.outputs.length, 0);
  const { outputs } = await s.run(request(2));
  t.true(close(outputs[0]!, [199, 290, 435, 634]));
  s.close();
});

test('prepared ahead, a run takes nothing more from the dealer, and only once', async (t) => {
  const s = await connect();
  await s.write(1, Float32Array.of(1, 2, 3, 4), [2, 2]);
  const prepared = await s.prepare(request(1));
  const { outputs } = await prepared.run();
  t.true(close(outputs[0]!, [7, 10, 15, 22]));
  await t.throwsAsync(() => prepared.run(), { instanceOf: NodeError });
  s.close();
});

test('no session can name a tensor of another', async (t) => {
  const [a, b] = [await connect(), await connect()];
  await a.write(77, Float32Array.of(1, 2, 3, 4), [2, 2]);
  await t.throwsAsync(b.run(request(77)), { code: 'TENSOR_LOST' });
  a.close();
  b.close();
});

test('a freed tensor is gone', async (t) => {
  const s = await connect();
  await s.write(1, Float32Array.of(1, 2, 3, 4), [2, 2]);
  s.free([1]);
  await t.throwsAsync(s.run(request(1)), { code: 'TENSOR_LOST' });
  s.close();
});

test('values out of range are refused before anything is sent, and not printed', async (t) => {
  const s = await connect();
  const error = await t.throwsAsync(s.write(1, Float32Array.of(1, 123456, 3, 4), [2, 2]), {
    code: 'VALUE_OUT_OF_RANGE',
  });
  t.notRegex(error!.message, /123456/);
  await t.throwsAsync(s.write(1, Float32Array.of(Number.NaN, 0, 0, 0), [2, 2]), {
    code: 'VALUE_OUT_OF_RANGE',
    message: /not finite/,
  });
  s.close();
});

test('runs of several clients at once', async (t) => {
  const sessions = await Promise.all(Array.from({ length: 4 }, connect));
  const results = await Promise.all(
    sessions.map(async (s, i) => {
      await s.write(1, Float32Array.of(i, 0, 0, i), [2, 2]);
      return s.run(request(1));
    }),
  );
  results.forEach((r, i) => {
    t.true(close(r.outputs[0]!, [i * i, 0, 0, i * i]));
  });
  for (const s of sessions) s.close();
});

async function preparedLookup() {
  const graph: Graph = {
    nodes: [
      { op: 'oneHot', slot: 0, depth: 4, in: [], shape: [2, 4] },
      { op: 'oneHot', slot: 1, depth: 4, in: [], shape: [2, 4] },
      { op: 'matMul', transposeA: false, transposeB: true, in: [0, 1], shape: [2, 2] },
    ],
    outputs: [2],
  };
  const client = await RawClient.connect(trio.dial, trio.token);
  const { hash, bindings } = await client.program(graph, 2);
  const ticket = await client.prepare(hash, bindings);
  const prepared = await client.next(({ from, m }) => from === 'dealer' && m.t === 'prepared');
  return { client, ticket, bytes: 2 * 2 * 4 * 4, prepared: prepared as Got & { m: MessageOf<'prepared'> } };
}

const nothing = { shares: [], keeps: [] };
const codeOf = ({ m }: Got) => (m as MessageOf<'abort'>).error.code;

test('a second set of inputs under the same masks is refused, and ends the run', async (t) => {
  const { client, ticket, bytes } = await preparedLookup();
  // P1 is not started yet, so P0's run is under way when the second set comes
  await client.start('party0', ticket, nothing, new Uint8Array(bytes));
  await client.start('party0', ticket, nothing, new Uint8Array(bytes).fill(1));
  t.is(codeOf((await client.next(({ m }) => m.t === 'abort'))!), 'INPUT_REFUSED');
  client.close();
});

test('different inputs at the two parties are noticed before any output leaves', async (t) => {
  const { client, ticket, bytes } = await preparedLookup();
  await client.start('party0', ticket, nothing, new Uint8Array(bytes));
  await client.start('party1', ticket, nothing, new Uint8Array(bytes).fill(9));
  const end = await client.end(ticket);
  t.is(end!.m.t, 'abort');
  t.is(codeOf(end!), 'INPUT_REFUSED');
  client.close();
});

test('a ticket serves one run, and an aborted run has another id when it is repeated', async (t) => {
  const a = await preparedLookup();
  await a.client.links.party0.send({ t: 'cancel', ticket: a.ticket });
  await a.client.next(({ m }) => m.t === 'abort');
  await a.client.prepare('00'.repeat(32), [], 'streamed', ['party0'], a.ticket);
  t.truthy(await a.client.next(({ m }) => m.t === 'abort' && /ticket twice/.test(m.error.message)));
  const b = await preparedLookup();
  t.not(b.prepared.m.run, a.prepared.m.run);
  t.is(a.prepared.payload.length, 128, 'two keys for each of two inputs');
  t.notDeepEqual(b.prepared.payload, a.prepared.payload);
  a.client.close();
  b.client.close();
});
