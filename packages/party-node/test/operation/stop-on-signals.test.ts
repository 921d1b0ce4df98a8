import { EventEmitter } from 'node:events';
import test from 'ava';
import { stopOnSignals } from '../../src/operation/stop-on-signals.js';

function made() {
  const said: unknown[] = [];
  let drained: (ended: boolean) => void = () => {};
  const signals = Object.assign(new EventEmitter(), { exit: (code: number) => void said.push(`exit ${code}`) });
  stopOnSignals(
    {
      drain: () => {
        said.push('drain');
        return new Promise((resolve) => {
          drained = resolve;
        });
      },
      stop: async () => void said.push('stop'),
    },
    (event, fields) => said.push([event, fields]),
    signals,
  );
  return { said, signals, drained: (ended: boolean) => drained(ended) };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('the first signal drains, stops and exits with 0', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const { said, signals, drained } = made();
    signals.emit(signal);
    await settled();
    t.deepEqual(said, ['drain']);
    drained(signal === 'SIGTERM');
    await settled();
    t.deepEqual(said, ['drain', 'stop', ['stopped', { ended: signal === 'SIGTERM' }], 'exit 0']);
  }
});

test('a second signal exits at once', async (t) => {
  const { said, signals } = made();
  signals.emit('SIGTERM');
  signals.emit('SIGINT');
  t.deepEqual(said, ['drain', 'exit 1']);
});
