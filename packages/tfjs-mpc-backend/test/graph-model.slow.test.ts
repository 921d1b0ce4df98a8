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

function cosine(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

// Graphs that tensorflowjs_converter wrote and nobody adapted, against what TensorFlow computed
for (const name of [
  'graph-bert-tiny-classifier',
  'graph-einsum',
  'graph-gelu-new',
  'graph-mobilebert',
  'graph-minilm',
]) {
  const folder = join(models, name);
  const maybe = existsSync(folder) ? test.serial : test.serial.skip;
  maybe(`${name} runs unchanged, within 0.02 of TensorFlow on every sample`, async (t) => {
    t.timeout(180_000);
    await tf.setBackend('secformer');
    const model = await load(folder);
    const { samples, output_nodes: nodes } = JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8')) as Samples;
    const names = Object.keys(nodes);
    let most = 0;
    let recording = Number.POSITIVE_INFINITY;
    for (const sample of samples) {
      const inputs = Object.fromEntries(
        Object.entries(sample.inputs).map(([key, v]) => [key, tf.tensor(v.data.flat(9), v.shape, v.dtype)]),
      );
      const start = performance.now();
      const result = model.execute(
        inputs,
        names.map((n) => nodes[n]!),
      );
      // The least, for others work meanwhile
      recording = Math.min(recording, performance.now() - start);
      const outputs = Array.isArray(result) ? result : [result];
      for (const [i, n] of names.entries()) {
        const got = await outputs[i]!.data();
        const { data, dtype } = sample.outputs[n]!;
        const want = data.flat(9);
        t.is(got.length, want.length);
        const worst = want.reduce((w, v, j) => Math.max(w, Math.abs(v - got[j]!)), 0);
        most = Math.max(most, worst);
        if (dtype === 'int32') t.deepEqual(Array.from(got), want, `labels of ${n}`);
        t.true(worst <= 0.02, `${n} is off by ${worst}`);
        if (want.length > 1) t.true(cosine(got, want) >= 0.9999, `${n} has cosine ${cosine(got, want)}`);
      }
      tf.dispose([outputs, inputs]);
    }
    t.log(`largest error ${most.toExponential(2)}, recording a sample ${recording.toFixed(0)} ms`);
    // Ten times what was asked of a quiet machine: others may be at work on this one
    t.true(recording < 1_500, `recording took ${recording} ms`);
    model.dispose();
  });
}
