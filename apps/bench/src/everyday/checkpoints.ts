/** The demo's BERT, its inputs written in other ways than the tokenizer does. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BertModel, loadBert, type Tokenized } from '@secformer/bert-loader';
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { type Answer, declaredPublic, type Program, programs } from './program.js';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../../../models/sst2-tiny');
const LENGTH = 8;
/** Six layers of softmax and LayerNorm: what the demo is held to. */
const TOLERANCE = 5e-3;

type Ask = (model: BertModel, inputs: Tokenized) => Tensor;

/** One model a backend, so that its weights are shared once. */
const models = new Map<string, BertModel>();

const asked = (ask: Ask) => ({
  tolerance: TOLERANCE,
  prepare: async () => {
    const backend = tf.getBackend();
    if (!models.has(backend)) models.set(backend, await loadBert(FOLDER));
  },
  run: (): Answer => {
    const model = models.get(tf.getBackend())!;
    return ask(model, model.tokenize(['a good film'], LENGTH));
  },
});

const floats = (t: Tensor): Tensor => tf.tensor(Array.from(t.dataSync()), t.shape, 'float32');

export const checkpoints: Program[] = programs('checkpoint', {
  'logits with a public mask': asked((model, inputs) => {
    declaredPublic(inputs.attentionMask);
    return model.logits(inputs);
  }),
  'logits with everything public': asked((model, inputs) => {
    for (const t of [inputs.inputIds, inputs.attentionMask, inputs.tokenTypeIds]) declaredPublic(t);
    return model.logits(inputs);
  }),
  'logits with a float mask': asked((model, inputs) =>
    model.logits({ ...inputs, attentionMask: floats(inputs.attentionMask) as never }),
  ),
  'logits with float ids': asked((model, inputs) =>
    model.logits({ ...inputs, inputIds: floats(inputs.inputIds).toInt() as never }),
  ),
  'logits with a mask from the ids': asked((model, inputs) =>
    model.logits({ ...inputs, attentionMask: inputs.inputIds.notEqual(0).toInt() as never }),
  ),
  'logits, and the label in tidy': asked((model, inputs) => tf.tidy(() => model.logits(inputs).argMax(-1))),
  'an embedding, normalised': asked((model, inputs) => {
    const v = model.embed(inputs);
    return v.div(tf.maximum(tf.norm(v, 2, -1, true), 1e-12));
  }),
  'an embedding with a float mask': asked((model, inputs) =>
    model.embed({ ...inputs, attentionMask: floats(inputs.attentionMask) as never }),
  ),
  'two texts of different lengths, a public mask': asked((model) => {
    const two = model.tokenize(['good', 'a very dull and very long film'], LENGTH);
    declaredPublic(two.attentionMask);
    return model.logits(two);
  }),
});
