/**
 * Kernels that put rows at places given by numbers: scatters, segment sums, bin counts. By public numbers it is a
 * matter of layout. By numbers that only the client knows it is a product with their one-hot rows, transposed, which
 * reach the nodes under masks. Rows that go nowhere (out of range, overwritten) go to a place more, which is cut off,
 * so that the structure is one for all numbers.
 */
import { sizeOf } from '@secformer/ring';
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { scalarOf } from '../rewrites/patterns.js';
import { type Indices, rowed } from '../rows.js';
import type { Step } from '../steps.js';
import { integersOf } from './indices.js';
import { type KernelCall, type SecretKernel, UnsupportedKernelError } from './kernel.js';
import { applied, combined, constant, constants, gathered, lookedUp, oneHot, reshaped, summed } from './nodes.js';
import { addedAt, hotAt, oneHotOf } from './secret-indices.js';

/** Where each row goes, `rows` for those that go nowhere, in `batch` independent series of as many each. */
interface Targets {
  to: Indices;
  batch: number;
  rows: number;
  hidden: boolean;
}

/** From rows to the elements of rows of `width`. */
function elementsOf(rows: readonly (readonly number[])[], width: number): number[][] {
  return rows.flatMap((sources) => Array.from({ length: width }, (_, i) => sources.map((s) => s * width + i)));
}

/** Which rows come to each place. */
function sourcesOf({ to, batch, rows }: Targets): number[][] {
  const from: number[][] = Array.from({ length: batch * rows }, () => []);
  const n = to.values.length / batch;
  to.values.forEach((row, i) => {
    if (row < rows) from[Math.floor(i / n) * rows + row]!.push(i);
  });
  return from;
}

/** One-hot rows of hidden targets, [batch, n, rows + 1]. */
const hotRows = ({ to, batch, rows }: Targets) => oneHot(to, [batch, to.values.length / batch, rows + 1]);

/** All but the last place along an axis. */
function withoutLast(x: SecretNode, axis: number): SecretNode {
  const shape = x.shape.map((d, i) => (i === axis ? d - 1 : d));
  return new SecretNode('slice', [x], shape, { begin: shape.map(() => 0) });
}

/** Sums of the rows of x [batch, n, width] that come to each place, [batch, rows, width]. */
function added(x: SecretNode, t: Targets, hot = t.hidden ? hotRows(t) : undefined): SecretNode {
  const width = x.shape.at(-1)!;
  if (!hot) return gathered(x, [t.batch, t.rows, width], elementsOf(sourcesOf(t), width));
  return withoutLast(
    new SecretNode('matMul', [hot, x], [t.batch, t.rows + 1, width], { transposeA: true, transposeB: false }),
    1,
  );
}

/** 1 where a row comes to a place, 0 where none does, [batch, rows, 1]; at most one comes to each. */
function written(t: Targets, hot: SecretNode | undefined): SecretNode {
  const shape = [t.batch, t.rows, 1];
  if (hot) return reshaped(withoutLast(summed(hot, [1]), 1), shape);
  return constants(
    sourcesOf(t).map((s) => s.length),
    shape,
  );
}

/** Row numbers of N-dimensional indices. */
function flatRows(call: KernelCall, indices: TensorInfo, depth: number, shape: number[], kernel: string) {
  const all = integersOf(call, indices, kernel);
  return { hidden: all.hidden, to: rowed({ rows: 'flat', depth, shape: [...shape], kernel }, all) };
}

/** Of rows that go to one place only the last does. */
const lastOnly = (to: Indices, rows: number) => rowed({ rows: 'last', outside: rows }, to);

function zeros(call: KernelCall, shape: number[], dtype: TensorInfo['dtype']): TensorInfo {
  const n = sizeOf(shape);
  return call.backend.unshared(
    {
      values: dtype === 'int32' ? new Int32Array(n) : dtype === 'bool' ? new Uint8Array(n) : new Float32Array(n),
      shape,
      dtype,
    },
    'public',
  );
}

export const ScatterNd: SecretKernel = (call) => {
  const { indices, updates } = call.inputs as { indices: TensorInfo; updates: TensorInfo };
  const { shape } = call.attrs as unknown as { shape: number[] };
  const depth = indices.shape.length < 2 ? 1 : indices.shape.at(-1)!;
  const width = sizeOf(shape.slice(depth));
  const rows = sizeOf(shape.slice(0, depth));
  if (call.backend.privacy(indices) === 'secret') return scatteredBySecret(call, indices, updates, [...shape], depth);
  const { to, hidden } = flatRows(call, indices, depth, shape, 'ScatterNd');
  const n = to.values.length;
  if (n * rows * width === 0) return zeros(call, [...shape], updates.dtype);
  const made = added(reshaped(call.backend.node(updates), [1, n, width]), { to, batch: 1, rows, hidden });
  return call.backend.secret(reshaped(made, shape), updates.dtype);
};

function scatteredBySecret(
  { backend }: KernelCall,
  indices: TensorInfo,
  updates: TensorInfo,
  shape: number[],
  depth: number,
): TensorInfo {
  const n = sizeOf(indices.shape) / depth;
  const hot = hotAt(reshaped(backend.node(indices), [n, depth]), shape.slice(0, depth));
  const rows = reshaped(backend.node(updates), [1, n, sizeOf(shape.slice(depth))]);
  return backend.secret(reshaped(addedAt(rows, reshaped(hot, [1, n, hot.shape[1]!])), shape), updates.dtype);
}

export const TensorScatterUpdate: SecretKernel = (call) => {
  const { tensor, indices, updates } = call.inputs as { tensor: TensorInfo; indices: TensorInfo; updates: TensorInfo };
  const { backend } = call;
  const depth = indices.shape.length < 2 ? 1 : indices.shape.at(-1)!;
  const width = sizeOf(tensor.shape.slice(depth));
  const rows = sizeOf(tensor.shape.slice(0, depth));
  const { to: all, hidden } = flatRows(call, indices, depth, tensor.shape, 'TensorScatterUpdate');
  const n = all.values.length;
  if (n * rows * width === 0) return backend.secret(backend.node(tensor), tensor.dtype);
  const targets = { to: lastOnly(all, rows), batch: 1, rows, hidden };
  const hot = hidden ? hotRows(targets) : undefined;
  const before = reshaped(backend.node(tensor), [1, rows, width]);
  const made = added(reshaped(backend.node(updates), [1, n, width]), targets, hot);
  const free = combined('sub', constant(1), written(targets, hot));
  const kept = hot
    ? combined('mul', before, free)
    : new SecretNode('pick', [before], before.shape, { indices: keptElements(targets, width) });
  return backend.secret(reshaped(combined('add', kept, made), tensor.shape), tensor.dtype);
};

/** The elements of places that nothing is written to, −1 for the others. */
function keptElements(t: Targets, width: number): number[] {
  return sourcesOf(t).flatMap((sources, row) =>
    Array.from({ length: width }, (_, i) => (sources.length > 0 ? -1 : row * width + i)),
  );
}

export const SparseToDense: SecretKernel = (call) => {
  const { sparseIndices, sparseValues, defaultValue } = call.inputs as {
    sparseIndices: TensorInfo;
    sparseValues: TensorInfo;
    defaultValue: TensorInfo;
  };
  const { outputShape } = call.attrs as unknown as { outputShape: number[] };
  const { backend } = call;
  const depth = sparseIndices.shape.length < 2 ? 1 : sparseIndices.shape[1]!;
  const rows = sizeOf(outputShape);
  const { to: all, hidden } = flatRows(call, sparseIndices, depth, outputShape, 'SparseToDense');
  const n = all.values.length;
  if (rows === 0) return zeros(call, [...outputShape], sparseValues.dtype);
  const otherwise = backend.node(defaultValue);
  const spread = (x: SecretNode, shape: number[]) => new SecretNode('broadcast', [x], shape);
  if (n === 0) return backend.secret(spread(otherwise, [...outputShape]), sparseValues.dtype);
  const targets = { to: lastOnly(all, rows), batch: 1, rows, hidden };
  const hot = hidden ? hotRows(targets) : undefined;
  const given = backend.node(sparseValues);
  const made = added(reshaped(given.shape.length === 0 ? spread(given, [n]) : given, [1, n, 1]), targets, hot);
  // Where the default is the number 0, which is public, nothing needs to be known of the free places
  const free = scalarOf(otherwise) === 0 ? undefined : combined('sub', constant(1), written(targets, hot));
  const whole = free ? combined('add', made, combined('mul', free, otherwise)) : made;
  return backend.secret(reshaped(whole, outputShape), sparseValues.dtype);
};

/** Ids outside are dropped. */
const inRange = (ids: Indices, rows: number) => rowed({ rows: 'inRange', outside: rows }, ids);

export const UnsortedSegmentSum: SecretKernel = (call) => {
  const { x, segmentIds } = call.inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const { numSegments: rows } = call.attrs as unknown as { numSegments: number };
  const inner = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(inner);
  const shape = [rows, ...inner];
  if (call.backend.privacy(segmentIds) === 'secret') {
    const n = sizeOf(segmentIds.shape);
    const hot = oneHotOf(reshaped(call.backend.node(segmentIds), [1, n]), rows);
    return call.backend.secret(reshaped(addedAt(reshaped(call.backend.node(x), [1, n, width]), hot), shape), x.dtype);
  }
  const ids = integersOf(call, segmentIds, 'UnsortedSegmentSum');
  const n = ids.values.length;
  if (n * rows * width === 0) return zeros(call, shape, x.dtype);
  const made = added(reshaped(call.backend.node(x), [1, n, width]), {
    to: inRange(ids, rows),
    batch: 1,
    rows,
    hidden: ids.hidden,
  });
  return call.backend.secret(reshaped(made, shape), x.dtype);
};

/**
 * Rows of a secret table by number, added up or averaged by segment. The result has as many rows as the largest segment
 * id says, so the ids have to be public; which rows of the table they take need not be.
 */
export function sparseSegment(kernel: string, mean: boolean): SecretKernel {
  return (call) => {
    const { data, indices, segmentIds } = call.inputs as {
      data: TensorInfo;
      indices: TensorInfo;
      segmentIds: TensorInfo;
    };
    const taken = integersOf(call, indices, kernel);
    const { values: rows, hidden } = taken;
    const segments = integersOf(call, segmentIds, kernel);
    const { values: ids, hidden: hiddenIds } = segments;
    const n = ids.length === 0 ? 0 : ids.at(-1)! + 1;
    if (n < 0 || (ids.length > 0 && n === 0))
      throw new Error(backend_util.getSparseSegmentReductionNegativeSegmentIdsErrorMessage());
    ids.forEach((id, i) => {
      if (i > 0 && id < ids[i - 1]!)
        throw new Error(backend_util.getSparseSegmentReductionNonIncreasingSegmentIdsErrorMessage());
      if (id < 0 || id >= n)
        throw new Error(backend_util.getSparseSegmentReductionSegmentIdOutOfRangeErrorMessage(id, n));
      const row = rows[i]!;
      if (!(row >= 0 && row < data.shape[0]!))
        throw new Error(backend_util.getSparseSegmentReductionIndicesOutOfRangeErrorMessage(i, row, data.shape[0]!));
    });
    if (hiddenIds && ids.length > 0) {
      throw new UnsupportedKernelError(
        kernel,
        'has a result as long as the largest segment id, and shapes are public',
        'Declare segmentIds with asPublic, if they may be known, or use tf.unsortedSegmentSum, whose number of ' +
          'segments is given and whose ids stay private',
      );
    }
    const inner = data.shape.slice(1);
    const width = sizeOf(inner);
    const shape = [n, ...inner];
    if (sizeOf(shape) === 0) return zeros(call, shape, data.dtype);
    const counts = sourcesOf({ to: segments, batch: 1, rows: n, hidden: false });
    const table = call.backend.node(data);
    // Hidden rows are looked up first, and then stand in the order of the ids
    const of = hidden ? lookedUp(table, takenRows(taken, data.shape[0]!)) : table;
    const places = elementsOf(hidden ? counts : counts.map((list) => list.map((i) => rows[i]!)), width);
    const total = gathered(of, shape, places);
    const shares = constants(
      places.map((p) => 1 / Math.max(1, p.length)),
      shape,
    );
    return call.backend.secret(mean ? combined('mul', total, shares) : total, data.dtype);
  };
}

/** Rows of a table as they are, each of which has been looked at: a client checks its own. */
function takenRows(rows: Indices, depth: number): Indices {
  const perBatch = Math.max(1, rows.values.length);
  return rows.step ? rowed({ rows: 'gather', depth, perBatch }, rows) : rows;
}

/** Secret weights added up by number. */
export const Bincount: SecretKernel = (call) => {
  const { x, weights } = call.inputs as { x: TensorInfo; weights: TensorInfo };
  const { size } = call.attrs as unknown as { size: number };
  const n = x.shape[0]!;
  if (sizeOf(weights.shape) === 0) return counted(call, x, [1, n], size, [size], false);
  return binned(call, x, weights, [1, n], size, [size]);
};

export const DenseBincount: SecretKernel = (call) => {
  const { x, weights } = call.inputs as { x: TensorInfo; weights: TensorInfo };
  const { size, binaryOutput } = call.attrs as unknown as { size: number; binaryOutput: boolean };
  const [rows, n] = x.shape.length === 1 ? [1, x.shape[0]!] : (x.shape as [number, number]);
  const shape = x.shape.length === 1 ? [size] : [rows, size];
  if (binaryOutput || sizeOf(weights.shape) === 0) return counted(call, x, [rows, n], size, shape, binaryOutput);
  return binned(call, x, weights, [rows, n], size, shape);
};

/** Numbers that may be counted: a negative one is an error, one of `size` or more is dropped. */
function countable(call: KernelCall, x: TensorInfo, size: number): { to: Indices; hidden: boolean } {
  const ids = integersOf(call, x, 'DenseBincount');
  return { to: rowed({ rows: 'countable', outside: size }, ids), hidden: ids.hidden };
}

const emptyStep: Step = { step: 'constant', values: [], shape: [0], dtype: 'float32' };

/** How often each number is there, or whether: no weight goes into it, so it is no more secret than the numbers are. */
function counted(
  call: KernelCall,
  x: TensorInfo,
  [rows, n]: [number, number],
  size: number,
  shape: number[],
  once: boolean,
): TensorInfo {
  if (call.backend.privacy(x) === 'secret') {
    const counts = reshaped(summed(oneHotOf(reshaped(call.backend.node(x), [rows, n]), size), [1]), shape);
    return call.backend.secret(once ? combined('sub', constant(1), applied('equal', counts, { to: 0 })) : counts);
  }
  const { to, hidden } = countable(call, x, size);
  const values = new Float32Array(rows * size);
  to.values.forEach((id, i) => {
    if (id === size) return;
    const at = Math.floor(i / n) * size + id;
    values[at] = once ? 1 : values[at]! + 1;
  });
  const counts = { values, shape, dtype: 'float32' as const };
  if (!to.step) return call.backend.unshared(counts, hidden ? 'local' : 'public');
  const weights = { of: emptyStep, shape: [0], dtype: 'float32' } as const;
  const step: Step = {
    step: 'kernel',
    kernel: 'DenseBincount',
    attrs: { size, binaryOutput: once },
    inputs: { x: call.backend.operand(x), weights },
    output: 0,
    shape,
    dtype: 'float32',
  };
  return call.backend.unshared(counts, 'local', undefined, undefined, step);
}

function binned(
  call: KernelCall,
  x: TensorInfo,
  weights: TensorInfo,
  [batch, n]: [number, number],
  size: number,
  shape: number[],
): TensorInfo {
  if (call.backend.privacy(x) === 'secret') {
    const hot = oneHotOf(reshaped(call.backend.node(x), [batch, n]), size);
    return call.backend.secret(reshaped(addedAt(reshaped(call.backend.node(weights), [batch, n, 1]), hot), shape));
  }
  const targets = { ...countable(call, x, size), batch, rows: size };
  if (batch * size === 0) return zeros(call, shape, 'float32');
  return call.backend.secret(reshaped(added(reshaped(call.backend.node(weights), [batch, n, 1]), targets), shape));
}
