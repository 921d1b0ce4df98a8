/** Which students are told to leave the ranges that protocols hold. */
import test from 'ava';
import { rangesLeft } from '../src/train/ranges.js';
import type { RunRecord } from '../src/train/record.js';

const at = (step: number, ranges: [number, number][]) => ({ step, loss: 1, metrics: {}, arguments: ranges });

/** A record whose second evaluation is the best of three, with the ranges given. */
const record = (model: Record<string, unknown>, ranges: [number, number][]): RunRecord => ({
  task: 'sst2',
  backend: 'cpu',
  settings: { model },
  steps: 3,
  curve: [],
  evaluations: [at(1, [[-1e9, 1e9]]), at(2, ranges), at(3, [[-1e9, 1e9]])],
  best: { step: 2, metric: 'accuracy', value: 1 },
  seconds: 1,
  fittingSeconds: 0,
  ended: 'all steps',
});

test('each function has its bound, and the layers beyond it are told', (t) => {
  const cases: [model: Record<string, unknown>, range: [number, number], left: boolean][] = [
    [{}, [-1e6, 1e6], false],
    [{ attention_function: '2quad' }, [-2000, 2000], false],
    [{ attention_function: '2quad' }, [-2100, 3], true],
    [{ softmax: '2quad' }, [-2100, 3], true],
    [{ attention_function: 'cgf' }, [-653, 9.5], false],
    [{ attention_function: 'cgf' }, [-653, 9.9], true],
    [{ attention_function: 'power', attention_power: 2 }, [-1000, 100], false],
    [{ attention_function: 'power', attention_power: 2 }, [-1000, 200], true],
    [{ attention_function: 'power', attention_power: 1 }, [-1000, 200], false],
    [{ attention_function: 'power', attention_power: 1 }, [-1000, 600], true],
  ];
  for (const [model, range, left] of cases)
    t.is(rangesLeft(record(model, [[0, 1], range])).length, left ? 1 : 0, JSON.stringify([model, range]));
  t.regex(
    rangesLeft(
      record({ attention_function: 'cgf' }, [
        [0, 1],
        [-3, 11.56],
      ]),
    )[0]!,
    /^layer 2: arguments of cgf up to 11\.6 in the development set, where protocols hold 9\.7: private answers/,
  );
});

test('a training that was not evaluated says nothing', (t) => {
  t.deepEqual(rangesLeft({ ...record({ attention_function: 'cgf' }, []), best: undefined, evaluations: [] }), []);
});
