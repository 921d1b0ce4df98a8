/**
 * How a value that belongs to a client is made of the model's inputs. While a model is traced every such value carries
 * its step; what the graph then takes of them is what a client computes before it asks.
 */
import type { Shape } from '@secformer/secformer-ops';

/** Types of a step's values; 'real' is double precision, as expressions of recorded operations are computed in. */
export type StepType = 'float32' | 'int32' | 'bool' | 'real';

interface Typed {
  shape: Shape;
  dtype: StepType;
}

/** A step's values as a kernel takes them: under another shape of as many elements, and as a TF.js type. */
export interface Operand {
  of: Step;
  shape: Shape;
  dtype: Exclude<StepType, 'real'>;
}

/** What rows of tables are made of client-owned integers: see rows.ts. */
export type RowsCall =
  /** of ids in tables side by side: row (i div perBatch)·depth + id */
  | { rows: 'gather'; depth: number; perBatch: number }
  /** of `depth` coordinates each, in a tensor of this shape */
  | { rows: 'flat'; depth: number; shape: number[]; kernel: string }
  /** the place `outside` for a row that comes to the same place as a later one */
  | { rows: 'last'; outside: number }
  /** the place `outside` for what is not in [0, outside) */
  | { rows: 'inRange'; outside: number }
  /** the same of what may not be negative */
  | { rows: 'countable'; outside: number };

export type Step = Typed &
  (
    | { step: 'input'; input: number }
    /** of public values */
    | { step: 'constant'; values: ArrayLike<number> }
    /** one result of a TF.js kernel on the host */
    | {
        step: 'kernel';
        kernel: string;
        attrs: object;
        inputs: Operand[] | Record<string, Operand | undefined>;
        output: number;
      }
    /** a recorded operation in double precision; 'gather' and 'oneHot' take integers beside their operands */
    | { step: 'op'; op: string; attrs: object; inputs: Step[]; indices?: Step }
    | { step: 'rows'; call: RowsCall; of: Operand }
    /** what the nodes computed, by its place among what is revealed */
    | { step: 'revealed'; output: number }
  );

/**
 * Whose a value is: known to everybody, to who records, to the clients of a model that is being traced, or, made of
 * both, to nobody but the nodes together. Outside of tracing nothing is a client's.
 */
export type Owner = 'public' | 'caller' | 'client' | 'nobody';

/** Whose a value is that is made of values of these two. */
export function together(a: Owner, b: Owner): Owner {
  if (a === b || b === 'public') return a;
  return a === 'public' ? b : 'nobody';
}
