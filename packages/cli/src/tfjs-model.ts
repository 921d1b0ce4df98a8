/** A model of TensorFlow.js from a folder on disk: model.json and the files of weights that it names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Publishable } from '@secformer/tfjs-mpc-backend';
import type { io } from '@tensorflow/tfjs';
import { UsageError } from './failures.js';
import type { Tf } from './tfjs.js';

export interface OpenModel {
  model: Publishable;
  /** sizes that are left open are -1 */
  inputs: { name: string; shape: number[] }[];
  outputs: string[];
  dispose: () => void;
}

/** @throws UsageError naming the file that cannot be used */
export async function tfjsModel(folder: string, tf: Tf): Promise<OpenModel> {
  const file = join(folder, 'model.json');
  const artifacts = artifactsOf(folder, file);
  const handler: io.IOHandler = { load: async () => artifacts };
  const sizes = (shape: readonly (number | null)[] | undefined) => (shape ?? [-1]).map((d) => d ?? -1);
  try {
    if (artifacts.format === 'layers-model') {
      const model = await tf.loadLayersModel(handler);
      return {
        model: model as unknown as Publishable,
        inputs: model.inputs.map(({ name, shape }) => ({ name, shape: sizes(shape) })),
        // A tf.Sequential names none, and the backend calls its only one so
        outputs: model.outputNames.length > 0 ? model.outputNames : ['output'],
        dispose: () => void model.dispose(),
      };
    }
    const model = await tf.loadGraphModel(handler);
    return {
      model: model as unknown as Publishable,
      inputs: model.inputs.map(({ name, shape }) => ({ name, shape: sizes(shape) })),
      outputs: model.outputs.map(({ name }) => name),
      dispose: () => model.dispose(),
    };
  } catch (cause) {
    throw new UsageError(`${file} cannot be loaded (${(cause as Error).message})`, { cause });
  }
}

interface ModelJson {
  modelTopology: object;
  format: string;
  signature?: object;
  weightsManifest: { paths: string[]; weights: io.WeightsManifestEntry[] }[];
}

function artifactsOf(folder: string, file: string): io.ModelArtifacts {
  let json: ModelJson;
  try {
    json = JSON.parse(readFileSync(file, 'utf8')) as ModelJson;
  } catch (cause) {
    throw new UsageError(`${file} cannot be read (${(cause as Error).message})`, { cause });
  }
  const { modelTopology, weightsManifest, format, signature } = json;
  if (typeof modelTopology !== 'object' || !Array.isArray(weightsManifest))
    throw new UsageError(`${file} is no model of TensorFlow.js: modelTopology or weightsManifest is missing`);
  const data = weightsManifest.flatMap(({ paths }) => paths).map((path) => weightsOf(folder, file, path));
  return {
    modelTopology,
    weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
    weightData: new Uint8Array(Buffer.concat(data)).buffer,
    format,
    ...(signature && { signature }),
  };
}

/** Weights beside model.json and nowhere else. */
function weightsOf(folder: string, file: string, path: string): Buffer {
  if (typeof path !== 'string' || path.split(/[/\\]/).includes('..') || /^[/\\]|:/.test(path))
    throw new UsageError(`${file} names weights that are not in its folder`);
  try {
    return readFileSync(join(folder, path));
  } catch (cause) {
    throw new UsageError(`${join(folder, path)} cannot be read (${(cause as Error).message})`, { cause });
  }
}
