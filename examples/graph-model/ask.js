import { readFileSync } from 'node:fs';
import { loadPublished } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';

const { SECFORMER_NETWORK, SECFORMER_KEY, SECFORMER_GRANT } = process.env;
const read = (file) => readFileSync(file, 'utf8').trim();

await tf.setBackend('secformer');
const model = await loadPublished('xor', {
  network: JSON.parse(read(SECFORMER_NETWORK)),
  key: read(SECFORMER_KEY),
  // A client shows a grant; the publisher itself needs none
  ...(SECFORMER_GRANT && { grant: read(SECFORMER_GRANT) }),
});

const x = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
const y = await model.predict(tf.tensor2d(x)).array();
x.forEach(([a, b], i) => {
  console.log(`${a} xor ${b} = ${y[i][0].toFixed(3)}`);
});
model.dispose();
