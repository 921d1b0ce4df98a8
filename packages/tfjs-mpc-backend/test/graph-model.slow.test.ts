import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import '../src/index.js';

const models = fileURLToPath(new URL('../../../../../shared/models', import.meta.url));

type Flat = { dtype: 'int32' | 'float32'; shape: number[]; data: number[] };
interface Samples {
  output_nodes: Record<string, string>;
  samples: { inputs: Record<string, Flat>; outputs: Record<string, Flat> }[];
}

function load(folder: string): Promise<tf.GraphModel> {
  const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
  const manifest = json.weightsManifest as { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
  const data = Buffer.concat(manifest.flatMap((g) => g.paths).map((p) => readFileSync(join(folder, p))));
  const artifacts = {
    modelTopology: json.modelTopology,
    weightSpecs: manifest.flatMap((g) => g.weights),
    weightData: new Uint8Array(data).buffer,
    format: json.format,
    signature: json.signature,
  };
  return tf.loadGraphModel({ load: async () => artifacts });
}

// Graphs that tensorflowjs_converter wrote and nobody adapted, against what TensorFlow computed
for (const name of ['graph-bert-tiny-classifier', 'graph-einsum', 'graph-gelu-new', 'graph-mobilebert', 'graph-minilm']) {
  const folder = join(models, name);
  const maybe = existsSync(folder) ? test.serial : test.serial.skip;
  maybe(`${name} runs unchanged, within 0.02 of TensorFlow`, async (t) => {
    t.timeout(180_000);
    await tf.setBackend('secformer');
    const model = await load(folder);
    const { samples, output_nodes: nodes } = JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8')) as Samples;
    const [sample] = samples;
    const inputs = Object.fromEntries(Object.entries(sample!.inputs).map(([key, v]) => [key, tf.tensor(v.data.flat(9), v.shape, v.dtype)]));
    const names = Object.keys(nodes);
    const result = model.execute(
      inputs,
      names.map((n) => nodes[n]!),
    );
    const outputs = Array.isArray(result) ? result : [result];
    for (const [i, n] of names.entries()) {
      const got = await outputs[i]!.data();
      const want = sample!.outputs[n]!.data.flat(9);
      t.is(got.length, want.length);
      const worst = want.reduce((w, v, j) => Math.max(w, Math.abs(v - got[j]!)), 0);
      t.true(worst <= 0.02, `${n} is off by ${worst}`);
    }
  });
}
