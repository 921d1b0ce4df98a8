/** What is computed of integers that say where rows go or come from; a client does the same to its own. */
import { stridesOf } from '@secformer/ring';
import type { Owner, RowsCall, Step } from './steps.js';

/** Integers that stay in one process, or are public. */
export interface Indices {
  values: Int32Array;
  owner: Owner;
  /** how a client has them */
  step: Step | undefined;
}

/**
 * Rows, of integers.
 * @throws Error, as on 'cpu', where one of them is outside
 */
export function rowsOf(call: RowsCall, values: Int32Array): Int32Array {
  switch (call.rows) {
    case 'gather': {
      const { depth, perBatch } = call;
      values.forEach((index) => {
        if (!(index >= 0 && index < depth))
          throw new Error(`GatherV2: the index value ${index} is not in [0, ${depth - 1}]`);
      });
      return values.map((id, i) => Math.floor(i / perBatch) * depth + id);
    }
    case 'flat':
      return flatRows(values, call);
    case 'last':
      return lastOnly(values, call.outside);
    case 'countable':
      if (values.some((id) => id < 0)) throw new Error('Input x must be non-negative!');
      return inRange(values, call.outside);
    default:
      return inRange(values, call.outside);
  }
}

/** The same of integers with their owner. */
export function rowed(call: RowsCall, { values, owner, step }: Indices): Indices {
  const made = rowsOf(call, values);
  if (!step) return { values: made, owner, step };
  const of = { of: step, shape: [values.length], dtype: 'int32' } as const;
  return { values: made, owner, step: { step: 'rows', call, of, shape: [made.length], dtype: 'int32' } };
}

/** Row numbers of N-dimensional indices of `depth` coordinates each. */
function flatRows(
  indices: Int32Array,
  { depth, shape, kernel }: { depth: number; shape: readonly number[]; kernel: string },
): Int32Array {
  const strides = stridesOf(shape.slice(0, depth));
  const count = depth === 0 ? 0 : indices.length / depth;
  return Int32Array.from({ length: count }, (_, r) => {
    let row = 0;
    for (let d = 0; d < depth; d++) {
      const i = indices[r * depth + d]!;
      if (!(i >= 0 && i < shape[d]!))
        throw new Error(
          `Invalid indices: ${indices.slice(r * depth, (r + 1) * depth)} does not index into ${shape} (${kernel})`,
        );
      row += i * strides[d]!;
    }
    return row;
  });
}

/** Of rows that go to one place only the last does. */
function lastOnly(to: Int32Array, outside: number): Int32Array {
  const last = new Map<number, number>();
  to.forEach((row, i) => {
    last.set(row, i);
  });
  return to.map((row, i) => (last.get(row) === i ? row : outside));
}

const inRange = (ids: Int32Array, outside: number) => ids.map((id) => (id >= 0 && id < outside ? id : outside));
