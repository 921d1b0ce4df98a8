/** What is seen of a training: lines, or a bar on a terminal. */
import { Writable } from 'node:stream';
import test from 'ava';
import { clock, ProgressBar } from '../src/command/terminal.js';

const progress = (step: number, value?: number) => ({
  step,
  steps: 40,
  stage: 'logits',
  loss: 0.25,
  last: value === undefined ? undefined : { loss: 1, metrics: { accuracy: value }, arguments: [] },
  best: value,
  secondsLeft: 4000 - 100 * step,
});

test('times are as clocks have them', (t) => {
  t.deepEqual([0, -1, 59.2, 75, 4000].map(clock), ['0:00', '0:00', '1:00', '1:15', '1:06:40']);
});

test('elsewhere than on a terminal there is a line at the start and one for each tenth', (t) => {
  const lines: string[] = [];
  const bar = new ProgressBar({ out: () => t.fail(), err: (line) => lines.push(line), bar: undefined });
  for (let step = 1; step <= 40; step++) bar.show(progress(step, step > 20 ? 0.75 : undefined));
  bar.stop();
  t.is(lines.length, 11);
  t.is(lines[0], 'step 1 of 40, logits: loss 0.2500, 1:05:00 left');
  t.is(lines[10], 'step 40 of 40, logits: loss 0.2500, accuracy 0.7500  0:00 left');
});

test('on a terminal there is a bar with loss, measure and time left, and nothing of it stays', (t) => {
  let shown = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      shown += String(chunk);
      done();
    },
  });
  Object.assign(stream, { isTTY: true, columns: 120, rows: 20, cursorTo() {}, clearLine() {}, moveCursor() {} });
  const bar = new ProgressBar({ out: () => t.fail(), err: () => t.fail(), bar: stream as never });
  for (let step = 1; step <= 40; step++) bar.show(progress(step, 0.5));
  bar.stop();
  t.regex(shown, /1\/40 logits {2}loss 0\.2500 {2}accuracy 0\.5000 {2}left 1:05:00/);
  bar.stop();
});
