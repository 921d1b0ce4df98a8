/** Models that tensorflowjs_converter wrote, traced for clients, against what TensorFlow computed. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { configure } from '../src/index.js';
import { shapedModel } from '../src/service/models.js';
import { trace } from '../src/service/trace.js';
import './harness.js';
import { type Given, inPlain, numbersIn, onTrio, stopTrio } from './service-harness.js';

const models = fileURLToPath(new URL('../../../../../shared/models', import.meta.url));

type Flat = { dtype: 'int32' | 'float32'; shape: number[]; data: number[] };
interface Samples {
  output_nodes?: Record<string, string>;
  samples: { inputs: Record<string, Flat>; outputs: Record<string, Flat> }[];
}

function artifacts(folder: string) {
  const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
  const manifest = json.weightsManifest as { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
  const data = Buffer.concat(manifest.flatMap((g) => g.paths).map((p) => readFileSync(join(folder, p))));
  return {
    modelTopology: json.modelTopology,
    weightSpecs: manifest.flatMap((g) => g.weights),
    weightData: new Uint8Array(data).buffer,
    format: json.format,
    signature: json.signature,
  };
}

test.serial.before(() => configure({}));
test.after.always(stopTrio);

for (const name of [
  'graph-bert-tiny-classifier',
  'graph-einsum',
  'graph-gelu-new',
  'graph-mobilebert',
  'graph-minilm',
  'layers-text-classifier',
]) {
  const folder = join(models, name);
  const maybe = existsSync(folder) ? test.serial : test.serial.skip;
  maybe(`${name} is traced, and clients' answers are within 0.02 of TensorFlow`, async (t) => {
    t.timeout(300_000);
    await tf.setBackend('secformer');
    const load = { load: async () => artifacts(folder) };
    const graph = name.startsWith('graph');
    const model = graph ? await tf.loadGraphModel(load) : await tf.loadLayersModel(load);
    const read = JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8')) as Samples;
    const [sample] = read.samples;
    const names = Object.keys(sample!.inputs);
    const shapes = names.map((key) => ({
      name: key,
      shape: sample!.inputs[key]!.shape,
      dtype: sample!.inputs[key]!.dtype,
    }));
    const { f, inputs } = shapedModel(
      model as never,
      graph ? shapes : shapes.map(({ name: _, ...s }) => s),
      graph ? read.output_nodes : undefined,
    );
    const traced = trace(f, inputs);
    const given = inputs.map((spec, i): Given => {
      const { shape, data } = sample!.inputs[graph ? spec.name : names[i]!]!;
      return { shape, dtype: spec.dtype, values: data.flat(9) };
    });
    const check = (outputs: { values: unknown }[], how: string) => {
      const wanted = Object.values(sample!.outputs);
      outputs.forEach((o, i) => {
        const want = (graph ? sample!.outputs[traced.program.outputs[i]!.name]! : wanted[i]!).data.flat(9);
        const got = o.values as number[];
        t.is(got.length, want.length);
        const worst = want.reduce((w, v, j) => Math.max(w, Math.abs(v - got[j]!)), 0);
        t.true(worst <= 0.02, `output ${i} ${how} is off by ${worst}`);
      });
    };
    check(inPlain(traced, given), 'in plaintext');
    check(await onTrio(traced, given), 'on shares');
    const shown = numbersIn(traced.program.client);
    let common = 0;
    for (const source of traced.needed.sources.values())
      for (const v of source().values) if (v !== Math.round(v) && shown.has(v)) common++;
    t.is(common, 0, 'values of the model are in the client part');
    traced.release();
    model.dispose();
  });
}
