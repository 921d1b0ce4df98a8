/**
 * Nothing that the nodes see depends on values that are not public: every kernel, under every suite, on integers and
 * floats of every kind. A kernel of the table without a case here fails the test.
 */
import { isDeepStrictEqual } from 'node:util';
import { suites } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs';
import test, { type ExecutionContext } from 'ava';
import { type Visible, whatNodesSee } from '../src/audit.js';
import type { SecformerBackend } from '../src/backend.js';
import { asPublic, configure } from '../src/index.js';
import { secretKernels } from '../src/kernels/index.js';
import { protocols } from './harness.js';
import { type Case, cases, patterns } from './kernel-cases.js';
import { Own } from './own-filling.js';

test.serial.afterEach.always(() => protocols());
/** What the nodes see of each result; what no secret went into meets one first. */
function seen(f: Case, variant: number): Visible[] {
  let visible: Visible[] = [];
  tf.tidy(() => {
    const own = new Own(variant);
    const b = tf.backend() as SecformerBackend;
    visible = [f(own)]
      .flat()
      .map((t) =>
        whatNodesSee(b.privacy(t) === 'secret' ? t : tf.mul(own.x<tf.Tensor>(t.shape), tf.cast(t, 'float32'))),
      );
  });
  return visible;
}

/** A case's name in whatever it throws. */
function named<T>(name: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * All that the planner is given is the same for all values: so is the program, which is made for the first two of them
 * and compared.
 */
function check(t: ExecutionContext, name: string, f: Case): void {
  const first = named(name, () => seen(f, 0));
  for (let variant = 1; variant < Own.variants; variant++) {
    named(name, () => seen(f, variant)).forEach((now, i) => {
      const what = `${name}, result ${i}, values ${variant}`;
      const before = first[i]!;
      if (variant === 1) {
        const hash = named(name, () => before.hash);
        t.is(
          named(name, () => now.hash),
          hash,
          `${what}: another program`,
        );
      }
      if (isDeepStrictEqual(now.planned, before.planned)) return;
      t.deepEqual(now.graph, before.graph, `${what}: another graph`);
      t.deepEqual(now.writes, before.writes, `${what}: other tensors are shared`);
      t.fail(`${what}: planned otherwise`);
    });
  }
}

test.serial('every kernel that takes secrets has a case, which is of that kernel', async (t) => {
  t.deepEqual(Object.keys(cases).sort(), Object.keys(secretKernels).sort());
  for (const [name, f] of Object.entries(cases)) {
    const { kernelNames } = await tf.profile(() => tf.tidy(() => [f(new Own(4))].flat()[0]!));
    t.true(kernelNames.includes(name), `${name}: ${kernelNames}`);
  }
});

for (const suite of Object.keys(suites)) {
  test.serial(`what the nodes see does not depend on values, suite ${suite}`, (t) => {
    t.timeout(240_000);
    // What is folded is so before any suite is asked; 2Quad masks otherwise
    for (const fold of suite === 'exact' || suite === 'fast' ? [false, true] : [false]) {
      configure({ suite, fold });
      for (const [name, f] of Object.entries({ ...cases, ...patterns }))
        check(t, `${name}${fold ? ', folded' : ''}`, f);
    }
  });
}

test.serial('the check sees what does: public indices, and numbers', (t) => {
  const open: Case = (own) => tf.gatherND(own.floats([4, 5]), asPublic(own.ints<tf.Tensor>([3, 2], 4)));
  t.not(seen(open, 2)[0]!.hash, seen(open, 4)[0]!.hash);
  t.true(JSON.stringify(seen(open, 3)[0]!.program.constants).includes('18,18,18'));
  const number: Case = (own) => tf.add(own.floats([2]), own.ints<tf.Tensor>([1], 9).dataSync()[0]! + 0.3);
  t.not(seen(number, 0)[0]!.hash, seen(number, 3)[0]!.hash);
});

test.serial('plaintext of what is not public is nothing that a program could be made of', (t) => {
  const b = tf.backend() as SecformerBackend;
  t.throws(() => b.plain(tf.tensor1d([1, 2], 'int32')), { code: 'NOT_PUBLIC', message: /asPublic/ });
  t.throws(() => b.plain(tf.tensor1d([1, 2])), { code: 'NOT_PUBLIC' });
  t.throws(() => b.ownPlain(tf.tensor1d([1, 2])), { code: 'NOT_PLAIN' });
  t.throws(() => b.ownPlain(tf.add(tf.tensor1d([1, 2]), 1)), { code: 'NOT_PLAIN' });
  t.deepEqual(Array.from(b.plain(asPublic(tf.tensor1d([1, 2], 'int32'))).values as Int32Array), [1, 2]);
  t.deepEqual(Array.from(b.ownPlain(tf.tensor1d([1, 2], 'int32')).values as Int32Array), [1, 2]);
});
