import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { limits } from '../../src/limits.js';
import type { Beat, Snapshot } from '../../src/operation/dashboard/dashboard.js';
import type { ProgramPlan } from '../../src/operation/dashboard/program-plan.js';
import type { ShownRun } from '../../src/operation/dashboard/recent-runs.js';
import type { RunTraceFile } from '../../src/operation/dashboard/run-trace.js';
import { type Stream, Viewers } from '../../src/operation/dashboard/viewers.js';
import type { RunEnded } from '../../src/operation/events.js';
import { Operation } from '../../src/operation/operation.js';
import { type Engines, messageOf, startEngines, until } from '../engines.js';
import { askerOf, askSmall, publishSmall } from '../publishing.js';

const RUN: RunEnded = {
  kind: 'run',
  publisher: 'acme',
  subject: 'anna',
  model: 'sst2@1',
  outcome: 'OK',
  program: 'ab'.repeat(32),
  ms: 700,
  waitMs: 100,
  prepareMs: 200,
  onlineMs: 350,
  bytes: 1000,
  rounds: 7,
  peerMs: 50,
  work: [
    { op: 'gelu', ms: 120, bytes: 600, rounds: 4 },
    { op: 'matMul', ms: 160, bytes: 400, rounds: 3 },
    { op: '<b>', ms: 2, bytes: 0, rounds: 0 },
  ],
};

/** A watched node without an engine, or of one in this thread. */
async function watched(t: ExecutionContext, engines?: Engines, runLog?: string) {
  const operation: Operation = new Operation({
    node: 'party 0',
    release: '1.2.3',
    log: () => {},
    admin: { host: '127.0.0.1', port: 0 },
    ...(runLog !== undefined && { runLog }),
    ask: () => void setImmediate(() => operation.engine(engines?.party0.state() ?? [])),
    askPlan: (question) =>
      void setImmediate(() => {
        const plan = engines?.party0.plan(question.model, question.program);
        operation.planned({ ...question, plan });
      }),
  });
  const port = Number(new URL((await operation.open())!).port);
  t.teardown(() => operation.close());
  const answer = async (path: string, method = 'GET') => {
    const [response] = (await once(
      request({ host: '127.0.0.1', port, path, method, agent: false }).end(),
      'response',
    )) as [IncomingMessage];
    return response;
  };
  const read = async (path: string, method = 'GET') => {
    const response = await answer(path, method);
    let text = '';
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode, headers: response.headers, text };
  };
  const json = async <T>(path: string) => JSON.parse((await read(path)).text) as T;
  return { operation, port, answer, read, json };
}

/** Collects what a stream says. */
function eventsOf(response: IncomingMessage) {
  const events: { event: string; data: unknown }[] = [];
  let rest = '';
  response.setEncoding('utf8').on('error', () => {});
  response.on('data', (text: string) => {
    const whole = (rest + text).split('\n\n');
    rest = whole.pop()!;
    for (const block of whole) {
      const found = /^event: (\w+)\ndata: (.*)$/.exec(block);
      if (found) events.push({ event: found[1]!, data: JSON.parse(found[2]!) });
    }
  });
  return {
    beats: () => events.flatMap(({ event, data }) => (event === 'state' ? [data as Beat] : [])),
    runs: () => events.flatMap(({ event, data }) => (event === 'run' ? [data as ShownRun] : [])),
  };
}

test('the page and all that it loads come from the node, without script or style in the markup', async (t) => {
  const { read } = await watched(t);
  const page = await read('/');
  t.is(page.status, 200);
  t.is(page.headers['content-type'], 'text/html; charset=utf-8');
  t.is(
    page.headers['content-security-policy'],
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  t.notRegex(page.text, /\sstyle=|<style|\son\w+=|<script(?![^>]* src="\/)/);
  const seen = new Set<string>();
  const follow = async (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const { status, headers, text } = await read(path);
    t.is(status, 200, path);
    t.is(headers['content-security-policy'], page.headers['content-security-policy'], path);
    for (const [, other] of text.matchAll(/(?:href|src)="(\/[^"]*)"/g)) await follow(other!);
    if (path.endsWith('.js'))
      for (const [, other] of text.matchAll(/^import .* from '\.\/([\w-]+\.js)';$/gm))
        await follow(`/dashboard/${other}`);
  };
  await follow('/');
  for (const part of ['main.js', 'plots.js', 'perfetto.js', 'uplot.js', 'uplot.css', 'style.css'])
    t.true(seen.has(`/dashboard/${part}`), part);
  for (const path of [
    '/dashboard/../package.json',
    '/dashboard/%2e%2e/package.json',
    '/dashboard/',
    '/dashboard/uplot.d.ts',
  ])
    t.is((await read(path)).status, 404, path);
  for (const path of [
    '/runs/1/trace.json',
    '/models/none@1/programs/0',
    '/models/none@1/programs/x',
    '/runs/-1/trace.json',
  ])
    t.is((await read(path)).status, 404, path);
  for (const path of ['/', '/state', '/events']) t.is((await read(path, 'POST')).status, 405, path);
  t.is((await read('/events', 'HEAD')).text, '');
});

test('whatever the port is bound to, the dashboard is asked by an address or as localhost', async (t) => {
  // The same address, as no loopback
  const operation = new Operation({
    node: 'dealer',
    release: '1.2.3',
    log: () => {},
    admin: { host: '127.1', port: 0 },
    ask: () => {},
  });
  const port = Number(new URL((await operation.open())!).port);
  t.teardown(() => operation.close());
  const asked = async (path: string, host: string) => {
    const sent = request({ host: '127.0.0.1', port, path, agent: false, headers: { host } }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode;
  };
  for (const path of ['/', '/events', '/dashboard/main.js']) {
    t.is(await asked(path, 'rebound.example.org'), 421, path);
    t.is(await asked(path, 'node'), 421, path);
    t.is(await asked(path, 'localhost:9464'), 200, path);
    t.is(await asked(path, '192.0.2.1:9464'), 200, path);
  }
  t.is(await asked('/metrics', 'node:9464'), 200, 'a scraper knows it by name');
});

test('a run is shown with its times, and traced without names of anybody', async (t) => {
  const { operation, read, json, answer } = await watched(t);
  const stream = await answer('/events');
  const events = eventsOf(stream);
  t.true(await until(() => events.beats().length > 0));
  operation.event(RUN);
  operation.event({ ...RUN, outcome: 'BUSY', prepareMs: 0, onlineMs: 0, work: undefined });
  t.true(await until(() => events.runs().length === 2));
  const { runs } = await json<Snapshot>('/state');
  t.deepEqual(runs, events.runs());
  t.like(runs[0], {
    id: 1,
    model: 'sst2@1',
    program: 'abababababab',
    outcome: 'OK',
    ms: 700,
    onlineMs: 350,
    rounds: 7,
  });
  const text = (await read('/runs/1/trace.json')).text;
  const { traceEvents, otherData } = JSON.parse(text) as RunTraceFile;
  const slices = traceEvents.flatMap((e) => (e.ph === 'X' ? [[e.name, e.ts, e.dur]] : []));
  t.deepEqual(slices, [
    ['queue', 0, 100_000],
    ['prepare', 100_000, 200_000],
    ['start', 300_000, 50_000],
    ['online', 350_000, 350_000],
    ['matMul', 350_000, 160_000],
    ['gelu', 510_000, 120_000],
    ['other', 630_000, 2_000],
    ['waiting for the other party', 632_000, 50_000],
  ]);
  t.like(otherData, { node: 'party 0', run: 1, outcome: 'OK', model: 'sst2@1' });
  t.is((await json<RunTraceFile>('/runs/2/trace.json')).traceEvents.filter(({ ph }) => ph === 'X').length, 1);
  for (const name of ['anna', 'acme', '<b>']) t.false((text + JSON.stringify(runs)).includes(name), name);
  stream.destroy();
});

test('only the last runs are kept, and fewer traces', async (t) => {
  const { operation, json, read } = await watched(t);
  const all = limits.dashboardRuns + 20;
  for (let i = 0; i < all; i++) operation.event(RUN);
  const { runs, figures } = await json<Snapshot>('/state');
  t.is(runs.length, limits.dashboardRuns);
  t.is(runs.at(-1)!.id, all);
  t.deepEqual(figures.runs, { OK: all });
  t.is((await read(`/runs/${all - limits.dashboardTraces}/trace.json`)).status, 404);
  t.is((await read(`/runs/${all - limits.dashboardTraces + 1}/trace.json`)).status, 200);
});

test('troubles of the log: what kind, when and whose, and none of their texts', async (t) => {
  const { operation, json } = await watched(t);
  const log = operation.observing(() => {});
  log('aborted', { code: 'NO_PROGRESS', node: 'party 1', message: 'the text' });
  log('left', { node: 'dealer', why: 'the text' });
  log('left', { node: 'client', why: 'the text' });
  log('connected', { node: 'dealer' });
  log('unreachable', { node: 'a <b>', code: 'lower case', why: 'the text' });
  const { notes } = await json<Snapshot>('/state');
  t.deepEqual(
    notes.map(({ time: _, ...note }) => note),
    [
      { event: 'aborted', code: 'NO_PROGRESS', node: 'party 1' },
      { event: 'left', node: 'dealer' },
      { event: 'unreachable', code: 'other', node: 'other' },
    ],
  );
});

test('pages that watch are bounded, and all of them and their timer end with the node', async (t) => {
  const { operation, answer, read } = await watched(t);
  const streams = await Promise.all(Array.from({ length: limits.dashboardViewers }, () => answer('/events')));
  const all = streams.map(eventsOf);
  t.is((await read('/events')).status, 503);
  t.is((await read('/healthz')).status, 200, 'others are answered');
  t.true(await until(() => all.every(({ beats }) => beats().length > 1)));
  streams[0]!.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const again = await answer('/events');
  t.is(again.statusCode, 200);
  eventsOf(again);
  let closed = 0;
  for (const stream of [...streams.slice(1), again]) stream.on('close', () => closed++);
  await operation.close();
  t.true(await until(() => closed === limits.dashboardViewers));
});

test('a page that stops reading loses its place to one that reads', async (t) => {
  const { operation, answer } = await watched(t);
  const asleep = await Promise.all(Array.from({ length: limits.dashboardViewers }, () => answer('/events')));
  for (const stream of asleep) stream.on('error', () => {}).pause();
  let status: number | undefined;
  // What the system holds for a connection is some megabytes
  for (let burst = 0; burst < 200 && status !== 200; burst++) {
    for (let i = 0; i < 500; i++) operation.event(RUN);
    const next = await answer('/events');
    status = next.statusCode;
    next.on('error', () => {}).destroy();
  }
  t.is(status, 200);
  for (const stream of asleep) stream.destroy();
});

test('who does not read is dropped; nothing is told or asked while nobody watches', async (t) => {
  let asked = 0;
  const viewers = new Viewers(async () => ++asked);
  const open = (waits: number) => {
    const stream = { told: 0, destroyed: false, writableLength: waits, close: () => {} };
    const made: Stream & typeof stream = Object.assign(stream, {
      write: () => ++stream.told > 0,
      destroy() {
        stream.destroyed = true;
        stream.close();
      },
      on: (event: string, listener: () => void) => {
        if (event === 'close') stream.close = listener;
      },
    });
    return made;
  };
  viewers.send('run', RUN);
  t.is(asked, 0);
  const [reads, sleeps] = [open(0), open(limits.viewerBytes + 1)];
  viewers.add(reads);
  viewers.add(sleeps);
  viewers.send('run', RUN);
  t.true(sleeps.destroyed);
  t.false(reads.destroyed);
  t.is(viewers.count, 1);
  reads.destroy();
  const before = asked;
  await new Promise((resolve) => setTimeout(resolve, 1.2 * limits.dashboardMs));
  t.true(asked <= before + 1);
  viewers.close();
  const late = open(0);
  viewers.add(late);
  t.true(late.destroyed);
});

/** The value of a series, as a scraper reads it. */
const series = (text: string, name: string) => {
  const line = text.split('\n').find((l) => l.startsWith(`${name} `)) ?? `${name} 0`;
  return Number(line.slice(name.length));
};

test('figures are those of the metrics and of the run record, while runs are under way and after', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dashboard-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const gate = { opens: Promise.resolve(), open: () => {} };
  const engines = await startEngines(undefined, (_from, _to, link) => {
    const send = link.send.bind(link);
    link.send = async (frame) => {
      if (messageOf(frame).t === 'round') await gate.opens;
      return send(frame);
    };
  });
  t.teardown(() => engines.stop());
  const runLog = join(folder, 'runs');
  const { operation, json, read } = await watched(t, engines, runLog);
  // As they come
  const push = engines.events.push.bind(engines.events);
  engines.events.push = (...all) => {
    for (const { at, ...e } of all) if (at === 'party0') operation.event(e);
    return push(...all);
  };
  await publishSmall(engines);
  const compared = async () => {
    const [{ figures: f }, { text }] = [await json<Snapshot>('/state'), await read('/metrics')];
    t.is(
      f.runs.OK ?? 0,
      [...text.matchAll(/^secformer_runs_total\{.*outcome="OK"\} (\d+)$/gm)].reduce((n, m) => n + Number(m[1]), 0),
    );
    t.is(f.rounds, series(text, 'secformer_rounds_total'));
    t.is(f.runBytes, series(text, 'secformer_run_bytes_total'));
    t.is(f.underWay, series(text, 'secformer_runs{state="under way"}'));
    t.is(f.waiting, series(text, 'secformer_runs{state="waiting"}'));
    t.is(f.pool.runs, series(text, 'secformer_pool_runs'));
    t.is(f.memory.held, series(text, 'secformer_memory_bytes{kind="held"}'));
    t.is(f.memory.reserved, series(text, 'secformer_memory_bytes{kind="reserved"}'));
    t.is(f.models.served, series(text, 'secformer_models{state="served"}'));
    return f;
  };
  await compared();
  const asking = await askerOf(engines);
  t.teardown(() => asking.close());
  gate.opens = new Promise((resolve) => {
    gate.open = resolve;
  });
  const running = askSmall(asking);
  t.true(await until(() => [...engines.party0.runs.values()].some((run) => run.started)));
  t.is((await compared()).underWay, 1);
  gate.open();
  t.true((await running) < 2 ** -10);
  t.true(await until(() => readFileSync(runLog, 'utf8').includes('small@1')));
  const { runs } = await json<Snapshot>('/state');
  await compared();
  const lines = readFileSync(runLog, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.deepEqual(
    runs.map(({ model, outcome, ms, bytes }) => ({ model, outcome, ms: Math.round(ms), bytes })),
    lines.map(({ model, outcome, ms, bytes }) => ({ model, outcome, ms, bytes })),
  );
  // Known before anything ran, to the byte
  const plan = await json<ProgramPlan>('/models/small@1/programs/0');
  const asked = runs.at(-1)!;
  t.is(plan.total.rounds, asked.rounds);
  t.is(plan.total.bytes, asked.bytes);
  t.deepEqual(plan.programs, [
    [[4], [4, 3]],
    [[9], [9, 3]],
  ]);
  for (const figure of ['rounds', 'bytes', 'dealerBytes'] as const)
    t.is(
      plan.layers.reduce((n, layer) => n + layer[figure], 0),
      plan.total[figure],
      figure,
    );
  for (const figure of ['bytes', 'dealerBytes'] as const)
    t.is(
      plan.operations.reduce((n, o) => n + o[figure], 0),
      plan.total[figure],
      figure,
    );
  t.true(plan.operations.some(({ op }) => op === 'relu'));
  // What was measured of each operation is what was planned of it
  const { traceEvents } = await json<RunTraceFile>(`/runs/${asked.id}/trace.json`);
  for (const { op, bytes, rounds } of plan.operations)
    if (bytes > 0)
      t.deepEqual(
        traceEvents.flatMap((e) => (e.ph === 'X' && e.name === op ? [e.args] : [])),
        [{ bytes, rounds }],
        op,
      );
  t.is((await read('/models/small@1/programs/2')).status, 404);
});
