import { loadBert } from '@secformer/bert-loader';
import { lastRun } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';

// A checkpoint's folder: config.json, model.safetensors and the tokenizer's files
const folder = process.argv[2] ?? `${import.meta.dirname}/../../apps/bench/models/sst2-tiny`;
const TEXT = 'A warm, funny and beautifully acted film.';

async function classify(backend) {
  await tf.setBackend(backend);
  const model = await loadBert(folder);
  const probabilities = await tf.softmax(model.logits(model.tokenize(TEXT))).array();
  model.dispose();
  return Object.fromEntries(model.config.labels.map((label, i) => [label, probabilities[0][i].toFixed(4)]));
}

console.log(TEXT);
console.log('cpu      ', await classify('cpu'));
// On SECFORMER_PARTIES, SECFORMER_DEALER and SECFORMER_TOKEN; without them on three threads of this process
console.log('secformer', await classify('secformer'));
console.log(`${lastRun().rounds} rounds between the parties`);
