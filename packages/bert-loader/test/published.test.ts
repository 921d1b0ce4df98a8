/** Which program of a published model a text goes to, and what an answer says. */
import test from 'ava';
import { answerOf, batchesOf, ModelFileError, textShapes } from '../src/index.js';

test('a text goes to the smallest length that it fits into, and to the largest where it fits into none', (t) => {
  const shapes: [number, number][] = [
    [1, 64],
    [1, 16],
    [4, 16],
  ];
  t.deepEqual(batchesOf([5, 17, 100, 16], shapes), [
    { texts: [0, 3], rows: 4, length: 16 },
    { texts: [1], rows: 1, length: 64 },
    { texts: [2], rows: 1, length: 64 },
  ]);
  t.deepEqual(batchesOf([5], shapes), [{ texts: [0], rows: 1, length: 16 }]);
  const five = batchesOf([1, 1, 1, 1, 1], [[4, 16]]);
  t.deepEqual(
    five.map((b) => b.texts),
    [[0, 1, 2, 3], [4]],
  );
  t.deepEqual(batchesOf([], shapes), []);
});

const manifestOf = (...shapes: number[][]) =>
  ({
    name: 'm',
    version: '1',
    programs: shapes.map((shape) => ({
      inputs: ['ids', 'mask', 'segments'].map((name) => ({ name, shape, dtype: 'int32' })),
    })),
  }) as never;

test('programs of other inputs, and of more tokens than a client makes, are passed over', (t) => {
  t.deepEqual(textShapes(manifestOf([1, 16], [2 ** 20, 2], [0, 16], [1, 16, 3], [2, 8])), [
    [1, 16],
    [2, 8],
  ]);
  t.throws(() => textShapes(manifestOf([3])), { instanceOf: ModelFileError, message: /m@1: takes ids: int32 \[3\]/ });
});

test('a classifier’s scores are labels, and all else is numbers', (t) => {
  const one = { labels: ['no', 'yes'], several: false };
  const answer = answerOf('logits', [2], Float32Array.of(0, Math.log(3)), one);
  t.like(answer, { label: 'yes' });
  t.true('probability' in answer && Math.abs(answer.probability - 0.75) < 1e-6);
  const several = answerOf('logits', [2], Float32Array.of(0, 0), { labels: [], several: true });
  t.deepEqual(several, {
    label: 'LABEL_0',
    probability: 0.5,
    scores: [
      { label: 'LABEL_0', probability: 0.5 },
      { label: 'LABEL_1', probability: 0.5 },
    ],
  });
  t.deepEqual(answerOf('logits', [1], Float32Array.of(2.5), one), { shape: [1], values: [2.5] });
  t.deepEqual(answerOf('embed', [2], Float32Array.of(1, 2), one), { shape: [2], values: [1, 2] });
});
