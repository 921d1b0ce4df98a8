/** Models of tf.layers: built, given weights, and asked with predict and evaluate. */
import type { io, LayersModel, Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { normal, type Program, programs, refused } from './program.js';
import { seeded } from './seeded.js';

type Layer = ReturnType<typeof tf.layers.dense>;
const sequential = (...layers: unknown[]): LayersModel => seeded(tf.sequential({ layers: layers as Layer[] }));
const predict = (model: LayersModel, x: Tensor | Tensor[]): Tensor => model.predict(x) as Tensor;
const classifier = () => {
  const model = sequential(
    tf.layers.dense({ units: 8, activation: 'relu', inputShape: [4] }),
    tf.layers.dense({ units: 3, activation: 'softmax' }),
  );
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
};
const sentences = () =>
  tf.tensor2d([
    [3, 7, 1, 0, 0],
    [4, 4, 2, 9, 1],
  ]);

/** Attention as a custom layer has it, the mask made of what the layer below says. */
const attention = (x: Tensor, mask: Tensor): Tensor => {
  const scores = tf.matMul(x, x, false, true).div(2);
  return tf.matMul(
    tf.layers.softmax({ axis: -1 }).apply(scores, { mask: mask.expandDims(1).tile([1, 5, 1]) }) as Tensor,
    x,
  );
};

export const layersModels: Program[] = programs('layers', {
  'dense classifier, predict': () => predict(classifier(), normal([6, 4], 1)),
  'dense classifier, a batch of one': () => predict(classifier(), normal([1, 4], 1)),
  'predict with a batch size': () => classifier().predict(normal([7, 4], 1), { batchSize: 3 }) as Tensor,
  predictOnBatch: () => classifier().predictOnBatch(normal([3, 4], 1)) as Tensor,
  evaluate: () =>
    classifier().evaluate(
      normal([6, 4], 1),
      tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat(),
    ) as Tensor[],
  'evaluate with a batch size': () =>
    classifier().evaluate(normal([6, 4], 1), tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat(), {
      batchSize: 4,
    }) as Tensor[],
  'evaluate, mean squared error': () => {
    const model = sequential(tf.layers.dense({ units: 1, inputShape: [4] }));
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    return model.evaluate(normal([6, 4], 1), normal([6, 1], 2)) as Tensor;
  },
  'evaluate, sparse labels': () => {
    const model = classifier();
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
    return model.evaluate(normal([4, 4], 1), tf.tensor1d([0, 1, 2, 0])) as Tensor[];
  },
  'evaluate, binary': () => {
    const model = sequential(tf.layers.dense({ units: 1, activation: 'sigmoid', inputShape: [4] }));
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['accuracy'] });
    return model.evaluate(normal([6, 4], 1), tf.tensor2d([[1], [0], [1], [0], [1], [1]])) as Tensor[];
  },
  'embedding, pooling, dense by float ids': () =>
    predict(
      sequential(
        tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 5 }),
        tf.layers.globalAveragePooling1d(),
        tf.layers.dense({ units: 2, activation: 'softmax' }),
      ),
      sentences(),
    ),
  'embedding with maskZero and an LSTM': () =>
    predict(
      sequential(
        tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 5, maskZero: true }),
        tf.layers.lstm({ units: 3 }),
      ),
      sentences(),
    ),
  'masking and a GRU': () =>
    predict(
      sequential(tf.layers.masking({ maskValue: 0, inputShape: [4, 2] }), tf.layers.gru({ units: 3 })),
      tf.tensor3d([
        [
          [1, 2],
          [0.5, 1],
          [0, 0],
          [0, 0],
        ],
      ]),
    ),
  'bidirectional LSTM': () =>
    predict(
      sequential(
        tf.layers.bidirectional({
          layer: tf.layers.lstm({ units: 3 }) as never,
          inputShape: [4, 2],
          mergeMode: 'concat',
        }),
      ),
      normal([2, 4, 2], 1),
    ),
  'simpleRNN that returns sequences': () =>
    predict(
      sequential(tf.layers.simpleRNN({ units: 3, returnSequences: true, inputShape: [5, 2] })),
      normal([2, 5, 2], 1),
    ),
  'LSTM of 256 steps': () =>
    predict(sequential(tf.layers.lstm({ units: 2, inputShape: [256, 1] })), normal([1, 256, 1], 1)),
  'conv1d and global max pooling': () =>
    predict(
      sequential(
        tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 5 }),
        tf.layers.conv1d({ filters: 3, kernelSize: 3, activation: 'relu', padding: 'same' }),
        tf.layers.globalMaxPooling1d(),
      ),
      sentences(),
    ),
  'a small convolutional net on pixels': () =>
    predict(
      sequential(
        tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', padding: 'same', inputShape: [9, 9, 1] }),
        tf.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ),
      tf.randomUniform([2, 9, 9, 1], 0, 255, 'float32', 3).div(255),
    ),
  'batch normalisation between convolutions': () =>
    predict(
      sequential(
        tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [6, 6, 2], useBias: false }),
        tf.layers.batchNormalization(),
        tf.layers.reLU({ maxValue: 6 }),
        tf.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }),
        tf.layers.globalAveragePooling2d({}),
      ),
      normal([1, 6, 6, 2], 3),
    ),
  'separable convolution': () =>
    predict(
      sequential(tf.layers.separableConv2d({ filters: 3, kernelSize: 3, inputShape: [6, 6, 2] })),
      normal([1, 6, 6, 2], 3),
    ),
  'transposed convolution and upsampling': () =>
    predict(
      sequential(
        tf.layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, inputShape: [4, 4, 2] }),
        tf.layers.upSampling2d({}),
      ),
      normal([1, 4, 4, 2], 3),
    ),
  'layer normalisation': () =>
    predict(sequential(tf.layers.layerNormalization({ inputShape: [8] })), normal([3, 8], 3)),
  'layer normalisation, epsilon 1e-12': () =>
    predict(sequential(tf.layers.layerNormalization({ inputShape: [8], epsilon: 1e-12 })), normal([3, 8], 3)),
  'dropout at prediction': () =>
    predict(
      sequential(
        tf.layers.dense({ units: 4, inputShape: [4] }),
        tf.layers.dropout({ rate: 0.5 }),
        tf.layers.gaussianNoise({ stddev: 1 }),
      ),
      normal([2, 4], 1),
    ),
  'activations one after the other': () =>
    predict(
      sequential(
        tf.layers.dense({ units: 6, activation: 'selu', inputShape: [4] }),
        tf.layers.dense({ units: 6, activation: 'softsign' }),
        tf.layers.dense({ units: 6, activation: 'hardSigmoid' }),
        tf.layers.dense({ units: 6, activation: 'softplus' }),
        tf.layers.leakyReLU({ alpha: 0.1 }),
        tf.layers.prelu(),
        tf.layers.thresholdedReLU({ theta: 0.2 }),
        tf.layers.elu(),
        tf.layers.dense({ units: 3, activation: 'swish' as never }),
      ),
      normal([3, 4], 1),
    ),
  'two inputs, concatenated, added, dotted': () => {
    const [a, b] = [tf.input({ shape: [4] }), tf.input({ shape: [4] })];
    const joined = tf.layers
      .concatenate()
      .apply([a, b, tf.layers.add().apply([a, b]), tf.layers.dot({ axes: 1, normalize: true }).apply([a, b])] as never);
    const out = tf.layers.dense({ units: 2 }).apply(joined) as never;
    return predict(seeded(tf.model({ inputs: [a, b], outputs: out })), [normal([3, 4], 1), normal([3, 4], 2)]);
  },
  'average, maximum, minimum and product of two': () => {
    const [a, b] = [tf.input({ shape: [4] }), tf.input({ shape: [4] })];
    const outputs = [tf.layers.average(), tf.layers.maximum(), tf.layers.minimum(), tf.layers.multiply()].map(
      (l) => l.apply([a, b]) as never,
    );
    return tf.model({ inputs: [a, b], outputs }).predict([normal([3, 4], 1), normal([3, 4], 2)]) as Tensor[];
  },
  'attention of embeddings with their mask': () => {
    const embedding = tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 5, maskZero: true });
    const x = predict(sequential(embedding), sentences());
    return attention(x, embedding.computeMask(sentences(), null as never) as Tensor);
  },
  'attention of embeddings in tidy': () =>
    tf.tidy(() => {
      const x = predict(sequential(tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 5 })), sentences());
      return attention(x, sentences().notEqual(0));
    }),
  'time-distributed dense': () =>
    predict(
      sequential(tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 3 }), inputShape: [4, 2] })),
      normal([2, 4, 2], 1),
    ),
  'repeatVector, permute, reshape, cropping, zeroPadding': () =>
    predict(
      sequential(
        tf.layers.repeatVector({ n: 4, inputShape: [3] }),
        tf.layers.permute({ dims: [2, 1] }),
        tf.layers.reshape({ targetShape: [3, 4, 1] }),
        tf.layers.zeroPadding2d({ padding: 1 }),
        tf.layers.cropping2D({
          cropping: [
            [1, 0],
            [0, 1],
          ],
        }),
      ),
      normal([2, 3], 1),
    ),
  convLstm2d: () =>
    predict(
      sequential(tf.layers.convLstm2d({ filters: 2, kernelSize: 3, inputShape: [3, 5, 5, 1] })),
      normal([1, 3, 5, 5, 1], 1),
    ),
  'pixels rescaled by a layer': () =>
    predict(
      sequential(tf.layers.rescaling({ scale: 1 / 255, inputShape: [4, 4, 1] })),
      tf.randomUniform([1, 4, 4, 1], 0, 255, 'float32', 1),
    ),
  'pixels of 40,000 rescaled by a layer': () =>
    predict(
      sequential(tf.layers.rescaling({ scale: 1 / 65535, inputShape: [4] })),
      tf.tensor2d([[40000, 65535, 0, 1]]),
    ),
  'saved and loaded again': async () => {
    const model = classifier();
    let saved: io.ModelArtifacts = {};
    const keep = tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    });
    await model.save(keep);
    const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved));
    return predict(loaded, normal([2, 4], 1));
  },
  fit: refused('UNSUPPORTED_KERNEL', async () => {
    const model = classifier();
    const history = await model.fit(
      normal([6, 4], 1),
      tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat(),
      { epochs: 1, shuffle: false, verbose: 0 },
    );
    return history.history.loss as number[];
  }),
});
