/** Reads as programs make them: pending when the tensor goes, at once, in any order. */
import { prepare, share } from '@secformer/tfjs-mpc-backend';
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { normal, type Program, programs, repeated } from './program.js';

const x = () =>
  tf.tensor2d([
    [1, 2],
    [3, 4],
  ]);
const product = (): Tensor => x().matMul(normal([2, 3], 1) as never);
const secformer = () => tf.getBackend() === 'secformer';
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const reads: Program[] = programs('reads', {
  'disposed while it is read': async () => {
    const y = product();
    const p = y.data();
    y.dispose();
    return p;
  },
  'operands disposed while it is read': async () => {
    const a = x();
    const y = a.matMul(normal([2, 3], 1) as never);
    const p = y.data();
    tf.dispose([a, y]);
    return p;
  },
  'array begun in tidy': async () => {
    let p: Promise<unknown> | undefined;
    tf.tidy(() => {
      p = product().square().array();
    });
    return ((await p) as number[][]).flat();
  },
  'data begun in tidy, twice': async () => {
    const all: Promise<ArrayLike<number>>[] = [];
    tf.tidy(() => {
      const y = product();
      all.push(y.data(), y.relu().data());
    });
    return Promise.all(all);
  },
  'bytes begun in tidy': async () => {
    let p: Promise<Uint8Array> | undefined;
    tf.tidy(() => {
      p = product().greater(0).bytes() as Promise<Uint8Array>;
    });
    return p!;
  },
  "in an engine's scope that ends first": async () => {
    const engine = tf.engine();
    engine.startScope();
    const p = (() => {
      try {
        return product().data();
      } finally {
        engine.endScope();
      }
    })();
    return p;
  },
  'queued behind another and disposed': async () => {
    const [a, b] = [product(), product().square()];
    const reading = [a.data(), b.data()];
    tf.dispose([a, b]);
    return Promise.all(reading);
  },
  'eight at once': () => Promise.all(Array.from({ length: 8 }, (_, i) => product().add(i).data())),
  'the same tensor four times at once': async () => {
    const y = product();
    return Promise.all([y.data(), y.data(), y.array().then((a) => (a as number[][]).flat()), y.data()]);
  },
  'dataSync while data is under way': repeated(4, async () => {
    const y = product();
    const p = y.square().data();
    await wait(2);
    const now = y.dataSync();
    return [await p, now];
  }),
  'dataSync of the tensor that is being read': repeated(4, async () => {
    const y = product();
    const p = y.data();
    await wait(1);
    const now = y.dataSync();
    return [await p, now];
  }),
  'arraySync in tidy': () => tf.tidy(() => (product().arraySync() as number[][]).flat()),
  'share twice and read at once': repeated(3, async () => {
    const y = product();
    const all = secformer() ? [share(y), share(y), y.data()] : [0, 0, y.data()];
    return (await Promise.all(all))[2] as ArrayLike<number>;
  }),
  'prepared beside a read': repeated(3, async () => {
    const y = product();
    const [p, values] = await Promise.all([secformer() ? prepare(y) : undefined, y.data()]);
    return [(await p?.run())?.values ?? values, values];
  }),
  'read, then used further': async () => {
    const y = product();
    await y.data();
    return y.add(1).relu();
  },
  'read, then compared with what was read': async () => {
    const y = product();
    const best = (await y.max().data())[0]!;
    return y.equal(tf.scalar(best)).toFloat().sum(-1);
  },
  'an intermediate kept by tf.keep': () => {
    let kept: Tensor | undefined;
    const y = tf.tidy(() => {
      kept = tf.keep(product());
      return kept.relu();
    });
    const answer = [y, kept!.neg()];
    kept!.dispose();
    return answer;
  },
  'disposed before its result is read': () => {
    const a = product();
    const y = a.square();
    a.dispose();
    return y;
  },
  'a clone outlives the original': async () => {
    const a = product();
    const b = a.clone();
    a.dispose();
    return b;
  },
  'a clone disposed while the original is read': async () => {
    const a = product();
    const b = a.clone();
    const p = a.data();
    b.dispose();
    return p;
  },
  'a variable assigned while it is read': async () => {
    const v = tf.variable(normal([2, 2], 3));
    const p = v.matMul(x() as never).data();
    v.assign(normal([2, 2], 4));
    return [await p, await v.data()];
  },
  'an input disposed after predict': async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 3, inputShape: [2], kernelInitializer: 'ones' })],
    });
    const a = x();
    const y = model.predict(a) as Tensor;
    a.dispose();
    const p = y.data();
    y.dispose();
    return p;
  },
  'predict in tidy, array awaited outside': async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 3, inputShape: [2], kernelInitializer: 'ones', activation: 'softmax' })],
    });
    const p = tf.tidy(() => ({ values: (model.predict(x()) as Tensor).data() }) as never) as {
      values: Promise<ArrayLike<number>>;
    };
    return p.values;
  },
  'a model disposed while its prediction is read': async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 3, inputShape: [2], kernelInitializer: 'ones' })],
    });
    const p = (model.predict(x()) as Tensor).data();
    model.dispose();
    return p;
  },
  'all variables disposed while one is read': async () => {
    const p = tf
      .variable(normal([2, 2], 3))
      .matMul(x() as never)
      .data();
    tf.disposeVariables();
    return p;
  },
  'a read that nobody awaits, then another': async () => {
    const y = product();
    void y.square().data();
    y.dispose();
    return product();
  },
  'read in tidy by a callback': async () => {
    const p = tf.tidy(() => {
      const y = product();
      return [y.array(), y.max().data()] as never;
    }) as [Promise<number[][]>, Promise<ArrayLike<number>>];
    return [(await p[0]).flat(), await p[1]];
  },
  'dataSync of many in turn': () => [0, 1, 2, 3].map((i) => product().add(i).dataSync()),
  'pixels of an image': async () =>
    tf.browser.toPixels(tf.sigmoid(product().reshape([2, 3, 1])) as never) as unknown as ArrayLike<number>,
  'batches of a dataset': async () => {
    const w = normal([2, 3], 1);
    const batches = tf.data
      .array([
        [1, 2],
        [3, 4],
        [5, 6],
      ])
      .batch(2);
    const rows: number[] = [];
    await batches.forEachAsync(
      (batch) => void rows.push(...tf.tidy(() => Array.from(tf.matMul(batch as never, w as never).dataSync()))),
    );
    return rows;
  },
  'a callback after each batch': async () => {
    const rows: number[] = [];
    for (const from of [0, 1]) {
      const part = tf.tidy(() => product().slice([from, 0], [1, 3]));
      rows.push(...(await part.data()));
      part.dispose();
    }
    return rows;
  },
  'tf.time beside a read': async () => {
    const y = product();
    await tf.time(() => y.square());
    return y;
  },
  'print and toString': () => {
    product().toString();
    return product();
  },
  'nothing to read: an empty tensor': () => tf.tensor2d([], [0, 3]).add(1),
  'tf.nextFrame between': async () => {
    const y = product();
    await tf.nextFrame();
    return y;
  },
});
