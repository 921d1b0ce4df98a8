import { Arena, decodeFixed, encodeFixed, loadKernels, sizeOf, type Words } from '@secformer/ring';
import {
  type CheckedProgram,
  checkProgram,
  Emitter,
  ProgramBuilder,
  runTogether,
  type ShareType,
  type Together,
} from '../src/index.js';

export const kernels = await loadKernels();

// An instruction that reads what it did not write is found out
Arena.spoil = true;

export interface Input {
  shape: number[];
  values: Float32Array;
  /** claimed range, 14 if absent */
  magnitude?: number;
}

/** Builds a program over 16-bit inputs, runs all three roles on it and decodes the outputs. */
export async function evaluate(
  inputs: Input[],
  compose: (e: Emitter, inputs: number[]) => number[],
): Promise<{ outputs: Float64Array[]; run: Together; checked: CheckedProgram }> {
  const builder = new ProgramBuilder();
  const emitter = new Emitter(builder);
  const ids = inputs.map((i) =>
    builder.input({ kind: 'share', shape: i.shape, fracBits: 16, bits: 64, magnitude: i.magnitude ?? 14 }),
  );
  const checked = checkProgram(JSON.parse(JSON.stringify(builder.build(compose(emitter, ids)))));
  const words: Words[] = inputs.map((i) => encodeFixed(kernels, i.values, 16, i.magnitude ?? 14));
  const run = await runTogether(kernels, checked, words);
  const outputs = checked.program.outputs.map((v) => {
    const t = checked.types[v] as ShareType;
    return decodeFixed(kernels, run.reveal(v), t.bits, t.fracBits);
  });
  return { outputs, run, checked };
}

/** A small deterministic generator, so that a failure can be seen again. */
export function random(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

export function uniform(n: number, low: number, high: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: n }, () => low + (high - low) * next());
}

function roundEven(x: number): number {
  const r = Math.round(x);
  return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** The values that are really encoded. */
export function encoded(values: Float32Array): Float64Array {
  return Float64Array.from(values, (v) => roundEven(v * 65536) / 65536);
}

export function worst(got: Float64Array, want: (i: number) => number): { max: number; mean: number; at: number } {
  let [max, sum, at] = [0, 0, 0];
  got.forEach((v, i) => {
    const d = Math.abs(v - want(i));
    if (!(d <= max)) [max, at] = [d, i];
    sum += d;
  });
  return { max, mean: sum / got.length, at };
}

export { sizeOf };
