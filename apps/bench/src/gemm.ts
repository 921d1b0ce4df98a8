import { loadKernels } from '@secformer/ring';
import { columns, median, report } from './report.js';

export interface GemmFlags {
  m: number;
  n: number;
  k: number;
  json?: string;
}

const REPEATS = 7;

function rate(macs: number, run: () => void): number {
  const times = Array.from({ length: REPEATS }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return macs / median(times) / 1e6;
}

/** The ring matrix product, each kernel there is, beside TensorFlow.js's float32 one. */
export async function gemm(f: GemmFlags): Promise<void> {
  const { m, n, k } = f;
  const kernels = await loadKernels();
  const [a, b, out] = [m * k, k * n, m * n].map((length) => new BigUint64Array(length)) as [BigUint64Array, BigUint64Array, BigUint64Array];
  crypto.getRandomValues(new Uint8Array(a.buffer, 0, Math.min(65536, a.byteLength)));
  b.fill(0x9e3779b97f4a7c15n);
  kernels.matMul(out, a, b, { m, k, n });
  const results = [{ kernel: kernels.name, gmacPerSecond: rate(m * n * k, () => kernels.matMul(out, a, b, { m, k, n })), threads: 1 }];

  const { tf } = await import('./quiet-tfjs.js');
  const { useWasm } = await import('./wasm.js');
  await useWasm();
  const [x, y] = [tf.randomUniform([m, k]), tf.randomUniform([k, n])];
  const product = () => {
    const z = tf.matMul(x as never, y as never);
    z.dataSync();
    z.dispose();
  };
  product();
  const float32 = { backend: 'wasm', gmacPerSecond: rate(m * n * k, product) };
  report({ command: 'gemm', m, n, k, results, float32 }, f.json, () =>
    columns([
      ['kernel', 'GMAC/s', 'threads'],
      ...results.map((r) => [r.kernel, r.gmacPerSecond.toFixed(2), r.threads]),
      [`float32, TF.js ${float32.backend}`, float32.gmacPerSecond.toFixed(2), 1],
    ]),
  );
}
