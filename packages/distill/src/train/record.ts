/** What a training leaves beside its model: settings and curves as JSON, and a plot of them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../model/draft.js';
import type { Evaluation } from './evaluate.js';
import type { LossParts } from './gradients.js';
import { plotOf } from './plot.js';

/** A step, from 1. */
export interface CurvePoint {
  step: number;
  stage: string;
  rate: number;
  /** the gradient's length, before it was made shorter */
  gradient: number;
  losses: LossParts;
}

/** Why a training ended. */
export type Ending = 'all steps' | 'no longer better' | 'interrupted';

export interface RunRecord {
  task: string;
  backend: string;
  /** what it was done with, all of which a resumed training has to have again */
  settings: Record<string, unknown>;
  steps: number;
  curve: CurvePoint[];
  evaluations: (Evaluation & { step: number })[];
  /** the step whose model is kept, and the first of the task's measures there */
  best: { step: number; metric: string; value: number } | undefined;
  /** time in steps, evaluations left out */
  seconds: number;
  ended: Ending | undefined;
}

/** Writes training.json and training.svg. */
export async function writeRecord(out: string, record: RunRecord): Promise<void> {
  await mkdir(out, { recursive: true });
  await writeWhole(join(out, 'training.json'), `${JSON.stringify(record, null, 1)}\n`);
  await writeWhole(join(out, 'training.svg'), plotOf(record));
}
