/** GLUE's measures, of figures counted by hand, and the laws that they keep. */
import test from 'ava';
import fc from 'fast-check';
import { accuracy, f1, matthews, metrics, pearson, predicted, spearman } from '../src/index.js';

const near = (a: number, b: number) => Math.abs(a - b) < 1e-12;

test('of classes: 3 right of class 1, 1 wrong, 2 missed, 4 right of class 0', (t) => {
  const got = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
  const truth = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0];
  t.is(accuracy(got, truth), 0.7);
  t.is(f1(got, truth), 6 / 9);
  t.true(near(matthews(got, truth), (3 * 4 - 1 * 2) / Math.sqrt(4 * 5 * 5 * 6)));
  t.is(f1([0, 0], [0, 0]), 0);
  t.is(matthews([1, 1], [0, 1]), 0);
});

test('scores that are no numbers predict no class, and count as wrong whatever is right', (t) => {
  t.deepEqual(predicted([Number.NaN, Number.NaN, 1, 2, 0, Infinity, 3, Number.NaN], 2), [NaN, 1, NaN, NaN]);
  const got = [1, 1, 0, 0, Number.NaN, Number.NaN];
  const truth = [1, 1, 0, 0, 0, 1];
  t.is(accuracy(got, truth), 4 / 6);
  t.is(f1(got, truth), 4 / 6);
  t.true(near(matthews(got, truth), (2 * 2 - 1) / 9));
});

test('of numbers', (t) => {
  t.true(near(pearson([1, 2, 3, 4], [2, 4, 6, 9]), 11.5 / Math.sqrt(5 * 26.75)));
  // Ranks 1, 2.5, 2.5, 4 beside 1, 3, 2, 4
  t.true(near(spearman([10, 20, 20, 30], [1, 3, 2, 4]), 4.5 / Math.sqrt(4.5 * 5)));
  t.is(pearson([1, 1, 1], [1, 2, 3]), 0);
  // Of a model that has diverged
  t.true(Number.isNaN(metrics.correlation([1, Number.NaN, 2], [1, 2, 3])));
  t.true(near(metrics.correlation([1, 2, 4], [1, 2, 3]), (pearson([1, 2, 4], [1, 2, 3]) + 1) / 2));
});

test('laws: between their bounds, 1 of what is the same, the order of examples is nothing', (t) => {
  const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 0, max: 1 })), { minLength: 1 });
  fc.assert(
    fc.property(pairs, (all) => {
      const [a, b] = [all.map(([x]) => x), all.map(([, y]) => y)];
      const [ra, rb] = [[...a].reverse(), [...b].reverse()];
      for (const measure of Object.values(metrics)) {
        const value = measure(a, b);
        if (value < -1 - 1e-9 || value > 1 + 1e-9 || !near(value, measure(ra, rb))) return false;
      }
      return accuracy(a, a) === 1 && near(matthews(a, b), matthews(b, a));
    }),
  );
  t.pass();
});
