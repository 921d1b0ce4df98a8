import { availableKernels, loadKernels } from '@secformer/ring';
import { columns, median, report } from './report.js';

export interface GemmFlags {
  m: number;
  n: number;
  k: number;
  json?: string;
}

const REPEATS = 7;
/** Linear layers and attention are products modulo 2^48; some others need all 64 bits. */
const MODULI = [48, 64];

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
  const [a, b, out] = [m * k, k * n, m * n].map((length) => new BigUint64Array(length)) as [
    BigUint64Array,
    BigUint64Array,
    BigUint64Array,
  ];
  const results: { kernel: string; bits: number; gmacPerSecond: number; threads: number }[] = [];
  for (const name of availableKernels()) {
    const kernels = await loadKernels(name);
    for (const words of [a, b]) kernels.chacha20(new Uint8Array(32), new Uint8Array(words.buffer));
    for (const bits of MODULI) {
      const shape = { m, k, n, bits };
      kernels.matMul(out, a, b, shape);
      results.push({
        kernel: kernels.name,
        bits,
        gmacPerSecond: rate(m * n * k, () => kernels.matMul(out, a, b, shape)),
        threads: 1,
      });
    }
  }
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
      ['kernel', 'modulo', 'GMAC/s', 'threads'],
      ...results.map((r) => [r.kernel, `2^${r.bits}`, r.gmacPerSecond.toFixed(2), r.threads]),
      [`float32, TF.js ${float32.backend}`, '', float32.gmacPerSecond.toFixed(2), 1],
    ]),
  );
}
