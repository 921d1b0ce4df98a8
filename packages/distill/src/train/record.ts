/** What is known of a training: its settings, each step's losses, and what was measured. */
import type { MetricName } from '../glue/metrics.js';
import type { Evaluation } from './evaluate.js';
import type { LossParts } from './gradients.js';

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

/** All that training.json has. */
export interface RunRecord {
  task: string;
  backend: string;
  /** what it was done with, all of which a resumed training has to have again */
  settings: Record<string, unknown>;
  steps: number;
  curve: CurvePoint[];
  evaluations: (Evaluation & { step: number })[];
  /** the step whose model is kept, and the first of the task's measures there */
  best: { step: number; metric: MetricName; value: number } | undefined;
  /** time in steps, evaluations left out */
  seconds: number;
  /** time in which attention was fitted, before the steps */
  fittingSeconds: number;
  ended: Ending | undefined;
}
