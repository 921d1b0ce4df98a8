import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@secformer/ring';
import test from 'ava';
import { lineLog, redacted } from '../../src/operation/log.js';

test('one line of JSON an event: time, event, fields', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  const file = join(folder, 'log');
  const fd = openSync(file, 'w');
  t.teardown(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const log = lineLog(fd);
  log('run', { mode: 'ahead', ms: 12 });
  log('ready');
  log('failed', { why: 'two\nlines "quoted"' });
  const lines = readFileSync(file, 'utf8').split('\n');
  t.is(lines.pop(), '');
  t.regex(lines[0]!, /^\{"time":"\d{4}-\d\d-\d\dT[\d:.]+Z","event":"run","mode":"ahead","ms":12\}$/);
  t.deepEqual(Object.keys(JSON.parse(lines[1]!)), ['time', 'event']);
  t.is(JSON.parse(lines[2]!).why, 'two\nlines "quoted"');
});

test('what may be a secret is not printed, by its name and by its type, at any depth', (t) => {
  const text = JSON.stringify(
    redacted({
      token: 'open sesame',
      pairTokens: { dealer: 'open sesame' },
      grant: 'open sesame',
      seed: [1, 2, 3],
      tlsKey: 'open sesame',
      secret: new Secret(new Uint8Array(32).fill(7)),
      deep: { er: { key: 'open sesame', list: [{ seed: 'open sesame' }], share: Uint32Array.of(77_777) } },
      other: new Secret(new Uint8Array(32).fill(7)),
      deepest: { a: { b: { c: { d: { e: 'open sesame' } } } } },
      buffer: new ArrayBuffer(4),
      why: 'a reason',
      key: `ed25519:${'A'.repeat(43)}`,
      dataKey: `ed25519-secret:${'open sesame'}`,
      count: 3,
    }),
  );
  t.notRegex(text, /open sesame|77777|:7[,}]/);
  t.regex(text, /"key":"ed25519:A{43}"/, 'which is public');
  t.true(text.includes('"other":"[Secret]"') && text.includes('"why":"a reason"') && text.includes('"count":3'));
  t.true(text.includes('"share":"[4 bytes]"') && text.includes('"buffer":"[4 bytes]"'));
});
