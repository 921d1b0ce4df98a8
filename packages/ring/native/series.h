// Trigonometric series and exponentials, doubles beside shares.
#pragma once
#include "vectors.h"

namespace {

// The integer nearest to x, ties to even, |x| < 2^51: beside 1.5·2^52 a double's last place is 1. Only AVX-512 has an
// instruction that converts vectors
const double SHIFT = 6755399441055744.0;
const u64 SHIFTED = 0x4338000000000000;

inline u64 fixedPoint(double v, double scale) {
  const double shifted = v * scale + SHIFT;
  u64 bits;
  memcpy(&bits, &shifted, 8);
  return bits - SHIFTED;
}

// Of the longest series, as in src/kernels.ts
const unsigned HARMONICS = 24;

// Elements whose angles are made at once
const size_t GROUP = 256;

// cos and sin of 2π·r·unit/2^24, by the addition theorem
inline void angles(double *c, double *s, const u64 *r, size_t count, uint32_t unit) {
  EACH(count) {
    const u64 index = ((uint32_t)r[i] * unit) & 0xffffff;
    const double *a = kernelTables + ((index >> 12) << 2), *b = kernelTables + ((index & 4095) << 2);
    c[i] = a[0] * b[2] - a[1] * b[3];
    s[i] = a[1] * b[2] + a[0] * b[3];
  }
}

typedef double VD __attribute__((vector_size(LANES * 8)));

// Vectors of elements whose harmonics stay in registers: together a cache line of every plane, so that none is met
// twice
const int WIDE = 8 / LANES;

struct Harmonics {
  VD c1[WIDE], s1[WIDE], c[WIDE], s[WIDE];
  inline Harmonics(const double *cosines, const double *sines) {
#pragma GCC unroll 4
    for (int v = 0; v < WIDE; v++)
      c[v] = c1[v] = load<VD>(cosines + v * LANES), s[v] = s1[v] = load<VD>(sines + v * LANES);
  }
  // From kω to (k + 1)ω
  inline void turn(int v) {
    const VD t = c[v] * c1[v] - s[v] * s1[v];
    s[v] = s[v] * c1[v] + c[v] * s1[v];
    c[v] = t;
  }
};

struct TrigTables {
  // Elements of a part, whole groups
  static const size_t PART = 32 * GROUP;
  u64 *o;
  const u64 *r;
  size_t n;
  unsigned unit, harmonics;
  double scale;

  static void part(const void *context, size_t i) {
    const TrigTables &t = *(const TrigTables *)context;
    t.run(i * PART, least(t.n, (i + 1) * PART));
  }
  // The tables of eight elements, planes `stride` apart
  inline void eight(u64 *to, size_t stride, const double *c, const double *s) const {
    Harmonics at(c, s);
    for (unsigned k = 0; k < harmonics; k++, to += 2 * stride) {
#pragma GCC unroll 4
      for (int v = 0; v < WIDE; v++) {
        store(to + v * LANES, (V64)(at.c[v] * scale + SHIFT) - SHIFTED);
        store(to + stride + v * LANES, (V64)(at.s[v] * scale + SHIFT) - SHIFTED);
        at.turn(v);
      }
    }
  }
  void run(size_t from, size_t to) const {
    alignas(64) double c[GROUP] = {}, s[GROUP] = {};
    alignas(64) u64 last[2 * HARMONICS * 8];
    for (size_t at = from; at < to; at += GROUP) {
      const size_t count = least(to - at, GROUP), whole = count & ~(size_t)7;
      angles(c, s, r + at, count, unit);
      for (size_t i = 0; i < whole; i += 8) eight(o + at + i, n, c + i, s + i);
      if (whole == count) continue;
      eight(last, 8, c + whole, s + whole);
      for (unsigned p = 0; p < 2 * harmonics; p++) memcpy(o + p * n + at + whole, last + 8 * p, (count - whole) * 8);
    }
  }
};

void trigTables(u64 *o, const u64 *r, size_t n, unsigned unit, unsigned harmonics, double scale, unsigned threads) {
  const TrigTables t = {o, r, n, unit, harmonics, scale};
  const size_t parts = (n + TrigTables::PART - 1) / TrigTables::PART;
  kernelParts(parts, n < 4 * TrigTables::PART ? 1 : threads, TrigTables::part, &t);
}

// Sums of products f·x, f an integer of 31 bits and a sign, as a double beside SHIFT
struct Products {
  V64 low = {};
#if LANES == 4
  // Without vectors of 64-bit products: f·x = f·x' + 2^32·f·h, x' the signed low half of x = x' + 2^32·h
  V64 high = {};
  inline void add(VD f, V64 x) {
    low += (V64)_mm256_mul_epi32((__m256i)f, (__m256i)x);
    high += (V64)_mm256_mul_epu32((__m256i)f, (__m256i)((x + 0x80000000) >> 32));
  }
  inline V64 sum() const { return low + (high << 32); }
#else
  inline void add(VD f, V64 x) { low += ((V64)f - SHIFTED) * x; }
  inline V64 sum() const { return low; }
#endif
};

// The series of eight elements, planes of shares `stride` apart
inline void combineEight(u64 *o, const double *c, const double *s, const u64 *shares, size_t stride, const double *q,
    unsigned harmonics, double scale) {
  Harmonics at(c, s);
  Products sum[WIDE];
  for (unsigned k = 0; k < harmonics; k++, shares += 2 * stride) {
    const double a = q[2 * k] * scale, b = q[2 * k + 1] * scale;
#pragma GCC unroll 4
    for (int v = 0; v < WIDE; v++) {
      sum[v].add(a * at.c[v] + b * at.s[v] + SHIFT, load<V64>(shares + v * LANES));
      sum[v].add(a * at.s[v] - b * at.c[v] + SHIFT, load<V64>(shares + stride + v * LANES));
      at.turn(v);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < WIDE; v++) store(o + v * LANES, sum[v].sum());
}

void trigCombine(u64 *o, const u64 *m, const u64 *shares, const double *q, size_t n, unsigned unit,
    unsigned harmonics, double scale) {
  alignas(64) double c[GROUP] = {}, s[GROUP] = {};
  alignas(64) u64 last[2 * HARMONICS * 8] = {}, sum[8];
  for (size_t at = 0; at < n; at += GROUP) {
    const size_t count = least(n - at, GROUP), whole = count & ~(size_t)7;
    angles(c, s, m + at, count, unit);
    for (size_t i = 0; i < whole; i += 8)
      combineEight(o + at + i, c + i, s + i, shares + at + i, n, q, harmonics, scale);
    if (whole == count) continue;
    for (unsigned p = 0; p < 2 * harmonics; p++) memcpy(last + 8 * p, shares + p * n + at + whole, (count - whole) * 8);
    combineEight(sum, c + whole, s + whole, last, 8, q, harmonics, scale);
    memcpy(o + at + whole, sum, (count - whole) * 8);
  }
}

const double *const EXP = kernelTables + 4096 * 4;

void expTables(u64 *o, const u64 *r, const u64 *beta, size_t n, unsigned half) {
  const u64 mask = ((u64)1 << half) - 1;
  EACH(n) {
    const u64 x = r[i], low = x & mask;
    const u64 e = fixedPoint(EXP[low >> 10] * EXP[1024 + (low & 1023)], 1048576.0);
    const u64 b = 0 - ((beta[i >> 6] >> (i & 63)) & 1), h = 0 - ((x >> half) & 1);
    o[i] = e & ~h;
    o[n + i] = e & h;
    o[2 * n + i] = e & ~h & b;
    o[3 * n + i] = e & h & b;
  }
}

void expCombine(u64 *o, const u64 *m, const u64 *c, const u64 *shares, size_t n, double factor, unsigned half) {
  const u64 mask = ((u64)1 << half) - 1;
  const double eight = EXP[2048 + 512], far = half == 20 ? eight * eight : eight;
  EACH(n) {
    const u64 x = m[i], low = x & mask;
    const double near = factor * (EXP[2048 + (low >> 10)] * EXP[3072 + (low & 1023)]);
    const u64 a = fixedPoint(near, 4398046511104.0), b = fixedPoint(near * far, 4398046511104.0);
    const bool g = (x >> half) & 1;
    const u64 same = g ? b : a, other = g ? a : b;
    const u64 eb = same * shares[2 * n + i] + other * shares[3 * n + i];
    const u64 all = same * shares[i] + other * shares[n + i] - eb;
    o[i] = (c[i >> 6] >> (i & 63)) & 1 ? all : eb;
  }
}

} // namespace
