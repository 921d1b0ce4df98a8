import { SecformerError } from './errors.js';
import {
  HARMONICS,
  type MaskedTerm,
  type MatMulShape,
  mostAmplitude,
  type PackedMatrix,
  type PickedRow,
  type SparsePattern,
  type TableRow,
  type TrigShape,
} from './kernels.js';
import { packedBytes, sizeOf, type Words } from './words.js';

/** Arrays that do not match never reach a kernel, which would read or write beyond them. */
export function need(ok: boolean, what: string | (() => string)): void {
  if (!ok)
    throw new SecformerError(
      'KERNEL_ARGUMENT',
      `kernel called with arrays that do not match: ${typeof what === 'string' ? what : what()}`,
    );
}

export function sameLength(...arrays: { length: number }[]): void {
  need(
    arrays.every((a) => a.length === arrays[0]!.length),
    () => `lengths ${arrays.map((a) => a.length).join(', ')}`,
  );
}

export function packedLength(bytes: Uint8Array, words: Words, bits: number): void {
  need(
    bits >= 1 && bits <= 64 && bytes.length === packedBytes(words.length, bits),
    () => `${words.length} words of ${bits} bits and ${bytes.length} bytes`,
  );
}

/** A plane of bits, 64 to a word, for every element. */
export function planeLength(plane: Words, elements: { length: number }): void {
  need(
    plane.length === Math.ceil(elements.length / 64),
    () => `a plane of ${plane.length} words for ${elements.length} elements`,
  );
}

export function chunkOfTables(out: Uint16Array, r: Words, { width, kind }: TableRow): void {
  need(
    out.length === r.length && width >= 1 && width <= (kind === 'both' ? 3 : 5),
    () => `rows of ${out.length} tables ${kind} of chunks of ${width} bits of ${r.length} words`,
  );
}

export function paritiesLengths(sums: Uint32Array, bits: Uint32Array, coefficients: Uint32Array): void {
  need(
    sums.length >= 1 && sums.length <= 64 && coefficients.length >= bits.length + sums.length - 1,
    () => `${sums.length} parities of ${bits.length} words with ${coefficients.length} coefficients`,
  );
}

export function pickedRows(
  out: Words,
  m: Words,
  tables: Uint16Array,
  stride: number,
  rows: readonly PickedRow[],
): void {
  const size = Math.ceil(m.length / 64);
  const fits = ({ table, plane, position, width, base }: PickedRow) =>
    table >= 0 &&
    (table + 1) * stride <= tables.length &&
    plane >= 0 &&
    (plane + 1) * size <= out.length &&
    position >= 0 &&
    position < 64 &&
    width >= 1 &&
    width <= (base ? 3 : 4);
  need(
    stride >= m.length && rows.every(fits),
    () => `rows of ${tables.length} table words for ${m.length} elements into ${out.length} words`,
  );
}

export function maskedPlanes(
  out: Words,
  opened: Words,
  masks: Words,
  products: Words,
  { variables, sets }: MaskedTerm,
): void {
  const inside = (planes: Words, i: number) => i >= 0 && (i + 1) * out.length <= planes.length;
  let all = true;
  for (let i = 0; i < variables.length; i++) all &&= inside(opened, variables[i]!) && inside(masks, variables[i]!);
  for (let s = 0; s < sets.length; s++) all &&= (s & (s - 1)) === 0 || inside(products, sets[s]!);
  need(
    variables.length >= 1 && variables.length <= 4 && sets.length === 2 ** variables.length && all,
    () => `a product of planes ${variables} with the masks' products ${sets}`,
  );
}

/** A word as an angle, in 2^24ths of a turn. */
export function angleUnit({ period, step = 1 }: TrigShape): number {
  const { isInteger } = Number;
  const known = isInteger(period) && period >= 0 && period <= 24 && isInteger(step) && step >= 1 && step < 256;
  need(known, () => `harmonic ${step} of a period of 2^${period}`);
  return step * 2 ** (24 - period);
}

export function seriesOperands(
  m: Words,
  shares: Words,
  coefficients: Float64Array,
  { harmonics, fracBits }: TrigShape,
): void {
  need(
    shares.length === 2 * harmonics * m.length && coefficients.length === 2 * harmonics && harmonics <= HARMONICS,
    () => {
      const given = `${shares.length} shares and ${coefficients.length} coefficients`;
      return `${harmonics} harmonics of ${m.length} elements with ${given}`;
    },
  );
  const most = mostAmplitude(fracBits);
  for (let k = 0; k < harmonics; k++)
    need(
      Math.hypot(coefficients[2 * k]!, coefficients[2 * k + 1]!) <= most,
      () => `an amplitude beyond ${most} at ${fracBits} bits`,
    );
}

export function matMulLengths(
  out: Words,
  a: Words,
  b: Words | PackedMatrix,
  { m, k, n, transposeB = false, bits = 64 }: MatMulShape,
): void {
  const right =
    'words' in b ? b.k === k && b.n === n && b.transposeB === transposeB && b.bits === bits : b.length === k * n;
  need(
    a.length === m * k && right && out.length === m * n,
    () => `[${m},${k}]·[${k},${n}] with ${a.length} words and ${describe(b)} into ${out.length}`,
  );
}

/** @returns columns of B, and entries in each column of U */
export function sparseLengths(
  out: Words,
  entries: Words,
  b: Words,
  { rows, targets }: SparsePattern,
): { n: number; each: number } {
  const n = out.length / rows;
  const each = (entries.length * n) / b.length;
  const whole = Number.isInteger(n) && n > 0 && Number.isInteger(each) && Number.isInteger(b.length / n);
  need(whole && targets.length === entries.length, () => {
    const matrix = `a sparse matrix of ${rows} rows with ${entries.length} entries at ${targets.length} places`;
    return `${matrix}, times ${b.length} words into ${out.length}`;
  });
  let inside = true;
  for (let i = 0; i < targets.length; i++) inside &&= targets[i]! >= 0 && targets[i]! < rows;
  need(inside, () => `entries beyond the ${rows} rows of a sparse matrix`);
  return { n, each };
}

const describe = (b: Words | PackedMatrix) =>
  'words' in b ? `[${b.k},${b.n}]${b.transposeB ? ' transposed' : ''} packed for ${b.bits} bits` : `${b.length} words`;

export function streamLength(key: Uint8Array, nonce: Uint8Array | undefined, blocks: number): void {
  need(key.length === 32 && (nonce === undefined || nonce.length === 12), 'a key of 32 bytes, a nonce of 12');
  if (blocks > 2 ** 32)
    throw new SecformerError('STREAM_TOO_LONG', `a stream has 2^32 blocks, asked up to block ${blocks}`);
}

export function insideArray(
  out: Words,
  a: Words,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): void {
  need(
    shape.length === strides.length && shape.length <= 16,
    () => `a shape of ${shape.length} axes with ${strides.length} strides`,
  );
  need(out.length === sizeOf(shape), () => `${out.length} words for shape [${shape}]`);
  const [first, last] = [-1, 1].map((sign) =>
    shape.reduce((at, d, i) => at + (strides[i]! * sign > 0 ? Math.max(0, d - 1) * strides[i]! : 0), offset),
  ) as [number, number];
  need(out.length === 0 || (first >= 0 && last < a.length), () => `elements ${first} to ${last} of ${a.length}`);
}
