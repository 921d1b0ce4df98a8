import test from 'ava';
import { Window } from '../src/client/window.js';

/** Lets every promise that can go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('as many are in as fit together, in the order in which they came', async (t) => {
  const window = new Window(10, 3);
  const inside: string[] = [];
  const leave = new Map<string, () => void>();
  const enter = (name: string, bytes: number) =>
    window.enter(bytes).then((out) => {
      inside.push(name);
      leave.set(name, out);
    });
  for (const [name, bytes] of Object.entries({ a: 6, b: 6, c: 1, d: 1, e: 1 })) void enter(name, bytes);
  await settle();
  t.deepEqual(inside, ['a'], 'c would fit, and does not pass b');
  leave.get('a')!();
  await settle();
  t.deepEqual(inside, ['a', 'b', 'c', 'd'], 'three at a time');
  leave.get('c')!();
  await settle();
  t.deepEqual(inside, ['a', 'b', 'c', 'd', 'e']);
});

test('what is larger than all goes alone', async (t) => {
  const window = new Window(10, 3);
  const small = await window.enter(1);
  let isIn = false;
  const large = window.enter(100).then((leave) => {
    isIn = true;
    return leave;
  });
  await settle();
  t.false(isIn);
  small();
  const leave = await large;
  let next = false;
  void window.enter(0).then(() => {
    next = true;
  });
  await settle();
  t.false(next);
  leave();
  await settle();
  t.true(next);
});
