import { Arena } from '@secformer/ring';
import test from 'ava';
import { limits } from '../src/limits.js';
import { MaterialQueue } from '../src/node/material-queue.js';

const wait = (p: Promise<void>) => p;
const chunk = (n: number, first: number) => Uint8Array.from({ length: n }, (_, i) => (first + i) & 255);

test('corrections come out in order, whatever the chunks they came in', async (t) => {
  const queue = new MaterialQueue(new Arena(2 ** 20));
  for (let at = 0; at < 1000; at += 100) queue.push(chunk(100, at));
  let at = 0;
  for (const n of [0, 40, 60, 1, 250, 649]) {
    t.deepEqual(Uint8Array.from(await queue.take(n, wait)), chunk(n, at));
    at += n;
  }
});

test('a correction larger than the dealer’s lead still comes', async (t) => {
  const queue = new MaterialQueue(new Arena(2 ** 20));
  // A dealer that sends as much as was credited, and has sent its lead already
  let window = 0;
  const part = new Uint8Array(limits.frameBytes);
  const send = () => {
    for (; window >= part.length; window -= part.length) queue.push(part);
  };
  queue.onTaken = (bytes) => {
    window += bytes;
    setImmediate(send);
  };
  window = limits.dealerLeadBytes;
  send();
  const n = limits.dealerLeadBytes + 10 * limits.frameBytes;
  t.is((await queue.take(n, wait)).length, n);
});

test('what is filled is all there is, or all that may come', async (t) => {
  const queue = new MaterialQueue(new Arena(2 ** 20));
  queue.push(new Uint8Array(1000));
  await queue.filled(limits.dealerLeadBytes, 1000, wait);
  await t.throwsAsync(() => queue.filled(limits.dealerLeadBytes, 2 ** 40, () => Promise.reject(new Error('waited'))), {
    message: 'waited',
  });
});
