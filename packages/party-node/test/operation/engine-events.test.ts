import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type NodeError, type RunRequest, Session } from '../../src/index.js';
import { NODES } from '../../src/wire/tokens.js';
import { messageOf, startEngines, until } from '../engines.js';

const gelu: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2] },
    { op: 'gelu', form: 'erf', in: [0], shape: [2] },
  ],
  outputs: [1],
};
const request: RunRequest = { graph: gelu, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' };

/** Nodes whose parties exchange nothing while `held` is set. */
async function heldEngines() {
  const hold = { held: false, release: () => {} };
  let open: Promise<void> = Promise.resolve();
  const engines = await startEngines(undefined, (_from, _to, link) => {
    const send = link.send.bind(link);
    link.send = async (frame) => {
      if (hold.held && messageOf(frame).t === 'round') await open;
      return send(frame);
    };
  });
  return {
    ...engines,
    hold() {
      hold.held = true;
      open = new Promise((resolve) => {
        hold.release = resolve;
      });
    },
    release() {
      hold.held = false;
      hold.release();
    },
  };
}

async function sessionOf(engines: Awaited<ReturnType<typeof heldEngines>>): Promise<Session> {
  const session = await Session.connect((role) => engines.dial(role), engines.token);
  await session.write(1, Float32Array.of(1, -1), [2]);
  return session;
}

test('each run that is over is told of once at each node, with its times and costs', async (t) => {
  const engines = await heldEngines();
  t.teardown(() => engines.stop());
  const session = await sessionOf(engines);
  const { record } = await session.run(request);
  t.true(await until(() => engines.events.filter(({ kind }) => kind === 'run').length === 3));
  const runs = engines.events.flatMap((e) => (e.kind === 'run' ? [e] : []));
  t.deepEqual(runs.map(({ at }) => at).sort(), [...NODES].sort());
  t.is(new Set(runs.map(({ program }) => program)).size, 1);
  for (const { at, outcome, program, ms, prepareMs, onlineMs, bytes, rounds } of runs) {
    t.is(outcome, 'OK');
    t.regex(program, /^[0-9a-f]{64}$/);
    t.true(prepareMs > 0 && onlineMs > 0 && ms >= prepareMs + onlineMs, at);
    t.true(bytes > 0);
    t.is(rounds, at === 'dealer' ? 0 : record.rounds, at);
  }
  const [memory, queue, pool, models] = engines.party0.state();
  t.is(memory!.kind, 'memory');
  t.true((memory as { held: number }).held > 0, 'the tensor and the Program');
  t.deepEqual(queue, { kind: 'queue', waiting: 0, underWay: 0 });
  t.deepEqual(pool, { kind: 'pool', runs: 0, preparing: 0, bytes: 0 });
  t.deepEqual(models, { kind: 'models', models: [] });
  session.close();
});

test('a drained node begins no run, and waits for the one that is under way', async (t) => {
  const engines = await heldEngines();
  t.teardown(() => engines.stop());
  const session = await sessionOf(engines);
  const other = await sessionOf(engines);
  engines.hold();
  const running = session.run(request);
  t.true(await until(() => [...engines.party0.runs.values()].some((run) => run.started)));
  t.deepEqual(engines.party0.state()[1], { kind: 'queue', waiting: 0, underWay: 1 });
  let drained = false;
  const drain = engines.party0.drain().then(() => {
    drained = true;
  });
  const refused = t.throwsAsync(other.run(request));
  t.true(await until(() => engines.events.some((e) => e.kind === 'refused' && e.at === 'party0' && e.code === 'BUSY')));
  t.false(drained);
  other.close();
  await refused;
  engines.release();
  const { outputs } = await running;
  t.true(Math.abs(outputs[0]![0]! - 0.8413447) < 1e-4);
  await drain;
  t.is(engines.party0.runs.size, 0);
  await engines.dealer.drain();
  session.close();
});

test('a drain gives up what is prepared and not started', async (t) => {
  const engines = await heldEngines();
  t.teardown(() => engines.stop());
  const session = await sessionOf(engines);
  const prepared = await session.prepare(request);
  t.is(engines.party1.runs.size, 1);
  await engines.party1.drain();
  t.true(await until(() => NODES.every((role) => engines[role].runs.size === 0)));
  const error = await t.throwsAsync<NodeError>(prepared.run());
  t.is(error?.node, 'party 1');
  session.close();
});

test('a run that is left when a node stops is told of too', async (t) => {
  const engines = await heldEngines();
  t.teardown(() => engines.stop());
  const session = await sessionOf(engines);
  engines.hold();
  const running = t.throwsAsync(session.run(request));
  t.true(await until(() => [...engines.party0.runs.values()].some((run) => run.started)));
  const drained = engines.party0.drain();
  engines.party0.stop();
  await drained;
  const ended = engines.events.flatMap((e) => (e.kind === 'run' && e.at === 'party0' ? [e.outcome] : []));
  t.deepEqual(ended, ['LINK_CLOSED']);
  engines.release();
  await running;
});
