/** Nodes as processes of this machine end with the process that started them, where that is killed too. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';

const script = `
const { startLocalNodes } = await import(${JSON.stringify(new URL('../src/node.js', import.meta.url).href)});
const { processes } = await startLocalNodes();
console.log(Object.values(processes).map(({ pid }) => pid).join());
setInterval(() => undefined, 1000);
`;

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('no node is left where whoever started it is killed', async (t) => {
  t.timeout(120_000);
  const starter = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(starter.stdout), 'line')) as [string];
  const pids = line.split(',').map(Number);
  t.is(pids.length, 3);
  t.teardown(() => {
    for (const pid of pids.filter(isThere)) process.kill(pid, 'SIGKILL');
  });
  t.true(pids.every(isThere));
  starter.kill('SIGKILL');
  for (const until = Date.now() + 60_000; pids.some(isThere) && Date.now() < until; ) await setTimeout(50);
  t.deepEqual(pids.filter(isThere), []);
});

test('a process that loads it ends by itself, too', async (t) => {
  t.timeout(60_000);
  const loaded = new URL('../src/node/ends-with-parent.js', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', loaded, '-e', ''], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ends = AbortSignal.timeout(30_000);
  t.teardown(() => child.kill('SIGKILL'));
  t.deepEqual(await once(child, 'exit', { signal: ends }), [0, null]);
});
