import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import '../src/index.js';

const folder = fileURLToPath(new URL('../../../../../shared/models/layers-text-classifier', import.meta.url));

type Flat = { dtype: 'int32' | 'float32'; shape: number[]; data: number[] };

/** The model on 'cpu', then the very same model object on shares. @returns the largest difference of its outputs */
async function difference(model: tf.LayersModel, x: () => tf.Tensor): Promise<number> {
  const on = async (backend: string) => {
    await tf.setBackend(backend);
    const y = model.predict(x()) as tf.Tensor;
    const values = (await y.data()) as Float32Array;
    y.dispose();
    return values;
  };
  const want = await on('cpu');
  const got = await on('secformer');
  return got.reduce((most, v, i) => Math.max(most, Math.abs(v - want[i]!)), 0);
}

(existsSync(folder) ? test.serial : test.serial.skip)(
  'a LayersModel from disk runs unchanged, within 0.02 of TensorFlow on every sample',
  async (t) => {
    t.timeout(180_000);
    const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
    const manifest = json.weightsManifest as { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
    const data = Buffer.concat(manifest.flatMap((g) => g.paths).map((p) => readFileSync(join(folder, p))));
    await tf.setBackend('secformer');
    const model = await tf.loadLayersModel({
      load: async () => ({
        modelTopology: json.modelTopology,
        weightSpecs: manifest.flatMap((g) => g.weights),
        weightData: new Uint8Array(data).buffer,
        format: json.format,
      }),
    });
    const { samples } = JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8')) as {
      samples: { inputs: Record<string, Flat>; outputs: Record<string, Flat> }[];
    };
    for (const { inputs, outputs } of samples) {
      const x = Object.values(inputs).map((v) => tf.tensor(v.data.flat(9), v.shape, v.dtype));
      const y = model.predict(x) as tf.Tensor | tf.Tensor[];
      for (const [i, want] of Object.values(outputs).entries()) {
        const got = await (Array.isArray(y) ? y[i]! : y).data();
        const worst = want.data.flat(9).reduce((w, v, j) => Math.max(w, Math.abs(v - got[j]!)), 0);
        t.true(worst <= 0.02, `off by ${worst}`);
        t.log(`largest error ${worst.toExponential(2)}`);
      }
    }
  },
);

test.serial('a convolutional net like LeNet: within 0.02 of the cpu backend', async (t) => {
  t.timeout(180_000);
  await tf.setBackend('cpu');
  const seed = { kernelInitializer: tf.initializers.glorotUniform({ seed: 7 }) };
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [28, 28, 1],
        filters: 6,
        kernelSize: 5,
        padding: 'same',
        activation: 'tanh',
        ...seed,
      }),
      tf.layers.averagePooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ filters: 16, kernelSize: 5, activation: 'relu', ...seed }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 84, activation: 'relu', ...seed }),
      tf.layers.dense({ units: 10, activation: 'softmax', ...seed }),
    ],
  });
  const worst = await difference(model, () => tf.randomUniform([2, 28, 28, 1], 0, 1, 'float32', 3));
  t.true(worst <= 0.02, `off by ${worst}`);
  t.log(`largest error ${worst.toExponential(2)}`);
});

test.serial(
  'an LSTM classifier over embedded words, and depthwise and separable convolutions: within 0.02 of the cpu backend',
  async (t) => {
    t.timeout(180_000);
    await tf.setBackend('cpu');
    const seed = { kernelInitializer: tf.initializers.glorotUniform({ seed: 11 }) };
    const recurrent = { ...seed, recurrentInitializer: tf.initializers.glorotUniform({ seed: 12 }) };
    const words = tf.sequential({
      layers: [
        tf.layers.embedding({
          inputDim: 50,
          outputDim: 16,
          inputLength: 12,
          embeddingsInitializer: tf.initializers.randomNormal({ stddev: 0.5, seed: 5 }),
        }),
        tf.layers.conv1d({ filters: 16, kernelSize: 3, padding: 'same', activation: 'relu', ...seed }),
        tf.layers.lstm({ units: 12, returnSequences: true, ...recurrent }),
        tf.layers.gru({ units: 8, ...recurrent }),
        tf.layers.layerNormalization(),
        tf.layers.dense({ units: 3, activation: 'softmax', ...seed }),
      ],
    });
    const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 13) % 50);
    const first = await difference(words, () => tf.tensor2d(ids, [2, 12], 'int32'));
    t.true(first <= 0.02, `words are off by ${first}`);
    await tf.setBackend('cpu');
    const image = tf.sequential({
      layers: [
        tf.layers.depthwiseConv2d({
          inputShape: [12, 12, 3],
          kernelSize: 3,
          depthMultiplier: 2,
          strides: 2,
          depthwiseInitializer: tf.initializers.glorotUniform({ seed: 4 }),
        }),
        tf.layers.separableConv2d({
          filters: 4,
          kernelSize: 3,
          depthwiseInitializer: tf.initializers.glorotUniform({ seed: 4 }),
          pointwiseInitializer: tf.initializers.glorotUniform({ seed: 4 }),
        }),
        tf.layers.globalAveragePooling2d({}),
      ],
    });
    const second = await difference(image, () => tf.randomUniform([1, 12, 12, 3], -1, 1, 'float32', 8));
    t.true(second <= 0.02, `the image is off by ${second}`);
    t.log(`largest errors ${first.toExponential(2)}, ${second.toExponential(2)}`);
  },
);

test.serial('gradients of secret tensors fail with a message, and leave the backend usable', async (t) => {
  await tf.setBackend('secformer');
  const x = tf.tensor1d([1, -2, 3]);
  const gradient = tf.grad((v: tf.Tensor) => v.relu().square().sum());
  let values: Float32Array | undefined;
  try {
    values = (await gradient(x).data()) as Float32Array;
  } catch (error) {
    t.regex((error as Error).message, /secformer|secret|kernel/);
  }
  // Where it works, it is right
  if (values) t.deepEqual(Array.from(values, Math.round), [2, 0, 6]);
  t.deepEqual(Array.from(await x.neg().data()), [-1, 2, -3]);
});
