import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { NodeError, type RunRequest, Session } from '../src/index.js';
import { startTrio } from '../src/node.js';
import { handshake } from '../src/wire/handshake.js';

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
const request = (tensor: number, more: Partial<RunRequest> = {}): RunRequest => ({ graph: square, slots: [{ tensor }], revealed: [0], kept: [], suite: 'exact', ...more });
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
  const product = Float32Array.from({ length: m * n }, (_, o) => x.slice(0, k).reduce((sum, _, p) => sum + at(x, k, Math.floor(o / n), p) * at(w, n, p, o % n), 0));
  const back = Float32Array.from({ length: m * k }, (_, o) =>
    Array.from({ length: n }, (_, p) => at(product, n, Math.floor(o / k), p) * at(w, n, o % k, p)).reduce((a, b) => a + b),
  );
  for (let run = 0; run < 4; run++) {
    await s.write(10 + run, x, [m, k]);
    const { outputs } = await s.run({ graph, slots: [{ tensor: 10 + run }, { tensor: 1 }], revealed: [0, 1, 2], kept: [], suite: 'exact' });
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
  const error = await t.throwsAsync(s.write(1, Float32Array.of(1, 123456, 3, 4), [2, 2]), { code: 'VALUE_OUT_OF_RANGE' });
  t.notRegex(error!.message, /123456/);
  await t.throwsAsync(s.write(1, Float32Array.of(Number.NaN, 0, 0, 0), [2, 2]), { code: 'VALUE_OUT_OF_RANGE', message: /not finite/ });
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

/** A client that speaks the wire protocol itself, to send what `Session` never would. */
async function rawClient() {
  const session = bytesToHex(randomBytes(16));
  const inbox: { from: string; m: Record<string, unknown> }[] = [];
  let wake: () => void = () => {};
  const links = await Promise.all(
    (['party0', 'party1', 'dealer'] as const).map(async (role) => {
      const { link } = await handshake(await trio.dial(role), 'client', { client: trio.token }, 'dial', role);
      link.accept = () => 2 ** 20;
      link.onMessage = (m) => {
        inbox.push({ from: role, m: m as never });
        wake();
      };
      await link.send({ t: 'open', re: 1, session });
      return link;
    }),
  );
  const next = async (match: (m: Record<string, unknown>) => boolean) => {
    for (;;) {
      const at = inbox.findIndex((x) => match(x.m));
      if (at >= 0) return inbox.splice(at, 1)[0]!;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { links, next };
}

async function preparedLookup() {
  const { plan, suiteOf, readProgram, writtenTensor } = await import('@secformer/secformer-ops');
  const graph: Graph = {
    nodes: [
      { op: 'oneHot', slot: 0, depth: 4, in: [], shape: [2, 4] },
      { op: 'oneHot', slot: 1, depth: 4, in: [], shape: [2, 4] },
      { op: 'matMul', transposeA: false, transposeB: true, in: [0, 1], shape: [2, 2] },
    ],
    outputs: [2],
  };
  const { program } = plan(graph, suiteOf('exact'), [writtenTensor, writtenTensor], [0]);
  const text = new TextEncoder().encode(JSON.stringify(program));
  const hash = bytesToHex(readProgram(text).hash);
  const { links, next } = await rawClient();
  const ticket = bytesToHex(randomBytes(16));
  for (const link of links) await link.send({ t: 'program', re: 2, hash }, text);
  for (const link of links) await link.send({ t: 'prepare', ticket, program: hash, inputs: [{ kind: 'oneHot' }, { kind: 'oneHot' }], mode: 'streamed' });
  const prepared = await next((m) => m.t === 'prepared' && Array.isArray(m.slotKeys) && m.slotKeys.length === 2);
  return { links, next, ticket, bytes: 2 * 2 * 4 * 4, prepared };
}

test('a second set of inputs under the same masks is refused, and ends the run', async (t) => {
  const { links, next, ticket, bytes } = await preparedLookup();
  // P1 is not started yet, so P0's run is under way when the second set comes
  await links[0]!.send({ t: 'run', ticket, shares: [], keeps: [] }, new Uint8Array(bytes));
  await links[0]!.send({ t: 'run', ticket, shares: [], keeps: [] }, new Uint8Array(bytes).fill(1));
  const { m } = await next((x) => x.t === 'abort');
  t.is((m.error as { code: string }).code, 'INPUT_REFUSED');
  for (const link of links) link.close('done');
});

test('different inputs at the two parties are noticed before any output leaves', async (t) => {
  const { links, next, ticket, bytes } = await preparedLookup();
  await links[0]!.send({ t: 'run', ticket, shares: [], keeps: [] }, new Uint8Array(bytes));
  await links[1]!.send({ t: 'run', ticket, shares: [], keeps: [] }, new Uint8Array(bytes).fill(9));
  const { m } = await next((x) => x.t === 'abort' || x.t === 'result');
  t.is(m.t, 'abort');
  t.is((m.error as { code: string }).code, 'INPUT_REFUSED');
  for (const link of links) link.close('done');
});

test('a ticket serves one run, and an aborted run has another id when it is repeated', async (t) => {
  const a = await preparedLookup();
  await a.links[0]!.send({ t: 'cancel', ticket: a.ticket });
  await a.next((m) => m.t === 'abort');
  await a.links[0]!.send({ t: 'prepare', ticket: a.ticket, program: '00'.repeat(32), inputs: [], mode: 'streamed' });
  await t.notThrowsAsync(a.next((x) => x.t === 'abort' && /ticket twice/.test((x.error as { message: string }).message)));
  const b = await preparedLookup();
  t.not(b.prepared.m.run, a.prepared.m.run);
  t.notDeepEqual(b.prepared.m.slotKeys, a.prepared.m.slotKeys);
  for (const link of [...a.links, ...b.links]) link.close('done');
});
