// Trigonometric and exponential corrections and their combines. Angles are integers: index·2π/2^24.
// sin and cos come from two tables of 4,096 entries (coarse and fine half of the index) and the addition theorem.

// Exponentials too are products of two table entries, of the upper and the lower ten bits of a 20-bit argument.
const TABLE = memory.data((4 * 4096 + 4 * 1024) * 8, 16);
const EXP = TABLE + 4 * 4096 * 8;
let ready = false;

function prepare(): void {
  if (ready) return;
  for (let i = 0; i < 4096; i++) {
    const coarse = 2.0 * Math.PI * <f64>i / 4096.0;
    const fine = coarse / 4096.0;
    const at = TABLE + (<usize>i << 5);
    store<f64>(at, Math.cos(coarse));
    store<f64>(at, Math.sin(coarse), 8);
    store<f64>(at, Math.cos(fine), 16);
    store<f64>(at, Math.sin(fine), 24);
  }
  for (let i = 0; i < 1024; i++) {
    const at = EXP + (<usize>i << 3);
    store<f64>(at, Math.exp(<f64>i / 64.0));
    store<f64>(at + 8192, Math.exp(<f64>i / 65536.0));
    store<f64>(at + 16384, Math.exp(-<f64>i / 64.0));
    store<f64>(at + 24576, Math.exp(-<f64>i / 65536.0));
  }
  ready = true;
}

// Address of the tables: a native implementation takes them over, so that both round alike
export function tables(): usize {
  prepare();
  return TABLE;
}

// @ts-ignore: decorator
@inline function expUp(x: u32): f64 {
  return load<f64>(EXP + (<usize>(x >> 10) << 3)) * load<f64>(EXP + 8192 + (<usize>(x & 1023) << 3));
}

// @ts-ignore: decorator
@inline function expDown(x: u32): f64 {
  return load<f64>(EXP + 16384 + (<usize>(x >> 10) << 3)) * load<f64>(EXP + 24576 + (<usize>(x & 1023) << 3));
}

let cosine: f64 = 0;
let sine: f64 = 0;

// @ts-ignore: decorator
@inline function angle(index: u32): void {
  const a = TABLE + (<usize>(index >> 12) << 5);
  const b = TABLE + (<usize>(index & 4095) << 5);
  const ca = load<f64>(a), sa = load<f64>(a, 8), cb = load<f64>(b, 16), sb = load<f64>(b, 24);
  cosine = ca * cb - sa * sb;
  sine = sa * cb + ca * sb;
}

// @ts-ignore: decorator
@inline function fixed(v: f64, scale: f64): i64 {
  return <i64>nearest<f64>(v * scale);
}

// Planes cos(ωr), sin(ωr), cos(2ωr), … of n words each, `stride` bytes apart; the angle of r is 2π·r·unit/2^24
export function trigTables(o: usize, stride: usize, r: usize, n: i32, unit: u32, harmonics: i32, scale: f64): void {
  prepare();
  for (let i = 0; i < n; i++, o += 8, r += 8) {
    angle((<u32>load<u64>(r) * unit) & 0xffffff);
    const c1 = cosine, s1 = sine;
    let c = c1, s = s1;
    let at = o;
    for (let k = 0; k < harmonics; k++) {
      store<i64>(at, fixed(c, scale));
      store<i64>(at + stride, fixed(s, scale));
      at += stride << 1;
      const t = c * c1 - s * s1;
      s = s * c1 + c * s1;
      c = t;
    }
  }
}

// Σ_k a_k cos kω(m − r) + b_k sin kω(m − r), from shares of cos kωr and sin kωr. coefficients: pairs (a_k, b_k), k from
// 1
export function trigCombine(o: usize, m: usize, shares: usize, stride: usize, coefficients: usize, n: i32, unit: u32,
    harmonics: i32, scale: f64): void {
  prepare();
  for (let i = 0; i < n; i++, o += 8, m += 8, shares += 8) {
    angle((<u32>load<u64>(m) * unit) & 0xffffff);
    const c1 = cosine, s1 = sine;
    let c = c1, s = s1;
    let at = shares;
    let sum: u64 = 0;
    let q = coefficients;
    for (let k = 0; k < harmonics; k++, q += 16) {
      const a = load<f64>(q), b = load<f64>(q, 8);
      sum += <u64>fixed(a * c + b * s, scale) * load<u64>(at) +
        <u64>fixed(a * s - b * c, scale) * load<u64>(at + stride);
      at += stride << 1;
      const t = c * c1 - s * s1;
      s = s * c1 + c * s1;
      c = t;
    }
    store<u64>(o, sum);
  }
}

// Dealer's part of e^(−u), u = m − r on a window of 2^(half + 1) units of 2^−16: four words an element, (1−h)e^r',
// h·e^r' and both times β, at 20 bits; h, r' the top bit and the rest of r on the window
export function expTables(o: usize, stride: usize, r: usize, beta: usize, n: i32, half: u32): void {
  prepare();
  const mask: u32 = (1 << half) - 1;
  for (let i = 0; i < n; i++, o += 8, r += 8) {
    const x = <u32>load<u64>(r);
    const e = <u64>fixed(expUp(x & mask), 1048576.0);
    const b = (load<u64>(beta + (<usize>(i >> 6) << 3)) >> (i & 63)) & 1;
    const h = <u64>((x >> half) & 1);
    const low = (1 - h) * e;
    const high = h * e;
    store<u64>(o, low);
    store<u64>(o + stride, high);
    store<u64>(o + 2 * stride, b * low);
    store<u64>(o + 3 * stride, b * high);
  }
}

// bit·factor·e^(−u) at 62 bits for bit = c ⊕ β: c·e + (1 − 2c)·⟦βe⟧, e = c_g·⟦(1−h)e^r'⟧ + c_(1−g)·⟦h·e^r'⟧, c_0 =
// factor·e^(−m') at 42 bits, c_1 that of half a window further
export function expCombine(o: usize, m: usize, c: usize, shares: usize, stride: usize, n: i32, factor: f64,
    half: u32): void {
  prepare();
  const mask: u32 = (1 << half) - 1;
  // e^(−R) for R = 8 or 16: twice the table's e^(−8), for it ends before 16
  const eight = load<f64>(EXP + 16384 + (512 << 3));
  const far = half == 20 ? eight * eight : eight;
  for (let i = 0; i < n; i++, o += 8, m += 8, shares += 8) {
    const x = <u32>load<u64>(m);
    const near = factor * expDown(x & mask);
    const a = <u64>fixed(near, 4398046511104.0);
    const b = <u64>fixed(near * far, 4398046511104.0);
    const g = (x >> half) & 1;
    const same = g ? b : a;
    const other = g ? a : b;
    const ci = (load<u64>(c + (<usize>(i >> 6) << 3)) >> (i & 63)) & 1;
    const eb = same * load<u64>(shares + 2 * stride) + other * load<u64>(shares + 3 * stride);
    store<u64>(o, ci ? same * load<u64>(shares) + other * load<u64>(shares + stride) - eb : eb);
  }
}
