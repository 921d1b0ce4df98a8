import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configure, lastRun } from '@secformer/tfjs-mpc-backend';
import { shadowRevealingEverything } from '@secformer/tfjs-mpc-backend/insecure';
import type { io, LayersModel, NamedTensorMap, Tensor } from '@tensorflow/tfjs';
import { chooseKernels } from './kernels.js';
import { tf } from './quiet-tfjs.js';
import { columns, end, megabytes, report, UsageError } from './report.js';

export interface ModelFlags {
  suite: string;
  seq: number;
  batch: number;
  inputs?: string;
  kernels: string;
  shadow?: boolean;
  json?: string;
}

interface Given {
  dtype: 'int32' | 'float32';
  shape: number[];
  data: unknown[];
}

/** A model as a folder on disk, without a `file://` handler. */
export async function load(folder: string): Promise<{
  inputs: { name: string; shape: number[]; dtype: string }[];
  predict(x: NamedTensorMap): Promise<NamedTensorMap>;
}> {
  const file = join(folder, 'model.json');
  if (!existsSync(file)) throw new UsageError(`${folder}: there is no model.json in it`);
  const json = JSON.parse(readFileSync(file, 'utf8')) as {
    modelTopology: object;
    format: string;
    signature?: object;
    weightsManifest: { paths: string[]; weights: io.WeightsManifestEntry[] }[];
  };
  const data = Buffer.concat(json.weightsManifest.flatMap((g) => g.paths).map((p) => readFileSync(join(folder, p))));
  const artifacts: io.ModelArtifacts = {
    modelTopology: json.modelTopology,
    weightSpecs: json.weightsManifest.flatMap((g) => g.weights),
    weightData: new Uint8Array(data).buffer,
    format: json.format,
    ...(json.signature && { signature: json.signature }),
  };
  const handler = { load: async () => artifacts };
  const named = (outputs: Tensor[], names: string[]) => Object.fromEntries(outputs.map((t, i) => [names[i]!, t]));
  if (json.format === 'layers-model') {
    const model: LayersModel = await tf.loadLayersModel(handler);
    const inputs = model.inputs.map((i) => ({
      name: i.name,
      shape: i.shape.map((d) => d ?? -1),
      dtype: i.dtype as string,
    }));
    return {
      inputs,
      predict: async (x) => named([model.predict(inputs.map((i) => x[i.name]!))].flat() as Tensor[], model.outputNames),
    };
  }
  const model = await tf.loadGraphModel(handler);
  const inputs = model.inputs.map((i) => ({ name: i.name, shape: i.shape ?? [-1], dtype: i.dtype as string }));
  return { inputs, predict: async (x) => named([model.execute(x)].flat() as Tensor[], model.outputNodes) };
}

/** What a file of inputs holds, or made-up values: masks of ones, segments of zeros, small ids, normal floats. */
function inputsOf(model: Awaited<ReturnType<typeof load>>, f: ModelFlags): NamedTensorMap {
  const given =
    f.inputs === undefined ? undefined : (JSON.parse(readFileSync(f.inputs, 'utf8')) as Record<string, Given>);
  return Object.fromEntries(
    model.inputs.map(({ name, shape, dtype }, n) => {
      const own = given?.[name.replace(/:\d+$/, '')] ?? given?.[name];
      if (given && !own)
        throw new UsageError(`--inputs ${f.inputs}: nothing for '${name}'; it has ${Object.keys(given).join(', ')}`);
      if (own) return [name, tf.tensor(own.data.flat(9) as number[], own.shape, own.dtype)];
      const dims = shape.map((d, i) => (d > 0 ? d : i === 0 ? f.batch : f.seq));
      // A layers model says float32 of everything, embeddings' ids too
      if (dtype !== 'int32' && !/embedding|token|ids/i.test(name))
        return [name, tf.randomNormal(dims, 0, 1, 'float32', 7 + n)];
      const value = (i: number) => (/mask/.test(name) ? 1 : /type|segment/.test(name) ? 0 : (i * 37 + 5) % 97);
      const size = dims.reduce((a, b) => a * b, 1);
      return [
        name,
        tf.tensor(
          Int32Array.from({ length: size }, (_, i) => value(i)),
          dims,
          'int32',
        ),
      ];
    }),
  );
}

/**
 * A GraphModel or LayersModel from a folder, in plaintext and privately; with --shadow every instruction is compared.
 */
export async function model(folder: string, f: ModelFlags): Promise<void> {
  if (f.inputs !== undefined && !existsSync(f.inputs))
    throw new UsageError(`--inputs ${f.inputs}: there is no such file`);
  const kernels = await chooseKernels(f.kernels);
  await tf.setBackend('cpu');
  const plainModel = await load(folder);
  const wanted: Record<string, Float32Array> = {};
  for (const [name, t] of Object.entries(await plainModel.predict(inputsOf(plainModel, f))))
    wanted[name] = Float32Array.from(await t.data());
  configure({ suite: f.suite });
  await tf.setBackend('secformer');
  const secretModel = await load(folder);
  const start = performance.now();
  const outputs = await secretModel.predict(inputsOf(secretModel, f));
  const recordMs = performance.now() - start;
  const shadow: Record<string, string | null> = {};
  const errors: { output: string; maxAbs: number; shape: number[] }[] = [];
  let bytes = 0;
  // Before anything is read: what is read is computed no more
  for (const [name, t] of Object.entries(outputs)) {
    if (f.shadow && t.dtype === 'float32')
      shadow[name] = (await shadowRevealingEverything(t)).violation?.message ?? null;
  }
  for (const [name, t] of Object.entries(outputs)) {
    const got = await t.data();
    bytes += lastRun() ? lastRun()!.bytes.p0p1 + lastRun()!.bytes.p1p0 : 0;
    // The maximum with NaN is NaN
    const maxAbs = wanted[name]!.reduce((most, v, i) => Math.max(most, Math.abs(v - got[i]!)), 0);
    errors.push({ output: name, maxAbs, shape: t.shape });
  }
  const violated = Object.values(shadow).find((v) => v !== null);
  const record = {
    command: 'model',
    model: folder,
    suite: f.suite,
    kernels,
    recordMs,
    outputs: errors,
    bytes,
    ...(f.shadow && { shadow }),
  };
  report(record, f.json, () =>
    [
      columns([
        ['output', 'shape', 'largest error'],
        ...errors.map((e) => [e.output, `[${e.shape}]`, e.maxAbs.toExponential(2)]),
      ]),
      `recorded in ${recordMs.toFixed(0)} ms; sent and received by one party for all outputs: ${megabytes(bytes)}`,
      ...(f.shadow ? [`shadow: ${violated ?? 'every instruction agrees with its plaintext'}`] : []),
    ].join('\n'),
  );
  end(violated ? 1 : 0);
}
