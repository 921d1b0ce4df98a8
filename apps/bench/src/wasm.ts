import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { tf } from './quiet-tfjs.js';

/** Makes TF.js's WebAssembly backend the active one. */
export async function useWasm(): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(
    dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm')) + sep,
  );
  await tf.setBackend('wasm');
}
