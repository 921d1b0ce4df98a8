import { type Dial, type Link, NodeError } from '@secformer/party-node';
import { startTrio } from '@secformer/party-node/node';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import type { Resolved } from '../src/config.js';
import { SessionHolder } from '../src/runtime/holder.js';
import type { Reply, RunJob } from '../src/runtime/messages.js';

const trio = startTrio();
test.after.always(() => trio.stop());

const configuration: Resolved = { suite: 'exact', fold: true, syncTimeoutMs: 1000 };
const square: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 2] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [2, 2] },
  ],
  outputs: [1],
};
const jobOf = (tensor: number, more: Partial<RunJob> = {}): RunJob => ({
  graph: square,
  slots: [{ tensor }],
  revealed: [0],
  kept: [],
  suite: 'exact',
  ...more,
});

/** A holder on the embedded trio with watched links. `on` hears of each frame before it leaves; true cuts the link. */
function watched() {
  const seen = {
    dials: 0,
    frames: [] as string[],
    refuse: false,
    on: (_: string): boolean => false,
    links: [] as Link[],
  };
  const dial: Dial = async (node) => {
    seen.dials++;
    if (seen.refuse) throw new NodeError('dealer', 'UNREACHABLE', 'no connection');
    const link = await trio.dial(node);
    const send = link.send.bind(link);
    link.send = async (frame) => {
      const text = Buffer.from(frame.subarray(0, 200)).toString('latin1');
      const type = /"t":"(\w+)"/.exec(text)?.[1] ?? '';
      seen.frames.push(type);
      if (seen.on(type)) link.close('cut by the test');
      await send(frame);
    };
    seen.links.push(link);
    return link;
  };
  let id = 1;
  const holder = new SessionHolder(() => ({ dial, token: trio.token }));
  const values = Float32Array.of(1, 2, 3, 4);
  const write = (tensor: number) => ({ tensor, values, shape: [2, 2], fracBits: 16 });
  return {
    seen,
    count: (type: string) => seen.frames.filter((f) => f === type).length,
    share: (tensors: number[], c = configuration) =>
      holder.handle({ id: id++, kind: 'share', writes: tensors.map(write), configuration: c }),
    run: (job: RunJob, c = configuration) => holder.handle({ id: id++, kind: 'run', job, configuration: c }),
    prepare: (job: RunJob) => holder.handle({ id: id++, kind: 'prepare', job, configuration }),
    start: (prepared: number) => holder.handle({ id: id++, kind: 'start', prepared, trace: false }),
    free: (tensors: number[]) => holder.handle({ id: 0, kind: 'free', tensors }),
  };
}

/** What a reply has to say. */
function outcome(reply: Reply): string {
  if ('error' in reply) return reply.error.code;
  if ('missing' in reply) return `missing ${reply.missing}`;
  return reply.answer.outputs.length === 0 ? 'done' : Array.from(reply.answer.outputs[0]!, (v) => v.toFixed(0)).join();
}

test.serial('first requests that come together make one connection', async (t) => {
  const h = watched();
  const replies = await Promise.all([h.share([1]), h.share([2]), h.run(jobOf(1)), h.share([3])]);
  t.deepEqual(replies.map(outcome), ['done', 'done', '7,10,15,22', 'done']);
  t.is(h.seen.dials, 3);
  t.deepEqual(new Set(replies.map((r) => r.session)), new Set([1]));
});

test.serial('a connection that fails fails all who wait for it, and the next request makes another', async (t) => {
  const h = watched();
  h.seen.refuse = true;
  t.deepEqual((await Promise.all([h.share([1]), h.share([1]), h.run(jobOf(1))])).map(outcome), [
    'UNREACHABLE',
    'UNREACHABLE',
    'UNREACHABLE',
  ]);
  t.is(h.seen.dials, 3, 'one attempt');
  h.seen.refuse = false;
  t.is(outcome(await h.share([1])), 'done');
  t.is(outcome(await h.run(jobOf(1))), '7,10,15,22');
});

test.serial('another configuration makes another connection, and what is under way ends over its own', async (t) => {
  const h = watched();
  t.is(outcome(await h.share([1])), 'done');
  const other = { ...configuration, token: 'another' };
  const prepared = await h.prepare(jobOf(1));
  const replies = await Promise.all([h.run(jobOf(1)), h.share([1], other), h.run(jobOf(1), other)]);
  t.deepEqual(replies.map(outcome), ['7,10,15,22', 'done', '7,10,15,22']);
  t.deepEqual(
    replies.map((r) => r.session),
    [1, 2, 2],
  );
  t.is(h.seen.dials, 6);
  await t.throwsAsync(h.seen.links[0]!.send(new Uint8Array(1)), undefined, 'the first connection is closed');
  const start = await h.start((prepared as unknown as { answer: { outputs: number[][] } }).answer.outputs[0]![0]!);
  t.true('error' in start && /the configuration has changed/.test(start.error.message));
});

test.serial('a tensor is written once, whoever asks, and a run waits for it', async (t) => {
  const h = watched();
  const replies = await Promise.all([
    h.share([1, 2]),
    h.share([2, 1]),
    h.run(jobOf(2)),
    h.prepare(jobOf(1)),
    h.share([1]),
  ]);
  t.deepEqual(replies.map(outcome), ['done', 'done', '7,10,15,22', '1', 'done']);
  t.is(h.count('put'), 6, 'three nodes, two tensors');
  t.is(outcome(await h.start(1)), '7,10,15,22');
  t.is(outcome(await h.start(1)), 'INPUT_REFUSED');
});

test.serial('a tensor that is given up while a request uses it goes after that', async (t) => {
  const h = watched();
  await h.share([1]);
  const [run] = await Promise.all([h.run(jobOf(1)), h.free([1])]);
  t.is(outcome(run), '7,10,15,22');
  t.is(outcome(await h.run(jobOf(1))), 'missing 1');
  const [shared] = await Promise.all([h.share([2, 3]), h.free([3])]);
  t.is(outcome(shared), 'done');
  t.is(outcome(await h.run(jobOf(3))), 'missing 3', 'given up while it was written');
  t.is(outcome(await h.run(jobOf(2))), '7,10,15,22');
});

test.serial('a link that is lost between requests: the next one connects again', async (t) => {
  const h = watched();
  await h.share([1]);
  h.seen.links[1]!.close('cut by the test');
  const reply = await h.run(jobOf(1));
  t.is(outcome(reply), 'missing 1');
  t.is(reply.session, 2);
  await h.share([1]);
  t.is(outcome(await h.run(jobOf(1))), '7,10,15,22');
});

for (const [type, kinds] of Object.entries({
  put: ['share'],
  program: ['run', 'prepare'],
  prepare: ['run', 'prepare'],
})) {
  for (const kind of kinds) {
    test.serial(`a link that turns out to be dead at '${type}': ${kind} connects once more by itself`, async (t) => {
      const h = watched();
      await h.share([1]);
      let cuts = 1;
      h.seen.on = (frame) => frame === type && cuts-- > 0;
      const replies = await Promise.all(
        kind === 'share'
          ? [h.share([2]), h.share([2])]
          : kind === 'run'
            ? [h.run(jobOf(1)), h.run(jobOf(1))]
            : [h.prepare(jobOf(1))],
      );
      for (const reply of replies) {
        t.is(outcome(reply), kind === 'share' ? 'done' : 'missing 1', 'as a new session answers');
        t.is(reply.session, 2);
      }
      t.is(h.seen.dials, 6);
      await h.share([1]);
      t.is(outcome(await h.run(jobOf(1))), '7,10,15,22');
    });
  }
}

test.serial('a link that is dead twice is reported', async (t) => {
  const h = watched();
  await h.share([1]);
  h.seen.on = (frame) => frame === 'put';
  t.is(outcome(await h.share([2])), 'LINK_CLOSED');
  t.is(h.seen.dials, 6, 'one attempt more');
});

test.serial('once a run was started, a lost link is reported and nothing is asked again', async (t) => {
  const h = watched();
  await h.share([1]);
  h.seen.on = (frame) => frame === 'run';
  t.is(outcome(await h.run(jobOf(1))), 'LINK_CLOSED');
  t.is(h.seen.dials, 3);
  t.true(h.count('run') > 0);
  h.seen.on = () => false;
  t.is(outcome(await h.run(jobOf(1))), 'missing 1', 'the next request connects');
});

test.serial('a prepared run is not started again', async (t) => {
  const h = watched();
  await h.share([1]);
  t.is(outcome(await h.prepare(jobOf(1))), '1');
  h.seen.on = (frame) => frame === 'run';
  t.is(outcome(await h.start(1)), 'LINK_CLOSED');
  t.is(h.seen.dials, 3);
});
