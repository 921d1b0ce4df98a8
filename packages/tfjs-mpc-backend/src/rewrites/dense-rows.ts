/**
 * What is folded into the weights of a dense layer: the rows of a matrix [depth, width], or of one that is turned and
 * lies in memory as [width, depth]. Functions of their own, so that the same compiled loops serve all layers.
 */

/** How a matrix lies in memory: elements between neighbours in a row and in a column. */
interface Strides {
  row: number;
  column: number;
}

/** A dense layer's matrix. */
export interface Dense {
  values: Float32Array;
  depth: number;
  width: number;
  turned: boolean;
}

const stridesOf = ({ depth, width, turned }: Dense): Strides =>
  turned ? { row: 1, column: depth } : { row: width, column: 1 };

/** Each row times its gain and a factor. @param gain all 1 if absent */
export function scaledRows(w: Dense, gain: Float32Array | undefined, factor: number): Float32Array {
  const { values, depth, width } = w;
  const { row, column } = stridesOf(w);
  const out = new Float32Array(values.length);
  for (let i = 0; i < depth; i++) {
    const times = gain ? gain[i]! * factor : factor;
    for (let j = 0, at = i * row; j < width; j++, at += column) out[at] = values[at]! * times;
  }
  return out;
}

/** The sum of all rows, each times a number and a factor. */
export function weightedRows(w: Dense, times: Float32Array, factor: number): Float32Array {
  const { values, depth, width } = w;
  const { row, column } = stridesOf(w);
  const out = new Float64Array(width);
  for (let i = 0; i < depth; i++) {
    const of = times[i]! * factor;
    for (let j = 0, at = i * row; j < width; j++, at += column) out[j] = out[j]! + of * values[at]!;
  }
  return Float32Array.from(out);
}

/** Each row less its mean. */
export function centredRows(w: Dense): Float32Array {
  const { values, depth, width } = w;
  const { row, column } = stridesOf(w);
  const out = new Float32Array(values.length);
  for (let i = 0; i < depth; i++) {
    let sum = 0;
    for (let j = 0, at = i * row; j < width; j++, at += column) sum += values[at]!;
    const mean = sum / width;
    for (let j = 0, at = i * row; j < width; j++, at += column) out[at] = values[at]! - mean;
  }
  return out;
}
