/** One program on one backend, and what two backends made of it. */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import type { Answer, Program } from './program.js';

/** Absolute, or relative where a value is above 1. */
const TOLERANCE = 1e-3;
/** A program that takes longer has no answer; the slowest takes some seconds. */
const PATIENCE_MS = 60_000;
/** Values of a result that a report shows. */
const HEAD = 6;

export interface Values {
  shape: number[];
  values: number[];
}

export type Outcome =
  | { kind: 'values'; values: Values[] }
  /** `code` is NO_CODE where what was thrown is no error of this project's */
  | { kind: 'error'; code: string; message: string };

export interface Verdict {
  name: string;
  /** 'invalid' is a program that 'cpu' does not run */
  outcome: 'right' | 'refused' | 'wrong' | 'invalid';
  /** as the program says it may come out */
  expected: boolean;
  runs: number;
  ms: number;
  maxError: number | null;
  code?: string;
  message?: string;
  wanted?: string;
  got?: string;
}

const isTensor = (a: unknown): a is Tensor => a instanceof tf.Tensor;

async function read(answer: Answer): Promise<Values[]> {
  if (isTensor(answer)) {
    const { shape } = answer;
    return [{ shape, values: Array.from((await answer.data()) as ArrayLike<number>) }];
  }
  if (typeof answer === 'number' || typeof answer === 'boolean') return [{ shape: [], values: [Number(answer)] }];
  if (typeof answer === 'string') return [{ shape: [], values: [...answer].map((c) => c.codePointAt(0)!) }];
  const list = Array.from(answer as ArrayLike<Answer>);
  if (list.every((v) => typeof v === 'number')) return [{ shape: [list.length], values: list as number[] }];
  const parts: Values[] = [];
  for (const part of list) parts.push(...(await read(part)));
  return parts;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Of promises that a program does not await. */
const unhandled: unknown[] = [];
process.on('unhandledRejection', (error) => unhandled.push(error));

/** The program on the backend that is active; what it leaves behind is disposed. */
export async function runProgram({ prepare, run }: Program): Promise<Outcome> {
  await prepare?.();
  unhandled.length = 0;
  tf.engine().startScope();
  try {
    const values = await inTime((async () => read(await run()))());
    if (unhandled.length > 0) throw unhandled[0];
    return { kind: 'values', values };
  } catch (error) {
    const { code, message, name } = error as { code?: unknown; message?: string; name?: string };
    return {
      kind: 'error',
      code: typeof code === 'string' ? code : 'NO_CODE',
      message: message ? `${message}` : `${name ?? error}`,
    };
  } finally {
    tf.engine().endScope();
    tf.disposeVariables();
  }
}

/** Largest error; Infinity where shapes differ or one value is finite and the other is not. */
function errorOf(wanted: Values[], got: Values[]): number {
  if (wanted.length !== got.length) return Infinity;
  return wanted.reduce((most, w, i) => {
    const g = got[i]!;
    if (w.shape.join() !== g.shape.join() || w.values.length !== g.values.length) return Infinity;
    return w.values.reduce((largest, v, j) => {
      const other = g.values[j]!;
      if (Object.is(v, other) || v === other) return largest;
      const e = Math.abs(v - other) / Math.max(1, Math.abs(v));
      return Number.isFinite(e) ? Math.max(largest, e) : Infinity;
    }, most);
  }, 0);
}

const rounded = (v: number): string => (Number.isInteger(v) ? String(v) : v.toPrecision(4));

/** From the first value that is off, so that it shows. */
function heads(wanted: Values[], got: Values[], tolerance: number): { wanted: string; got: string } {
  const w = wanted.flatMap((v) => v.values);
  const g = got.flatMap((v) => v.values);
  const from = Math.max(
    0,
    w.findIndex((v, i) => !(v === g[i] || Math.abs(v - g[i]!) <= tolerance * Math.max(1, Math.abs(v)))),
  );
  const at = from > 0 ? ` from ${from}` : '';
  const head = (values: number[]) =>
    `[${values.slice(from, from + HEAD).map(rounded)}${values.length > from + HEAD ? ',…' : ''}]${at}`;
  return { wanted: head(w), got: head(g) };
}

/** What came of `runs` times a program beside what 'cpu' has; the worst of them counts. */
export async function judge(p: Program, wanted: Outcome, runs: number): Promise<Verdict> {
  const start = performance.now();
  const verdict: Verdict = { name: p.name, outcome: 'right', expected: true, runs, ms: 0, maxError: null };
  if (wanted.kind === 'error')
    return { ...verdict, outcome: 'invalid', expected: false, runs: 0, code: wanted.code, message: wanted.message };
  for (let i = 0; i < runs && verdict.outcome === 'right'; i++) {
    const got = await runProgram(p);
    if (got.kind === 'error') {
      Object.assign(verdict, {
        outcome: 'refused',
        code: got.code,
        message: got.message,
        expected: got.code === p.refusal,
      });
      break;
    }
    const error = errorOf(wanted.values, got.values);
    verdict.maxError = Math.max(verdict.maxError ?? 0, error);
    const tolerance = p.tolerance ?? TOLERANCE;
    if (error <= tolerance) continue;
    Object.assign(verdict, { outcome: 'wrong', expected: false, ...heads(wanted.values, got.values, tolerance) });
  }
  verdict.ms = performance.now() - start;
  return verdict;
}
