import { decodeFixed, encodeFixed, type Kernels, sizeOf, type Words } from '@secformer/ring';
import {
  type CheckedProgram,
  checkProgram,
  Emitter,
  type Program,
  ProgramBuilder,
  runTogether,
  type ShareType,
  shadowRevealingEverything,
} from '@secformer/secformer-ops';
import type { Case } from './cases.js';
import { timeBothParties } from './parties.js';

/** Errors of many elements; written so that NaN is not overlooked. */
export class ErrorSummary {
  maxAbs = 0;
  maxRel = 0;
  failures = 0;
  #sum = 0;
  #signed = 0;
  #count = 0;

  add(got: number, want: number, unit = 1): void {
    const d = (got - want) / unit;
    const a = Math.abs(d);
    if (!(a <= this.maxAbs)) this.maxAbs = a;
    if (!(a <= 1)) this.failures++;
    if (want !== 0) {
      const relative = Math.abs(got / want - 1);
      if (!(relative <= this.maxRel)) this.maxRel = relative;
    }
    this.#sum += a;
    this.#signed += d;
    this.#count++;
  }

  get record(): { maxAbs: number; meanAbs: number; meanError: number; maxRel: number } {
    const n = Math.max(1, this.#count);
    return { maxAbs: this.maxAbs, meanAbs: this.#sum / n, meanError: this.#signed / n, maxRel: this.maxRel };
  }
}

export interface Measured {
  elements: number;
  rounds: number;
  /** sent by one party */
  online: number;
  dealer: number;
  ms: number;
  /** rows outside the approximation's domain */
  outside: number;
  violation?: string;
}

/** Reals behind words, all 64 bits counted. */
function realsOf(words: Words, fracBits: number): Float64Array {
  const halves = new Int32Array(words.buffer, words.byteOffset, 2 * words.length);
  return Float64Array.from(
    { length: words.length },
    (_, i) => (halves[2 * i + 1]! * 2 ** 32 + (halves[2 * i]! >>> 0)) / 2 ** fracBits,
  );
}

/** log2 of what the values claim: the default range, or more where they need it. */
function magnitudeOf(values: Float32Array): number {
  const top = values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  return Math.max(14, Math.ceil(Math.log2(top)));
}

/** A case as a Program, and its inputs as words. */
function compile(kernels: Kernels, c: Case): { program: Program; checked: CheckedProgram; words: Words[] } {
  const builder = new ProgramBuilder();
  const hot =
    c.lookup && builder.input({ kind: 'oneHot', shape: [c.lookup.indices.length, c.lookup.depth], width: 32 });
  const ids = c.inputs.map((i) =>
    builder.input({
      kind: 'share',
      shape: i.shape,
      fracBits: i.fracBits ?? 16,
      bits: 64,
      magnitude: magnitudeOf(i.values),
    }),
  );
  const out = c.emit(new Emitter(builder), hot === undefined ? ids : [hot, ...ids]);
  const program = builder.build([out]);
  const words = c.inputs.map((i) => i.words ?? encodeFixed(kernels, i.values, 16, magnitudeOf(i.values)));
  return { program, checked: checkProgram(program), words };
}

/** Milliseconds that a case takes when both parties run it, prepared, on a thread each. */
export async function timeOnline(kernels: Kernels, c: Case, runs: number): Promise<number[]> {
  const { program, words } = compile(kernels, c);
  return timeBothParties(kernels, new TextEncoder().encode(JSON.stringify(program)), words, runs);
}

/**
 * Runs a case with both parties and the dealer in this process; `unit` scales its errors, or is taken from the result.
 */
export async function measure(
  kernels: Kernels,
  c: Case,
  error: ErrorSummary,
  vsModel: ErrorSummary,
  { lastPlace = false, shadow = false }: { lastPlace?: boolean; shadow?: boolean } = {},
): Promise<Measured> {
  const { checked, words } = compile(kernels, c);
  const { lookup } = c;
  const inputs = lookup ? [lookup.indices.map((index, row) => row * lookup.depth + index), ...words] : words;
  const start = performance.now();
  const shadowed = shadow ? await shadowRevealingEverything(kernels, checked, inputs) : undefined;
  const run = shadowed?.run ?? (await runTogether(kernels, checked, inputs));
  const ms = performance.now() - start;
  const result = checked.program.outputs[0]!;
  const t = checked.types[result] as ShareType;
  const got = decodeFixed(kernels, run.reveal(result), t.bits, t.fracBits);
  const reals = words.map((w, i) => realsOf(w, c.inputs[i]!.fracBits ?? 16));
  const [want, model] = [c.want(reals), c.model?.(reals)];
  const unit = lastPlace ? 2 ** -t.fracBits : 1;
  const width = c.width ?? 1;
  let outside = 0;
  for (let i = 0; i < got.length; i += width) {
    if (c.holds && !c.holds(reals[0]!.subarray(i, i + width))) {
      outside++;
      continue;
    }
    for (let j = i; j < i + width; j++) {
      error.add(got[j]!, want[j]!, unit);
      if (model) vsModel.add(got[j]!, model[j]!);
    }
  }
  const reduced = sizeOf(c.inputs[0]!.shape) > got.length && !c.lookup && c.inputs.length === 1;
  return {
    elements: reduced ? sizeOf(c.inputs[0]!.shape) : got.length,
    rounds: run.trace.rounds,
    online: run.trace.bytesSent,
    dealer: run.dealerBytes,
    ms,
    outside,
    ...(shadowed && { violation: shadowed.violation?.message ?? '' }),
  };
}
