/** Models whose weights are the same whenever they are made. */
import type { LayersModel } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';

const LIMIT = 0.5;

/** Weights between −½ and ½, variances between ½ and 1½. */
export function seeded<M extends LayersModel>(model: M): M {
  const names = model.weights.map((w) => w.name);
  model.setWeights(
    model.getWeights().map((w, i) => {
      const middle = /variance|gamma/.test(names[i]!) ? 1 : 0;
      return tf.randomUniform(w.shape, middle - LIMIT, middle + LIMIT, 'float32', i + 1);
    }),
  );
  return model;
}
