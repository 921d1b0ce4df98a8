import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publish } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';

const { SECFORMER_NETWORK, SECFORMER_KEY } = process.env;
const folder = process.argv[2] ?? join(import.meta.dirname, 'model');

/** model.json and its weights, as tensorflowjs_converter writes them, without tfjs-node. */
function fromDisk(folder) {
  const { modelTopology, weightsManifest, format, signature } = JSON.parse(
    readFileSync(join(folder, 'model.json'), 'utf8'),
  );
  const parts = weightsManifest.flatMap(({ paths }) => paths.map((path) => readFileSync(join(folder, path))));
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  const weightData = new Uint8Array(Buffer.concat(parts)).buffer;
  return { load: async () => ({ modelTopology, weightSpecs, weightData, format, signature }) };
}

await tf.setBackend('secformer');
const model = await tf.loadGraphModel(fromDisk(folder));
const { name, version, programs } = await publish(model, {
  name: 'xor',
  version: process.env.VERSION ?? '1',
  // A program for each set of shapes; what a graph leaves open has to be said
  inputs: { x: { shape: [4, 2] } },
  network: JSON.parse(readFileSync(SECFORMER_NETWORK, 'utf8')),
  key: readFileSync(SECFORMER_KEY, 'utf8').trim(),
});
model.dispose();
console.log(`${name}@${version} is published; a run takes ${programs[0].cost.rounds} rounds`);
