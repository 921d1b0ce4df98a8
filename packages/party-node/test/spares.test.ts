import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type Attempt, Spares } from '../src/client/spares.js';
import { limits, type RunRequest, type RunResult, Session } from '../src/index.js';
import { startTrio } from '../src/node.js';
import { MessageLink } from '../src/wire/framing.js';
import type { Message } from '../src/wire/messages.js';

/** An attempt that the test settles. */
function attempt(...tensors: number[]) {
  let settle!: { resolve: () => void; reject: (e: Error) => void };
  const ready = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const a = {
    ready,
    tensors: new Set(tensors),
    cancelled: false,
    cancel() {
      a.cancelled = true;
    },
    ...settle,
  };
  return a satisfies Attempt;
}
type Made = ReturnType<typeof attempt>;
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a program is prepared for after its second run, once', (t) => {
  const spares = new Spares<Made>();
  const made: Made[] = [];
  const over = () =>
    spares.over('a', 0, () => {
      made.push(attempt());
      return made.at(-1)!;
    });
  over();
  t.is(made.length, 0);
  over();
  over();
  t.is(made.length, 1);
  t.is(spares.take('a'), made[0]);
  t.is(spares.take('a'), undefined);
});

test('what is being prepared gives way to another run; what is ready stays', async (t) => {
  const spares = new Spares<Made>();
  const [a, b] = [attempt(), attempt()];
  for (const [key, x] of [
    ['a', a],
    ['b', b],
  ] as const)
    for (let i = 0; i < 2; i++) spares.over(key, 0, () => x);
  a.resolve();
  await settled();
  spares.take('c');
  t.false(a.cancelled);
  t.true(b.cancelled);
  t.is(spares.take('b'), undefined);
  t.is(spares.take('a'), a);
});

test('as many programs as the limit says; one that is passed over leaves its place', async (t) => {
  const spares = new Spares<Made>();
  const made = new Map<string, Made>();
  const repeat = (key: string) => {
    spares.take(key);
    for (let i = 0; i < 2; i++) {
      spares.over(key, 0, () => {
        made.set(key, attempt());
        made.get(key)!.resolve();
        return made.get(key)!;
      });
    }
    return settled();
  };
  for (let i = 0; i < limits.spareRuns; i++) await repeat(`kept ${i}`);
  await repeat('late');
  t.false(made.has('late'));
  for (let i = 0; i < 10; i++) spares.take('none');
  await repeat('late');
  t.true(made.has('late') && made.get('kept 0')!.cancelled);
});

test('many programs take together hardly more memory than the largest of them', async (t) => {
  const spares = new Spares<Made>();
  const made = new Map<string, Made>();
  const repeat = (key: string, bytes: number) => {
    spares.take(key);
    for (let i = 0; i < 2; i++) {
      spares.over(key, bytes, () => {
        made.set(key, attempt());
        made.get(key)!.resolve();
        return made.get(key)!;
      });
    }
    return settled();
  };
  await repeat('large', 100);
  await repeat('as large', 100);
  t.deepEqual([...made.keys()], ['large']);
  await repeat('small', 25);
  t.deepEqual([...made.keys()], ['large', 'small']);
  // One that nobody asks for any more leaves its memory too
  for (let i = 0; i < 10; i++) spares.take('none');
  await repeat('as large', 100);
  t.true(made.has('as large') && made.get('large')!.cancelled);
});

test('what a node gave up, or has no tensors for any more, is nobody’s', async (t) => {
  const spares = new Spares<Made>();
  const [lost, refused, freed] = [attempt(), attempt(), attempt(5)];
  const over = (key: string, a: Made) => {
    spares.over(key, 0, () => a);
    spares.over(key, 0, () => a);
  };
  over('a', lost);
  spares.lost(lost);
  t.is(spares.take('a'), undefined);
  over('b', refused);
  refused.reject(new Error('no room'));
  await settled();
  t.is(spares.take('b'), undefined);
  over('c', freed);
  spares.freed([4]);
  t.false(freed.cancelled);
  spares.freed([5]);
  t.true(freed.cancelled);
});

const trio = startTrio();
test.after.always(() => trio.stop());

/** x·W by a lookup's rows: a masked input, a share that changes and a weight that stays. */
const graph: Graph = {
  nodes: [
    { op: 'oneHot', slot: 0, depth: 4, in: [], shape: [2, 4] },
    { op: 'input', slot: 1, in: [], shape: [4, 2] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [2, 2] },
    { op: 'input', slot: 2, in: [], shape: [2, 2] },
    { op: 'mul', in: [2, 3], shape: [2, 2] },
  ],
  outputs: [4, 2],
};
const WEIGHT = 1;
const table = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);

async function connected(dial = trio.dial) {
  const s = await Session.connect(dial, trio.token);
  await s.write(WEIGHT, table, [4, 2]);
  let next = 2;
  const kept: number[] = [];
  /** Reads with inputs of its own; the looked-up rows stay at the nodes. */
  const read = async (ids: number[], x: number[]): Promise<RunResult> => {
    const [tensor, rows] = [next++, next++];
    await s.write(tensor, Float32Array.from(x), [2, 2]);
    const request: RunRequest = {
      graph,
      slots: [{ indices: Int32Array.from(ids) }, { tensor: WEIGHT }, { tensor }],
      revealed: [0],
      kept: [{ output: 1, tensor: rows }],
      suite: 'exact',
    };
    const result = await s.run(request);
    kept.push(rows);
    s.free([tensor]);
    return result;
  };
  const right = (r: RunResult, ids: number[], x: number[]) =>
    ids.every((id, i) =>
      [0, 1].every((j) => Math.abs(r.outputs[0]![2 * i + j]! - table[2 * id + j]! * x[2 * i + j]!) < 1e-3),
    );
  return { s, read, right, kept };
}

/** Long enough for a small program's randomness. */
const idle = () => new Promise((resolve) => setTimeout(resolve, 600));

test('a program that repeats finds its randomness dealt; inputs, shares and kept tensors are the run’s', async (t) => {
  const { s, read, right, kept } = await connected();
  // The first opens the weight, so that the second is another program; the third repeats
  const waited: number[] = [];
  const there = () => waited.filter((ms) => ms < 5).length;
  // Two runs at once where nothing else takes the time that is left for it
  for (let i = 0; i < 16 && there() < 2; i++) {
    const [ids, x] = [
      [i % 4, (i + 1) % 4],
      [i, 1 - i, 0.5, 2],
    ];
    const result = await read(ids, x);
    t.true(right(result, ids, x), `run ${i}: ${result.outputs[0]}`);
    if (i > 2) waited.push(result.record.prepareMs);
    await idle();
  }
  t.is(there(), 2, `${waited} ms were waited for randomness that should have been there`);
  // What stayed of a prepared run is a tensor as any other
  const twice: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [2, 2] },
      { op: 'add', in: [0, 0], shape: [2, 2] },
    ],
    outputs: [1],
  };
  const { outputs } = await s.run({
    graph: twice,
    slots: [{ tensor: kept.at(-1)! }],
    revealed: [0],
    kept: [],
    suite: 'exact',
  });
  t.true([0, 1].every((j) => Math.abs(outputs[0]![j]! - 2 * table[j]!) < 1e-3));
  s.close();
});

test('what is prepared holds up no other program’s run, no explicit preparation and no freed weight', async (t) => {
  const { s, read, right } = await connected();
  for (let i = 0; i < 3; i++) await read([0, 1], [1, 1, 1, 1]);
  const other: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [4, 2] },
      { op: 'relu', in: [0], shape: [4, 2] },
    ],
    outputs: [1],
  } as Graph;
  const request: RunRequest = { graph: other, slots: [{ tensor: WEIGHT }], revealed: [0], kept: [], suite: 'exact' };
  // No pause: the preparation is under way
  t.deepEqual(
    Array.from((await s.run(request)).outputs[0]!, (v) => Math.round(v)),
    Array.from(table),
  );
  t.true(right(await read([2, 3], [1, 2, 3, 4]), [2, 3], [1, 2, 3, 4]));
  await idle();
  await (await s.prepare(request)).run();
  s.free([WEIGHT]);
  await t.throwsAsync(read([0, 1], [1, 1, 1, 1]), { code: 'TENSOR_LOST' });
  s.close();
});

test('a run goes on without what a node gave up at the last moment', async (t) => {
  // Party 0's word that it gave the run up meets the client's word to start it
  const frameOf = async (m: Message) => {
    let made = new Uint8Array();
    const send = async (frame: Uint8Array) => {
      made = frame.slice();
    };
    await new MessageLink({ onFrame: () => {}, onClose: () => {}, close: () => {}, send }, () => 'client').send(m);
    return made;
  };
  const gaveWay = { node: 'party 0', code: 'GAVE_WAY', message: 'party 0: needed the memory' } as const;
  let crossed = 0;
  const { s, read, right } = await connected(async (role) => {
    const link = await trio.dial(role);
    if (role !== 'party0') return link;
    const send = link.send.bind(link);
    let spare = '';
    link.send = async (frame) => {
      const head = frame.subarray(16, 16 + new DataView(frame.buffer, frame.byteOffset).getUint16(2, true));
      const m = head.length > 0 ? JSON.parse(new TextDecoder().decode(head)) : {};
      if (m.mode === 'spare') spare = m.ticket;
      if (m.t !== 'run' || m.ticket !== spare) return send(frame);
      crossed++;
      await send(await frameOf({ t: 'cancel', ticket: spare }));
      void link.onFrame(await frameOf({ t: 'abort', ticket: spare, error: gaveWay }));
    };
    return link;
  });
  for (let i = 0; i < 4; i++) {
    t.true(right(await read([1, 2], [i, 1, 1, 1]), [1, 2], [i, 1, 1, 1]));
    await idle();
  }
  t.is(crossed, 1);
  s.close();
});

test('with prepareAhead off nothing is dealt ahead', async (t) => {
  const { s, read } = await connected();
  s.prepareAhead = false;
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) waits.push((await read([0, 1], [1, 1, 1, 1])).record.prepareMs);
  t.true(
    waits.every((ms) => ms > 0.5),
    String(waits),
  );
  s.close();
});

test('an index out of range takes nothing with it', async (t) => {
  const { s, read, right } = await connected();
  for (let i = 0; i < 3; i++) await read([0, 1], [1, 1, 1, 1]);
  await idle();
  await t.throwsAsync(read([0, 9], [1, 1, 1, 1]), { code: 'INPUT_REFUSED', message: /index 9/ });
  t.true(right(await read([3, 1], [1, 1, 1, 1]), [3, 1], [1, 1, 1, 1]));
  s.close();
});
