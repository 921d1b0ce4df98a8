/** Trigonometric series and exponentials in WebAssembly. */
import { angleUnit, need, sameLength, seriesOperands } from './checks.js';
import { HARMONICS, type TrigShape } from './kernels.js';
import { CHUNK, SLOT, SLOTS, type WasmMemory } from './wasm-memory.js';
import type { Words } from './words.js';

export function trigTables(memory: WasmMemory, out: Words, r: Words, how: TrigShape): void {
  const { harmonics, fracBits } = how;
  const n = r.length;
  const unit = angleUnit(how);
  need(out.length === 2 * harmonics * n && harmonics <= HARMONICS, 'operands of trigTables');
  for (let i = 0; i < n; i += CHUNK) {
    const end = Math.min(n, i + CHUNK);
    memory.exports.trigTables(memory.slot(1), SLOT, memory.in(0, r, i, end), end - i, unit, harmonics, 2 ** fracBits);
    for (let p = 0; p < 2 * harmonics; p++) memory.out(1 + p, out, p * n + i, p * n + end);
  }
}

export function trigCombine(
  memory: WasmMemory,
  out: Words,
  m: Words,
  shares: Words,
  coefficients: Float64Array,
  how: TrigShape,
): void {
  const { harmonics, fracBits } = how;
  const n = m.length;
  const unit = angleUnit(how);
  sameLength(out, m);
  seriesOperands(m, shares, coefficients, how);
  const q = memory.in(SLOTS - 1, coefficients, 0, coefficients.length);
  for (let i = 0; i < n; i += CHUNK) {
    const end = Math.min(n, i + CHUNK);
    for (let p = 0; p < 2 * harmonics; p++) memory.in(2 + p, shares, p * n + i, p * n + end);
    memory.exports.trigCombine(
      memory.slot(0),
      memory.in(1, m, i, end),
      memory.slot(2),
      SLOT,
      q,
      end - i,
      unit,
      harmonics,
      2 ** fracBits,
    );
    memory.out(0, out, i, end);
  }
}

export function expTables(memory: WasmMemory, out: Words, r: Words, beta: Words, half: number): void {
  const n = r.length;
  need(out.length === 4 * n && beta.length === Math.ceil(n / 64), 'operands of expTables');
  for (let i = 0; i < n; i += CHUNK) {
    const end = Math.min(n, i + CHUNK);
    memory.exports.expTables(
      memory.slot(2),
      SLOT,
      memory.in(0, r, i, end),
      memory.in(1, beta, i / 64, Math.ceil(end / 64)),
      end - i,
      half,
    );
    for (let p = 0; p < 4; p++) memory.out(2 + p, out, p * n + i, p * n + end);
  }
}

export function expCombine(
  memory: WasmMemory,
  out: Words,
  m: Words,
  c: Words,
  shares: Words,
  factor: number,
  half: number,
): void {
  const n = m.length;
  need(out.length === n && shares.length === 4 * n && c.length === Math.ceil(n / 64), 'operands of expCombine');
  for (let i = 0; i < n; i += CHUNK) {
    const end = Math.min(n, i + CHUNK);
    for (let p = 0; p < 4; p++) memory.in(3 + p, shares, p * n + i, p * n + end);
    memory.exports.expCombine(
      memory.slot(0),
      memory.in(1, m, i, end),
      memory.in(2, c, i / 64, Math.ceil(end / 64)),
      memory.slot(3),
      SLOT,
      end - i,
      factor,
      half,
    );
    memory.out(0, out, i, end);
  }
}
