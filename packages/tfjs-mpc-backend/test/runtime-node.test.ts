import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Request } from '../src/runtime/messages.js';
import { type Patience, Runtime } from '../src/runtime/node.js';

const compiled = fileURLToPath(new URL('../src/runtime/', import.meta.url));
const request = (id: number): Request => ({
  id,
  kind: 'share',
  writes: [],
  configuration: { suite: 'exact', fold: true, syncTimeoutMs: 1 },
});

/** Far longer than any of these tests takes where the thread's end is noticed. */
const LONG_MS = 60_000;
const patient: Patience = { startMs: LONG_MS, silentMs: LONG_MS };
const answering =
  'port.postMessage({ id: request.id, session: 7, answer: { outputs: [], setupMs: 0 } }); if (flag) { ' +
  'Atomics.store(flag, 0, 1); Atomics.notify(flag, 0); }';
const serving = (body: string) =>
  `export function serveSession(port) { port.on('message', ({ request, flag }) => { ${body} }); }`;

/** A runtime whose thread starts as the session's does, and then does what the test says. */
function runtimeOf(t: ExecutionContext, files: Record<string, string>, patience = patient): Runtime {
  const folder = mkdtempSync(join(tmpdir(), 'thread-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of ['session-worker.js', 'pulse.js']) copyFileSync(join(compiled, name), join(folder, name));
  for (const [name, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files }))
    writeFileSync(join(folder, name), text);
  return new Runtime(() => pathToFileURL(join(folder, 'session-worker.js')), patience);
}

const ends: Record<string, [Record<string, string>, RegExp]> = {
  'cannot load its modules': [
    { 'serve-session.js': "throw new Error('an addon is missing');" },
    /session's thread failed \(an addon is missing\)/,
  ],
  'has no modules': [{}, /session's thread failed \(Cannot find module/],
  'throws while it works': [
    { 'serve-session.js': serving("throw new Error('out of order');") },
    /session's thread failed \(out of order\)/,
  ],
  'rejects while it works': [
    { 'serve-session.js': serving("Promise.reject(new Error('no such thing'));") },
    /session's thread failed \(no such thing\)/,
  ],
  'is ended while it works': [
    { 'serve-session.js': serving('process.exit(3);') },
    /session's thread failed \(it ended/,
  ],
};

for (const [name, [files, message]] of Object.entries(ends)) {
  test(`a thread that ${name}: dataSync hears of it at once, data too`, async (t) => {
    const runtime = runtimeOf(t, files);
    const start = performance.now();
    t.throws(() => runtime.askSync(request(1), LONG_MS), { code: 'RUN_FAILED', message });
    const reply = await runtime.ask(request(2));
    t.true('error' in reply && message.test(reply.error.message));
    t.true(performance.now() - start < LONG_MS / 2);
  });
}

test(
  'a thread that hangs without a sign of life, or never runs, is given up before the time for an ' + 'answer is over',
  (t) => {
    const hang = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);';
    const hung = runtimeOf(t, { 'serve-session.js': serving(hang) }, { startMs: LONG_MS, silentMs: 2000 });
    t.throws(() => hung.askSync(request(1), LONG_MS), { code: 'RUN_FAILED', message: /gave no sign for 2000 ms/ });
    const unborn = runtimeOf(t, { 'session-worker.js': hang }, { startMs: 1000, silentMs: LONG_MS });
    t.throws(() => unborn.askSync(request(1), LONG_MS), {
      code: 'RUN_FAILED',
      message: /did not start within 1000 ms/,
    });
  },
);

test('a thread that is slow is waited for, as long as it lives and no longer than was said', (t) => {
  const slow = runtimeOf(
    t,
    { 'serve-session.js': serving(`setTimeout(() => { ${answering} }, 4000);`) },
    { startMs: LONG_MS, silentMs: 2500 },
  );
  t.is(slow.askSync(request(1), LONG_MS).session, 7);
  t.throws(() => slow.askSync(request(2), 300), { code: 'NO_PROGRESS', message: /waited 300 ms/ });
});

test('after a thread has failed the next request starts another', async (t) => {
  const once = "if (request.id === 1) throw new Error('once');";
  const runtime = runtimeOf(t, { 'serve-session.js': serving(`${once} ${answering}`) });
  t.throws(() => runtime.askSync(request(1), LONG_MS), { message: /once/ });
  t.is(runtime.askSync(request(2), LONG_MS).session, 7);
  // Events of the first thread's end come now, and are not the second's
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.is((await runtime.ask(request(3))).session, 7);
  t.true('error' in (await runtime.ask(request(1))));
  t.is((await runtime.ask(request(4))).session, 7);
});
