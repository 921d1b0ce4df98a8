// Comparison by shared tables (protocols section 5), bits kept 64 to a word.
//
// A w-bit window of r, its top bit apart, is cut into chunks of 4 bits from the bottom (the last one shorter). A chunk
// has a table lt[t] = [t < r_c] and, but for the lowest, eq[t] = [t = r_c], 16 bits each; a last chunk of at most 3
// bits keeps both in one 16-bit row, eq in its upper byte.

// Row of 16-bit tables of one chunk, or entries from `from` on of tables of 32. kind 0: lt, 1: eq, 2: lt | eq << 8
export function chunkTables(o: usize, r: usize, n: i32, pos: u64, width: u64, kind: i32, from: u32): void {
  const size: u32 = 1 << <u32>width;
  const mask: u64 = size - 1;
  for (let i = 0; i < n; i++, o += 2, r += 8) {
    const c = <u32>((load<u64>(r) >> pos) & mask);
    const lt: u32 = (1 << c) - 1;
    const eq: u32 = 1 << c;
    store<u16>(o, <u16>(kind == 0 ? lt >> from : kind == 1 ? eq >> from : lt | (eq << 8)));
  }
}

// One plane of bits: the entry that the public chunk of (m − tau) names in each table row. base 0 or 8 (for eq in a
// joint row)
export function pick(o: usize, m: usize, table: usize, n: i32, tau: u64, pos: u64, width: u64, base: u32): void {
  const mask: u64 = (1 << width) - 1;
  for (let i = 0; i < n; i += 64, o += 8) {
    let bits: u64 = 0;
    const left = min(64, n - i);
    for (let j = 0; j < left; j++, m += 8, table += 2) {
      const c = <u32>(((load<u64>(m) - tau) >> pos) & mask);
      bits |= <u64>((<u32>load<u16>(table) >> (c + base)) & 1) << j;
    }
    store<u64>(o, bits);
  }
}

// sums[j] ^= ⊕_w bits[w] & coefficients[w + j], of words of 32 bits
export function parities(sums: usize, count: i32, bits: usize, words: i32, coefficients: usize): void {
  for (let w = 0; w < words; w++, bits += 4, coefficients += 4) {
    const word = load<u32>(bits);
    if (word == 0) continue;
    for (let j: usize = 0; j < (<usize>count) << 2; j += 4)
      store<u32>(sums + j, load<u32>(sums + j) ^ (word & load<u32>(coefficients + j)));
  }
}

// Bit `pos` of (m − tau) of every word, as one plane
export function bitPlane(o: usize, m: usize, n: i32, tau: u64, pos: u64): void {
  for (let i = 0; i < n; i += 64, o += 8) {
    let bits: u64 = 0;
    const left = min(64, n - i);
    for (let j = 0; j < left; j++, m += 8) bits |= (((load<u64>(m) - tau) >> pos) & 1) << j;
    store<u64>(o, bits);
  }
}

// A plane of bits as words 0 or 1
export function planeToWords(o: usize, bits: usize, n: i32): void {
  for (let i = 0; i < n; i++, o += 8) store<u64>(o, (load<u64>(bits + (<usize>(i >> 6) << 3)) >> (i & 63)) & 1);
}

// Share of b = c ⊕ β: ⟦β⟧ or [first] − ⟦β⟧
export function bitShare(o: usize, c: usize, beta: usize, n: i32, first: u64): void {
  for (let i = 0; i < n; i++, o += 8, beta += 8) {
    const ci = (load<u64>(c + (<usize>(i >> 6) << 3)) >> (i & 63)) & 1;
    const b = load<u64>(beta);
    store<u64>(o, ci ? first - b : b);
  }
}

// Share of b·x for b = c ⊕ β:  c·x + (1 − 2c)·(M·⟦β⟧ − ⟦βr⟧ + 2^k(1 − msb m)·⟦β·msb r⟧), M = m − offset.
// wrap 0: the product is wanted modulo 2^k alone and bh is not read.
export function bitMultiply(o: usize, c: usize, x: usize, m: usize, b: usize, br: usize, bh: usize, n: i32, k: u64,
    offset: u64, wrap: i32): void {
  for (let i = 0; i < n; i++, o += 8, x += 8, m += 8, b += 8, br += 8, bh += 8) {
    const ci = (load<u64>(c + (<usize>(i >> 6) << 3)) >> (i & 63)) & 1;
    const mi = load<u64>(m);
    let t = (mi - offset) * load<u64>(b) - load<u64>(br);
    if (wrap && !(mi >> (k - 1))) t += load<u64>(bh) << k;
    store<u64>(o, ci ? load<u64>(x) - t : t);
  }
}
