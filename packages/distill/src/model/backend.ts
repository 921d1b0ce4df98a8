/** Which of TensorFlow.js's backends trains. */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import { registerGradients } from './gradients.js';

/** Backends that train, from the fastest on. */
export const BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;

/** The name of a backend that trains. */
export type TrainingBackend = (typeof BACKENDS)[number];

const ADDON: string = '@tensorflow/tfjs-node';

async function load(name: TrainingBackend): Promise<void> {
  if (name === 'tensorflow') await import(ADDON);
  if (name === 'wasm') {
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    const require = createRequire(import.meta.url);
    setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm')) + sep);
  }
}

/**
 * Makes a backend the active one, with the gradients that it lacks.
 * @param asked 'tensorflow' where @tensorflow/tfjs-node is installed, else 'wasm', if absent
 * @returns its name
 * @throws DistillError BAD_TRAINING where the backend that was asked for cannot be had
 */
export async function useBackend(asked?: TrainingBackend): Promise<TrainingBackend> {
  if (asked !== undefined && !BACKENDS.includes(asked))
    throw new DistillError('BAD_TRAINING', `backend is '${asked}'; ${BACKENDS.join(', ')} are known`);
  tf.enableProdMode();
  for (const name of asked ? [asked] : BACKENDS) {
    try {
      await load(name);
      if (!(await tf.setBackend(name))) throw new Error('it cannot be initialized');
      registerGradients();
      return name;
    } catch (cause) {
      if (!asked && name !== 'cpu') continue;
      const remedy = name === 'tensorflow' ? '; npm install @tensorflow/tfjs-node, or choose wasm' : '';
      throw new DistillError(
        'BAD_TRAINING',
        `backend '${name}' cannot be used (${(cause as Error).message})${remedy}`,
        {
          cause,
        },
      );
    }
  }
  throw new DistillError('BAD_TRAINING', 'no backend can be used');
}
