/** Independent runs of one Program at the same time, as clients of one model make them. */
import { type LastRun, type PreparedRead, prepare } from '@secformer/tfjs-mpc-backend';
import type { Tensor } from '@tensorflow/tfjs-core';
import { median } from './report.js';

/** What so many runs took that were started at the same time, each prepared before, and one alone just before them. */
export interface GangRun {
  aloneMs: number;
  /** from the first start to the last result */
  ms: number;
  outputs: Float32Array[];
  records: LastRun[];
}

/**
 * Runs share no frame and no lock step: while one waits for its round the others compute, so that all of them take the
 * rounds of one and the processor time of all.
 * @param make records the computation of one run
 */
export async function gangRun(make: () => Tensor, runs: number): Promise<GangRun> {
  const made = Array.from({ length: runs + 1 }, make);
  try {
    const prepared: PreparedRead[] = [];
    const began = async (p: PreparedRead) => {
      const start = performance.now();
      const result = await p.run();
      return { ...result, ms: performance.now() - start };
    };
    const alone = await began(await prepare(made[runs]!));
    for (const y of made.slice(0, runs)) prepared.push(await prepare(y));
    const start = performance.now();
    const results = await Promise.all(prepared.map(began));
    const ms = performance.now() - start;
    return {
      aloneMs: alone.ms,
      ms,
      outputs: results.map(({ values }) => values as Float32Array),
      records: results.map(({ record }) => record),
    };
  } finally {
    for (const y of made) y.dispose();
  }
}

/** What the figures of a bench say of them. */
export interface GangFigures {
  sentences: number;
  ms: number[];
  aloneMs: number[];
  /** medians: a sentence's part of the time of all, and that as a part of what one takes alone */
  perSentenceMs: number;
  ofAlone: number;
}

export function gangFigures(gangs: readonly GangRun[], sentences: number): GangFigures {
  const perSentenceMs = median(gangs.map(({ ms }) => ms)) / sentences;
  const aloneMs = gangs.map((g) => g.aloneMs);
  return {
    sentences,
    ms: gangs.map(({ ms }) => ms),
    aloneMs,
    perSentenceMs,
    ofAlone: perSentenceMs / median(aloneMs),
  };
}
