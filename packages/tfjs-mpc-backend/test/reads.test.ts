import * as tf from '@tensorflow/tfjs';
import test from 'ava';

import { sample } from './harness.js';

const given = (seed = 1) => tf.tensor2d(sample(24, -2, 2, seed), [4, 6]);
const close = (got: ArrayLike<number>, want: ArrayLike<number>) => got.length === want.length && Array.from(got).every((v, i) => Math.abs(v - want[i]!) < 1e-3);
const held = () => [tf.memory().numTensors, tf.engine().backend.numDataIds()];
const squares = (seed = 1) => sample(24, -2, 2, seed).map((v) => v * v);

test.serial('a tensor may be disposed of while it is read, in every way', async (t) => {
  const before = held();
  const ways: Record<string, () => Promise<ArrayLike<number>>> = {
    dispose: () => {
      const x = given();
      const y = x.square();
      const p = y.data();
      tf.dispose([x, y]);
      return p;
    },
    tidy: () => {
      let p: Promise<ArrayLike<number>> | undefined;
      tf.tidy(() => {
        p = given().square().data();
      });
      return p!;
    },
    array: () => {
      let p: Promise<number[][]> | undefined;
      tf.tidy(() => {
        p = given().square().array();
      });
      return p!.then((rows) => rows.flat());
    },
    bytes: () => {
      let p: Promise<Uint8Array> | undefined;
      tf.tidy(() => {
        p = given().square().bytes() as Promise<Uint8Array>;
      });
      return p!.then((b) => new Float32Array(b.buffer, b.byteOffset, b.byteLength / 4));
    },
    scope: async () => {
      tf.engine().startScope();
      try {
        return given().square().data();
      } finally {
        tf.engine().endScope();
      }
    },
    'held scope': async () => {
      tf.engine().startScope();
      try {
        return await given().square().data();
      } finally {
        tf.engine().endScope();
      }
    },
  };
  for (const [name, way] of Object.entries(ways)) t.true(close(await way(), squares()), name);
  const all = await Promise.all(Object.values(ways).map((way) => way()));
  t.true(
    all.every((got) => close(got, squares())),
    'queued behind one another',
  );
  t.deepEqual(held(), before);
});
