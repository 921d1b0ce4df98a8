import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { type Configuration, configure } from '../src/index.js';

/** Every operation at the nodes, those on the caller's own values too: what a test of a protocol wants. */
export function protocols(configuration: Configuration = {}): void {
  configure({ fold: false, ...configuration });
}

test.before(async (t) => {
  t.timeout(60_000);
  protocols();
  t.true(await tf.setBackend('secformer'));
});

/** Numbers that are the same in every run. */
export function sample(n: number, low: number, high: number, seed = 1): Float32Array {
  let s = seed;
  return Float32Array.from({ length: n }, () => {
    s = (s * 16807) % 2147483647;
    return low + ((high - low) * s) / 2147483647;
  });
}

/** The same function on 'cpu' and here; the largest difference. Shape, type and array must be the same. */
export async function difference(f: () => tf.Tensor): Promise<number> {
  await tf.setBackend('cpu');
  const want = tf.tidy(f);
  const [plain, shape, dtype] = [want.dataSync().slice(), want.shape, want.dtype];
  await tf.setBackend('secformer');
  const got = tf.tidy(f);
  const data = await got.data();
  if (got.shape.join() !== shape.join() || got.dtype !== dtype || data.constructor !== plain.constructor)
    throw new Error(`${got.dtype} [${got.shape}], on cpu ${dtype} [${shape}]`);
  got.dispose();
  return Array.from(plain).reduce((worst, v, i) => Math.max(worst, Math.abs(v - data[i]!)), 0);
}
