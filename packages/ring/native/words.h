// Words, element by element, and where they lie.
#pragma once
#include "vectors.h"

namespace {

void add(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] + b[i]; }
void sub(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] - b[i]; }
void lessTwice(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] - (b[i] << 1); }
void mul(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] * b[i]; }
void bitAnd(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] & b[i]; }
void bitXor(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] ^ b[i]; }

void affine(u64 *o, const u64 *a, size_t n, u64 scale, u64 offset, u64 mask) {
  if (scale == 1) EACH(n) o[i] = (a[i] + offset) & mask;
  else EACH(n) o[i] = (a[i] * scale + offset) & mask;
}

void rowSum(u64 *o, const u64 *a, size_t rows, size_t cols) {
  for (size_t r = 0; r < rows; r++, a += cols) {
    u64 s = 0;
    for (size_t i = 0; i < cols; i++) s += a[i];
    o[r] = s;
  }
}

void encode(u64 *o, const float *v, size_t n, double scale) {
  EACH(n) o[i] = (u64)(i64)__builtin_rint((double)v[i] * scale);
}

void decode(double *o, const u64 *a, size_t n, unsigned bits, double scale) {
  const unsigned up = 64 - bits;
  EACH(n) o[i] = (double)((i64)(a[i] << up) >> up) * scale;
}

void maskForOpening(u64 *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift, u64 mask) {
  EACH(n) o[i] = ((((x[i] + offset) & modulus) >> shift) + r[i]) & mask;
}

void lift(u64 *o, const u64 *m, const u64 *r, const u64 *w, const u64 *wh, size_t n, unsigned k, u64 offset,
    u64 first) {
  EACH(n) {
    const u64 x = m[i], one = w[i], none = wh[i];
    const u64 t = (x >> (k - 1)) & 1 ? one : none;
    o[i] = (x - offset) * first - r[i] + (t << k);
  }
}

void extend(u64 *om, u64 *os, const u64 *m, const u64 *s, const u64 *set, const u64 *clear, const u64 *opened,
    const u64 *r, size_t n, unsigned k, u64 mask, u64 offset, u64 first) {
  EACH(n) {
    const u64 x = m[i], u = opened[i], one = set[i], none = clear[i], share = s[i];
    const u64 t = ((x >> (k - 1)) & 1 ? one : none) + r[i];
    om[i] = (x + (u << k) - offset) & mask;
    os[i] = share + (((u & (0 - first)) - t) << k);
  }
}

void choose(u64 *o, const u64 *m, const u64 *zero, const u64 *one, size_t n, unsigned bit) {
  EACH(n) {
    const u64 set = 0 - ((m[i] >> bit) & 1), x = zero[i], y = one[i];
    o[i] = x ^ ((x ^ y) & set);
  }
}

void gather(u64 *o, const u64 *a, size_t rank, const double *how) {
  // Negative steps wrap around, as unsigned sums do
  size_t size[16], step[16], index[16] = {0}, n = 1;
  for (size_t i = 0; i < rank; i++) size[i] = (size_t)how[i], step[i] = (size_t)(i64)how[rank + i], n *= size[i];
  if (n == 0) return;
  // Axes that lie behind one another in both arrays are one
  size_t axes = 0;
  for (size_t i = 0; i < rank; i++) {
    if (size[i] == 1) continue;
    if (axes > 0 && step[axes - 1] == step[i] * size[i]) size[axes - 1] *= size[i], step[axes - 1] = step[i];
    else size[axes] = size[i], step[axes] = step[i], axes++;
  }
  const size_t inner = axes > 0 ? size[axes - 1] : 1, by = axes > 0 ? step[axes - 1] : 1;
  for (u64 *end = o + n; o < end; o += inner) {
    if (by == 1) memcpy(o, a, inner * 8);
    else for (size_t i = 0; i < inner; i++) o[i] = a[i * by];
    for (size_t d = axes - 1; axes > 1 && d-- > 0;) {
      a += step[d];
      if (++index[d] < size[d]) break;
      a -= step[d] * size[d];
      index[d] = 0;
    }
  }
}

} // namespace
