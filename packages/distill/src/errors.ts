/** What went wrong: what each code means is in docs/faq.md. */
export type DistillErrorCode =
  | 'BAD_TASK_DATA'
  | 'BAD_TRAINING'
  | 'TRAINING_DIVERGED'
  | 'CHECKPOINT_MISMATCH'
  | 'NOT_WRITTEN';

/** A training that cannot begin or go on. Its message never holds a text of the data. */
export class DistillError extends Error {
  readonly code: DistillErrorCode;
  constructor(code: DistillErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DistillError';
    this.code = code;
  }
}
