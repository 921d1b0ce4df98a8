/** Models of a folder that TensorFlow.js's converter wrote, on the first of their samples. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedTensorMap, Tensor } from '@tensorflow/tfjs';
import { load } from '../model.js';
import { tf } from '../quiet-tfjs.js';
import { declaredPublic, type Program } from './program.js';

/** Some layers of softmax and LayerNorm, of unscaled random weights. */
const TOLERANCE = 5e-3;

interface Samples {
  samples: { inputs: Record<string, { dtype: 'int32' | 'float32'; shape: number[]; data: number[] }> }[];
}

function inputsOf(folder: string): NamedTensorMap {
  const { samples } = JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8')) as Samples;
  return Object.fromEntries(
    Object.entries(samples[0]!.inputs).map(([name, { data, shape, dtype }]) => [name, tf.tensor(data, shape, dtype)]),
  );
}

/** As converted, and with a mask that anybody may know. */
export function modelPrograms(folder: string): Program[] {
  const names = readdirSync(folder).filter((name) =>
    ['model.json', 'samples.json'].every((file) => existsSync(join(folder, name, file))),
  );
  return names.flatMap((name) => {
    const ask = async (publicMask: boolean): Promise<Tensor[]> => {
      const model = await load(join(folder, name));
      const given = inputsOf(join(folder, name));
      // A layers model that is loaded again has names with a number
      const inputs = Object.fromEntries(
        model.inputs.map((i) => [i.name, (given[i.name] ?? given[i.name.replace(/:\d+$|_\d+$/, '')])!]),
      );
      for (const [input, t] of Object.entries(inputs)) if (publicMask && /mask/.test(input)) declaredPublic(t);
      return Object.values(await model.predict(inputs));
    };
    const masked = Object.keys(inputsOf(join(folder, name))).some((input) => /mask/.test(input));
    const as = (how: string, publicMask: boolean): Program => ({
      name: `model/${name}${how}`,
      tolerance: TOLERANCE,
      run: () => ask(publicMask),
    });
    return [as('', false), ...(masked ? [as(', a public mask', true)] : [])];
  });
}
