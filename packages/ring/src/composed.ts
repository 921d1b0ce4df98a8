/** Kernels that are made of other kernels, where a module has no loop of its own for them. */
import { scratch, temporarily } from './arena.js';
import { maskedPlanes, sameLength, sparseLengths } from './checks.js';
import type { Extension, Kernels, LiftedOpening, MaskedTerm, SparsePattern } from './kernels.js';
import type { Words } from './words.js';

/** Row after row of U, as a product of its entries with the rows of B that they meet. */
export function sparseMatMul(
  kernels: Kernels,
  out: Words,
  entries: Words,
  b: Words,
  { rows, targets }: SparsePattern,
  bits: number,
): void {
  const { n, each } = sparseLengths(out, entries, b, { rows, targets });
  const met = Array.from({ length: rows }, () => [] as number[]);
  targets.forEach((t, at) => {
    met[t]!.push(at);
  });
  temporarily(() => {
    const most = met.reduce((max, { length }) => Math.max(max, length), 0);
    const [row, of] = [scratch(most), scratch(most * n)];
    for (const [t, list] of met.entries()) {
      const k = list.length;
      list.forEach((at, p) => {
        const from = Math.floor(at / each);
        row.set(entries.subarray(at, at + 1), p);
        of.set(b.subarray(from * n, (from + 1) * n), p * n);
      });
      kernels.matMul(out.subarray(t * n, (t + 1) * n), row.subarray(0, k), of.subarray(0, k * n), { m: 1, k, n, bits });
    }
  });
}

export function extend(
  kernels: Kernels,
  m: Words,
  share: Words,
  from: LiftedOpening,
  opened: Words,
  r: Words,
  { k, bits, offset, first }: Extension,
): void {
  sameLength(m, share, from.m, from.share, from.wrapSet, from.wrapClear, opened, r);
  temporarily(() => {
    const t = scratch(m.length);
    kernels.choose(t, from.m, from.wrapClear, from.wrapSet, k - 1);
    kernels.add(t, t, r);
    if (first) kernels.sub(t, opened, t);
    kernels.affine(t, t, first ? 1n << BigInt(k) : BigInt.asUintN(64, -(1n << BigInt(k))), 0n, 64);
    kernels.add(share, from.share, t);
    kernels.affine(t, opened, 1n << BigInt(k), BigInt.asUintN(64, -offset), 64);
    kernels.add(m, from.m, t);
  });
  kernels.affine(m, m, 1n, 0n, bits);
}

export function maskedProduct(
  kernels: Kernels,
  out: Words,
  opened: Words,
  masks: Words,
  products: Words,
  term: MaskedTerm,
  first: boolean,
): void {
  maskedPlanes(out, opened, masks, products, term);
  const n = out.length;
  const plane = (planes: Words, at: number) => planes.subarray(at * n, (at + 1) * n);
  const { variables, sets } = term;
  temporarily(() => {
    const parts = Array.from(sets, (p, s) => {
      if (s === 0) return scratch(n).fill(first ? 0xffff_ffff_ffff_ffffn : 0n);
      return (s & (s - 1)) === 0 ? plane(masks, variables[Math.log2(s)]!) : plane(products, p);
    });
    // One variable after another leaves: ⟦Π v⟧ = o_v·⟦Π without v⟧ + ⟦the same times a_v⟧
    for (let v = variables.length - 1; v >= 0; v--) {
      for (let s = 0; s < 1 << v; s++) {
        const to = s === 0 ? parts[0]! : scratch(n);
        kernels.and(to, parts[s]!, plane(opened, variables[v]!));
        kernels.xor(to, to, parts[s | (1 << v)]!);
        parts[s] = to;
      }
    }
    kernels.xor(out, out, parts[0]!);
  });
}
