// Elementwise kernels on 64-bit words. Every pointer is a byte address of a scratch slot that the host has filled.

export function add(o: usize, a: usize, b: usize, n: i32): void {
  for (let end = o + (<usize>n << 3); o < end; o += 16, a += 16, b += 16)
    v128.store(o, i64x2.add(v128.load(a), v128.load(b)));
}

export function sub(o: usize, a: usize, b: usize, n: i32): void {
  for (let end = o + (<usize>n << 3); o < end; o += 16, a += 16, b += 16)
    v128.store(o, i64x2.sub(v128.load(a), v128.load(b)));
}

// o = a − 2b
export function lessTwice(o: usize, a: usize, b: usize, n: i32): void {
  for (let end = o + (<usize>n << 3); o < end; o += 16, a += 16, b += 16)
    v128.store(o, i64x2.sub(v128.load(a), i64x2.shl(v128.load(b), 1)));
}

export function and(o: usize, a: usize, b: usize, n: i32): void {
  for (let end = o + (<usize>n << 3); o < end; o += 16, a += 16, b += 16)
    v128.store(o, v128.and(v128.load(a), v128.load(b)));
}

export function xor(o: usize, a: usize, b: usize, n: i32): void {
  for (let end = o + (<usize>n << 3); o < end; o += 16, a += 16, b += 16)
    v128.store(o, v128.xor(v128.load(a), v128.load(b)));
}

export function mul(o: usize, a: usize, b: usize, n: i32): void {
  for (let end = o + (<usize>n << 3); o < end; o += 8, a += 8, b += 8) store<u64>(o, load<u64>(a) * load<u64>(b));
}

// o = (a·scale + offset) mod 2^bits, the mask given as a word
export function affine(o: usize, a: usize, n: i32, scale: u64, offset: u64, mask: u64): void {
  for (let end = o + (<usize>n << 3); o < end; o += 8, a += 8) store<u64>(o, (load<u64>(a) * scale + offset) & mask);
}

// o = (((x + offset) mod 2^a) >> shift, plus r) mod 2^k
export function maskForOpening(o: usize, x: usize, r: usize, n: i32, offset: u64, modulus: u64, shift: u64,
    mask: u64): void {
  for (let end = o + (<usize>n << 3); o < end; o += 8, x += 8, r += 8) {
    store<u64>(o, ((((load<u64>(x) + offset) & modulus) >> shift) + load<u64>(r)) & mask);
  }
}

// o = [first](m − offset) − r + 2^k·(msb m = 1 ? w : wh)
export function lift(o: usize, m: usize, r: usize, w: usize, wh: usize, n: i32, k: u64, offset: u64, first: u64): void {
  const top = k - 1;
  for (let end = o + (<usize>n << 3); o < end; o += 8, m += 8, r += 8, w += 8, wh += 8) {
    const x = load<u64>(m);
    const t = x >> top ? load<u64>(w) : load<u64>(wh);
    store<u64>(o, (x - offset) * first - load<u64>(r) + (t << k));
  }
}

export function rowSum(o: usize, a: usize, rows: i32, cols: i32): void {
  for (let i = 0; i < rows; i++) {
    let s: u64 = 0;
    for (let end = a + (<usize>cols << 3); a < end; a += 8) s += load<u64>(a);
    store<u64>(o, s);
    o += 8;
  }
}

// Fixed point: round to nearest, ties to even; the host has checked that |v|·2^f < 2^63.
export function encode(o: usize, v: usize, n: i32, scale: f64): void {
  for (let i = 0; i < n; i++, o += 8, v += 4) store<i64>(o, <i64>nearest<f64>(<f64>load<f32>(v) * scale));
}

// The words' low `bits` bits, sign-extended, as doubles
export function decode(o: usize, a: usize, n: i32, bits: i64, scale: f64): void {
  const up = 64 - bits;
  for (let i = 0; i < n; i++, o += 8, a += 8) store<f64>(o, <f64>((load<i64>(a) << up) >> up) * scale);
}
