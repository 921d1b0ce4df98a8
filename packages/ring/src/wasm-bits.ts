/** Comparisons by shared tables, and planes of bits, in WebAssembly. */
import { chunkOfTables, need, paritiesLengths, pickedRows, planeLength, sameLength } from './checks.js';
import { type PickedRow, TABLE_KINDS, type TableRow } from './kernels.js';
import { CHUNK, type WasmMemory } from './wasm-memory.js';
import type { Words } from './words.js';

export function chunkTables(memory: WasmMemory, out: Uint16Array, r: Words, row: TableRow): void {
  chunkOfTables(out, r, row);
  for (let i = 0; i < r.length; i += CHUNK) {
    const end = Math.min(r.length, i + CHUNK);
    memory.exports.chunkTables(
      memory.slot(0),
      memory.in(1, r, i, end),
      end - i,
      BigInt(row.position),
      BigInt(row.width),
      TABLE_KINDS[row.kind],
      row.from ?? 0,
    );
    memory.out(0, out, i, end, 2);
  }
}

export function pick(
  memory: WasmMemory,
  out: Words,
  m: Words,
  tables: Uint16Array,
  stride: number,
  tau: bigint,
  rows: readonly PickedRow[],
): void {
  pickedRows(out, m, tables, stride, rows);
  const size = Math.ceil(m.length / 64);
  for (let i = 0; i < m.length; i += CHUNK) {
    const end = Math.min(m.length, i + CHUNK);
    const elements = memory.in(1, m, i, end);
    for (const { table, plane, position, width, base } of rows) {
      const row = memory.in(2, tables.subarray(table * stride, (table + 1) * stride), i, end, 2);
      memory.exports.pick(memory.slot(0), elements, row, end - i, tau, BigInt(position), BigInt(width), base);
      memory.out(0, out.subarray(plane * size, (plane + 1) * size), i / 64, Math.ceil(end / 64));
    }
  }
}

export function parities(memory: WasmMemory, sums: Uint32Array, bits: Uint32Array, coefficients: Uint32Array): void {
  paritiesLengths(sums, bits, coefficients);
  const count = sums.length;
  const to = memory.in(0, sums, 0, count, 4);
  for (let i = 0; i < bits.length; i += CHUNK) {
    const end = Math.min(bits.length, i + CHUNK);
    memory.exports.parities(
      to,
      count,
      memory.in(1, bits, i, end, 4),
      end - i,
      memory.in(2, coefficients, i, end + count - 1, 4),
    );
  }
  memory.out(0, sums, 0, count, 4);
}

export function bitPlane(memory: WasmMemory, out: Words, m: Words, tau: bigint, position: number): void {
  need(out.length === Math.ceil(m.length / 64), 'operands of bitPlane');
  for (let i = 0; i < m.length; i += CHUNK) {
    const end = Math.min(m.length, i + CHUNK);
    memory.exports.bitPlane(memory.slot(0), memory.in(1, m, i, end), end - i, tau, BigInt(position));
    memory.out(0, out, i / 64, Math.ceil(end / 64));
  }
}

export function planeToWords(memory: WasmMemory, out: Words, plane: Words): void {
  need(plane.length === Math.ceil(out.length / 64), 'operands of planeToWords');
  for (let i = 0; i < out.length; i += CHUNK) {
    const end = Math.min(out.length, i + CHUNK);
    memory.exports.planeToWords(memory.slot(0), memory.in(1, plane, i / 64, Math.ceil(end / 64)), end - i);
    memory.out(0, out, i, end);
  }
}

export function bitShare(memory: WasmMemory, out: Words, c: Words, beta: Words, first: boolean): void {
  sameLength(out, beta);
  planeLength(c, out);
  for (let i = 0; i < out.length; i += CHUNK) {
    const end = Math.min(out.length, i + CHUNK);
    memory.exports.bitShare(
      memory.slot(0),
      memory.in(1, c, i / 64, Math.ceil(end / 64)),
      memory.in(2, beta, i, end),
      end - i,
      first ? 1n : 0n,
    );
    memory.out(0, out, i, end);
  }
}

export function bitMultiply(
  memory: WasmMemory,
  out: Words,
  c: Words,
  x: Words,
  m: Words,
  b: Words,
  br: Words,
  bh: Words,
  k: number,
  offset: bigint,
  wrap: boolean,
): void {
  const n = out.length;
  need(
    [x, m, b, br, ...(wrap ? [bh] : [])].every((a) => a.length === n) && c.length === Math.ceil(n / 64),
    'operands of bitMultiply',
  );
  for (let i = 0; i < n; i += CHUNK) {
    const end = Math.min(n, i + CHUNK);
    const high = wrap ? memory.in(6, bh, i, end) : memory.slot(6);
    memory.exports.bitMultiply(
      memory.slot(0),
      memory.in(1, c, i / 64, Math.ceil(end / 64)),
      memory.in(2, x, i, end),
      memory.in(3, m, i, end),
      memory.in(4, b, i, end),
      memory.in(5, br, i, end),
      high,
      end - i,
      BigInt(k),
      offset,
      wrap ? 1 : 0,
    );
    memory.out(0, out, i, end);
  }
}
