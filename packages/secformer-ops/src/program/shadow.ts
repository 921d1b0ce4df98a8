import { decodeFixed, type Kernels, type Words } from '@secformer/ring';
import type { Instruction, Primitive } from '../instruction/primitive.js';
import { type OpenedType, publicBits, sizeOf, type ValueType } from '../instruction/types.js';
import { plainOf } from './plain.js';
import { type CheckedProgram, primitiveOf } from './program.js';
import { runTogether, type Together } from './together.js';

/** The first instruction that did not do what its plaintext does. */
export interface Violation {
  instruction: number;
  op: string;
  /** the logical operation that it belongs to */
  tag: string;
  kind: 'range' | 'error';
  /** elements concerned */
  count: number;
  message: string;
}

/** What a shadow run has found. */
export interface ShadowReport {
  violation: Violation | undefined;
  /** instructions compared */
  compared: number;
  /** largest and smallest value seen of every share and opening, by value number */
  ranges: Map<number, [number, number]>;
  run: Together;
}

/** Doubles carry 53 bits, and sums of products are rounded more than once. */
const ROUNDING = 2 ** -46;

/**
 * Runs a Program with all three roles in this process and compares every value with its plaintext, instruction by
 * instruction: each instruction's own error on the operands it really had, and its claimed range. It opens every
 * secret: for tests and for studying a model on inputs that may be seen.
 * @param inputs words of each share, opened or public input, or where the ones are of each one-hot input
 */
export async function shadowRevealingEverything(
  kernels: Kernels,
  checked: CheckedProgram,
  inputs: (Words | Int32Array)[],
): Promise<ShadowReport> {
  const { program, types, dies } = checked;
  const first = program.inputs.length;
  const values = new Map<number, Float64Array>();
  const ranges: ShadowReport['ranges'] = new Map();
  let violation: Violation | undefined;
  let compared = 0;
  program.inputs.forEach((input, v) => {
    const given = inputs[v]!;
    if (input.kind !== 'oneHot') {
      const bits = input.kind === 'public' ? publicBits(input) : input.bits;
      values.set(v, decodeFixed(kernels, given as Words, bits, input.fracBits));
      return;
    }
    const hot = new Float64Array(sizeOf(input.shape));
    for (const at of given as Int32Array) hot[at] = 1;
    values.set(v, hot);
  });
  const run = await runTogether(kernels, checked, inputs, undefined, (v, a, b) => {
    const index = v - first;
    const i = program.instructions[index]!;
    const operands = i.in.map((x) => values.get(x)!);
    violation ??= outside(checked, index, operands[0]);
    const want = plainOf(checked, index, operands);
    const got = decode(kernels, types[v]!, a, b);
    values.set(v, got ?? want ?? new Float64Array(0));
    if (got && want?.length === got.length && !violation) {
      compared++;
      violation = examine(checked, index, got, want, (x) => values.get(x)!);
    }
    if (got && types[v]!.kind !== 'bits') ranges.set(v, extent(got));
    for (const dead of dies[index]!) values.delete(dead);
  });
  return { violation, compared, ranges, run };
}

/** What the two sides' shares add up to; undefined where a value cannot be told without the dealer. */
function decode(kernels: Kernels, t: ValueType, a: Words | undefined, b: Words | undefined): Float64Array | undefined {
  if (!a || !b) return undefined;
  const sum = new BigUint64Array(a.length);
  if (t.kind === 'bits') {
    kernels.xor(sum, a, b);
    const n = sizeOf(t.shape);
    const size = a.length / t.planes;
    const out = new Float64Array(n * t.planes);
    const words = new BigUint64Array(n);
    for (let p = 0; p < t.planes; p++) {
      kernels.planeToWords(words, sum.subarray(p * size, (p + 1) * size));
      out.set(decodeFixed(kernels, words, 2, 0), p * n);
    }
    return out;
  }
  if (t.kind !== 'share' && t.kind !== 'opened') return undefined;
  kernels.add(sum, a, b);
  return decodeFixed(kernels, sum, t.bits, t.fracBits);
}

function extent(x: Float64Array): [number, number] {
  return [
    x.reduce((a, v) => Math.min(a, v), Number.POSITIVE_INFINITY),
    x.reduce((a, v) => Math.max(a, v), Number.NEGATIVE_INFINITY),
  ];
}

/** The range an instruction claims for its result; bits claim none. */
function claim(i: Instruction, t: ValueType): [number, number] | undefined {
  if (t.kind !== 'share' && t.kind !== 'opened') return undefined;
  const within = i.within as [number, number] | undefined;
  if (within) return within;
  const top = 2 ** t.magnitude;
  return [t.kind === 'opened' && !t.modular && t.offsetLog < 0 ? 0 : -top, top];
}

/** Operands beyond what an instruction is right for, such as the window of a comparison. */
function outside(checked: CheckedProgram, index: number, x: Float64Array | undefined): Violation | undefined {
  const { program, types } = checked;
  const i = program.instructions[index]!;
  const p = primitiveOf(i) as unknown as Primitive<unknown>;
  const range = p.holds?.(
    i.in.map((v) => types[v]!),
    i,
  );
  if (!range || !x || i.guarded === true) return undefined;
  const count = x.reduce((n, v) => n + Number(!(v >= range[0] && v < range[1])), 0);
  if (count === 0) return undefined;
  const [low, high] = extent(x);
  const message = leaving(nameOf(i, index), count, x.length, range, low, high);
  return { ...named(i, index), kind: 'range', count, message };
}

function leaving(name: string, count: number, of: number, range: [number, number], low: number, high: number): string {
  const values = `${count} of ${of} values leave its range ${range[0]} to ${range[1]}`;
  return `${name}: ${values}; they reach from ${low} to ${high}`;
}

const nameOf = (i: Instruction, index: number) => `instruction ${index} (${i.op}${i.tag ? ` of ${i.tag}` : ''})`;
const named = (i: Instruction, index: number) => ({ instruction: index, op: i.op, tag: i.tag ? String(i.tag) : i.op });

function examine(
  checked: CheckedProgram,
  index: number,
  got: Float64Array,
  want: Float64Array,
  lookUp: (v: number) => Float64Array,
): Violation | undefined {
  const { program, types } = checked;
  const i = program.instructions[index]!;
  const t = types[program.inputs.length + index]!;
  const p = primitiveOf(i) as unknown as Primitive<unknown>;
  const range = claim(i, t);
  const unit = t.kind === 'share' || t.kind === 'opened' ? 2 ** -t.fracBits : 0;
  const largest = want.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  const bar = (p.error?.(i, t) ?? 0) * 1.001 + ROUNDING * largest;
  // What is opened modulo few bits is meant modulo these, as a place that a row is rotated by
  const modulus = t.kind === 'opened' && t.modular ? 2 ** (t.bits - t.fracBits) : Number.POSITIVE_INFINITY;
  const found = { outside: 0, low: 0, high: 0, wrong: 0, worst: 0, at: 0 };
  for (let k = 0; k < got.length; k++) {
    const v = want[k]!;
    if (range && !(v >= range[0] - unit && v <= range[1] + unit)) {
      found.outside++;
      found.low = Math.min(found.low, v);
      found.high = Math.max(found.high, v);
      continue;
    }
    const off = distance(got[k]!, v, modulus);
    if (off <= bar) continue;
    if (t.kind === 'bits' && nearThreshold(checked, index, k, lookUp)) continue;
    found.wrong++;
    if (off > found.worst) [found.worst, found.at] = [off, v];
  }
  const [name, of] = [nameOf(i, index), named(i, index)];
  // What is outside is multiplied by an exact 0 later
  if (found.outside > 0 && i.guarded !== true) {
    const message = leaving(name, found.outside, got.length, range!, found.low, found.high);
    return { ...of, kind: 'range', count: found.outside, message };
  }
  if (found.wrong === 0) return undefined;
  const off = `${found.wrong} of ${got.length} values are off by more than ${bar.toExponential(2)}`;
  const message = `${name}: ${off}, the worst by ${found.worst.toExponential(2)} at ${found.at}`;
  return { ...of, kind: 'error', count: found.wrong, message };
}

/** How far apart two numbers are, modulo a power of two if there is one. */
function distance(a: number, b: number, modulus: number): number {
  const off = Math.abs(a - b);
  return modulus === Number.POSITIVE_INFINITY ? off : Math.min(off % modulus, modulus - (off % modulus));
}

/** A comparison that leaves out low bits may say "not less" within its resolution below the threshold. */
function nearThreshold(
  checked: CheckedProgram,
  index: number,
  at: number,
  lookUp: (v: number) => Float64Array,
): boolean {
  const { program, types } = checked;
  const first = program.inputs.length;
  let i = program.instructions[index]!;
  while (i.op !== 'compare' && i.op !== 'compareTable') {
    const from = i.in[0]! - first;
    if (from < 0) return false;
    i = program.instructions[from]!;
  }
  const of = types[i.in[0]!] as OpenedType;
  // Nobody has a share of top bits, and each side of a difference of two may be a unit more than it says
  const top = i.op === 'compare' && of.modular && of.bits === 0;
  if (i.position === 0 && !top) return false;
  const x = lookUp(i.in[0]!);
  // Not kept: nobody could tell
  if (!x) return true;
  const unit = 2 ** ((i.position as number) - of.fracBits);
  const value = x[at % x.length]! / unit;
  const near = (v: number, thresholds: readonly number[]) => thresholds.some((tau) => v < tau && v >= tau - 1);
  if (top) return (i.thresholds as string[]).some((tau) => Math.abs(value - Number(tau)) <= 1);
  if (i.op === 'compare') return near(value, (i.thresholds as string[]).map(Number));
  // A table's window is meant modulo its size, where it starts anew
  const size = 2 ** (i.window as number);
  return near(value - size * Math.floor(value / size), [...(i.thresholds as number[]), size]);
}
