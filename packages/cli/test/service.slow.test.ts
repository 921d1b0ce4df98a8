/** The command as a process, at three nodes that know one another by keys. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { secretKeyText } from '@secformer/party-node';
import { type LocalService, startLocalService } from '@secformer/party-node/node';
import test from 'ava';
import { Files, type Ran, sst2 } from './commands.js';

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));
const files = new Files();
let service: LocalService;
let publisher: string[];
test.before(async () => {
  service = await startLocalService();
  const key = files.write('publisher.key', `${secretKeyText(service.publisher.secret)}\n`);
  publisher = ['--network', service.networkFile, '--key', key];
});
test.after.always(() => {
  service.stop();
  files.remove();
});

/** @param heard called with what it says on standard error so far, and the process */
function run(argv: string[], input = '', heard: (err: string, child: ChildProcess) => void = () => {}): Promise<Ran> {
  const child = spawn(process.execPath, [bin, ...argv], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdin.end(input);
  child.stdout.on('data', (d) => {
    out += d;
  });
  child.stderr.on('data', (d) => {
    err += d;
    heard(err, child);
  });
  const lines = (text: string) => text.split('\n').filter(Boolean);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, out: lines(out), err: lines(err) }));
  });
}

const publish = (version: string, ...more: string[]) =>
  ['publish', sst2, '--name', 'sst2', '--version', version, '--seq', '16', ...publisher, ...more] as const;

async function client(request: { quota?: { runs: number; seconds: number }; model?: string } = {}) {
  const { key, grant, id } = await service.grant({ model: 'sst2', subject: `s${performance.now()}`, ...request });
  return [
    '--network',
    service.networkFile,
    '--key',
    files.write(`${id}.key`, `${secretKeyText(key)}\n`),
    '--grant',
    files.write(`${id}.grant`, `${grant}\n`),
  ];
}

test.serial('a classifier is published, once, and asked by who may', async (t) => {
  t.timeout(240_000);
  const made = await run([...publish('1')]);
  t.is(made.code, 0, made.err.join('\n'));
  t.is(made.out[0], 'sst2@1 is published, with one program; a run of each:');
  t.regex(made.out[1]!, /^ids \[1,16\] {2}\d+ rounds/);
  t.false(made.err.some((line) => line.includes('TensorFlow')));
  const mine = await client({ quota: { runs: 2, seconds: 3600 } });
  const answered = await run(['ask', 'sst2@1', 'A delight.', ...mine]);
  t.is(answered.code, 0, answered.err.join('\n'));
  t.regex(answered.out.join(), /^positive {2}0\.99\d\d {2}A delight\.$/);
  const lines = await run(['ask', 'sst2', '--json', ...mine], 'A bore.\n\n');
  t.is(lines.code, 0, lines.err.join('\n'));
  t.like(JSON.parse(lines.out[0]!), { text: 'A bore.', label: 'negative' });
  const spent = await run(['ask', 'sst2', 'A delight.', ...mine]);
  t.is(spent.code, 4, spent.err.join('\n'));
  t.regex(spent.err.at(-1)!, /\(QUOTA_SPENT\); try again in \d+ minutes, after/);
  const foreign = await run(['ask', 'sst2', 'A delight.', ...(await client({ model: 'other' }))]);
  t.is(foreign.code, 3);
  t.regex(foreign.err.join(), /\(GRANT_REFUSED\)/);
  const stranger = await run(['publish', sst2, '--name', 'x', '--version', '1', '--seq', '16', ...mine.slice(0, 4)]);
  t.is(stranger.code, 3);
  t.regex(stranger.err.join(), /\(NOT_AUTHENTICATED\)/);
});

test.serial('what broke while it was published is published when the command is run again', async (t) => {
  t.timeout(240_000);
  let killed: Promise<void> | undefined;
  const broken = await run([...publish('2')], '', (err) => {
    if (err.includes('sharing its tensors')) killed ??= service.kill('party1');
  });
  await killed;
  t.is(broken.code, 1, broken.err.join('\n'));
  t.regex(broken.err.at(-1)!, /; .*run the same command again/);
  t.is(broken.out.length, 0);
  await service.restart('party1');
  const made = await run([...publish('2')]);
  t.is(made.code, 0, made.err.join('\n'));
  const answered = await run(['ask', 'sst2@2', 'A delight.', ...(await client())]);
  t.is(answered.code, 0, answered.err.join('\n'));
  t.regex(answered.out.join(), /^positive/);
});

test.serial('what Ctrl-C ends is published when the command is run again at once', async (t) => {
  t.timeout(240_000);
  for (const phase of ['sharing its tensors', 'storing it at the nodes']) {
    let told = false;
    const ended = await run([...publish('3')], '', (err, child) => {
      if (!told && err.includes(phase)) told = child.kill('SIGINT');
    });
    t.is(ended.code, 130, ended.err.join('\n'));
    t.is(ended.err.at(-1), 'secformer: interrupted; nothing of it is published');
  }
  const made = await run([...publish('3')]);
  t.is(made.code, 0, made.err.join('\n'));
});

test.serial('nodes that are not there are said to be so', async (t) => {
  t.timeout(60_000);
  const { code, err } = await run(['ask', 'sst2', 'A delight.', ...files.flags]);
  t.is(code, 1);
  t.regex(err.join(), /\(UNREACHABLE\); run the same command again/);
});
