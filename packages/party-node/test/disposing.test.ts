/** What is closed at the end of a block. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { asyncDispose, dispose, Session } from '../src/index.js';
import { serve, startTrio } from '../src/node.js';

test('a session and the nodes that a program has started end with their block', async (t) => {
  const sessions: Session[] = [];
  const dial = await (async () => {
    await using trio = startTrio();
    using session = await Session.connect(trio.dial, trio.token);
    await using other = await Session.connect(trio.dial, trio.token);
    sessions.push(session, other);
    await session.write(1, Float32Array.of(1), [1]);
    t.deepEqual(
      sessions.map((s) => s.dead),
      [undefined, undefined],
    );
    return trio.dial;
  })();
  for (const s of sessions) {
    t.is(s.dead?.code, 'LINK_CLOSED');
    await t.throwsAsync(s.write(2, Float32Array.of(1), [1]), { code: 'LINK_CLOSED' });
  }
  t.is(typeof dial, 'function');
});

test('a node that listens stops with its block', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-disposing-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => {
    writeFileSync(join(folder, name), Buffer.alloc(32, name).toString('base64'), { mode: 0o600 });
    return join(folder, name);
  };
  const port = await (async () => {
    await using node = await serve({
      role: 'dealer',
      host: '127.0.0.1',
      port: 0,
      nodeTokenFile: file('node'),
      clientTokenFile: file('client'),
      dials: {},
      log: () => {},
    });
    t.is((await fetch(`http://127.0.0.1:${node.port}`)).status, 426);
    return node.port;
  })();
  await t.throwsAsync(fetch(`http://127.0.0.1:${port}`));
});

test('where the symbols are missing, those of the registry take their place', (t) => {
  t.is(dispose, Symbol.dispose);
  t.is(asyncDispose, Symbol.asyncDispose);
  const text = readFileSync(new URL('../src/disposing.js', import.meta.url), 'utf8').replaceAll('export ', '');
  const without = { for: (name: string) => Symbol.for(name) };
  const made = runInNewContext(`${text}\n;[dispose, asyncDispose]`, { Symbol: without }) as symbol[];
  t.is(made[0], Symbol.for('Symbol.dispose'));
  t.is(made[1], Symbol.for('Symbol.asyncDispose'));
});
