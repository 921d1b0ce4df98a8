// k-bit words on the wire, least significant bit first, back to back.
#pragma once
#include "vectors.h"

namespace {

template <class F>
inline void packBits(uint8_t *o, size_t n, unsigned k, F word) {
  unsigned __int128 buffer = 0;
  unsigned held = 0;
  for (size_t i = 0; i < n; i++) {
    buffer |= (unsigned __int128)word(i) << held;
    held += k;
    if (held >= 64) {
      const u64 low = (u64)buffer;
      memcpy(o, &low, 8);
      o += 8;
      buffer >>= 64;
      held -= 64;
    }
  }
  const u64 low = (u64)buffer;
  memcpy(o, &low, (held + 7) / 8);
}

// Words modulo 2^k, packed
template <class F>
inline void packWords(uint8_t *o, size_t n, unsigned k, F word) {
  if (k == 64) {
    EACH(n) {
      const u64 v = word(i);
      memcpy(o + 8 * i, &v, 8);
    }
    return;
  }
  if (k == 32) {
    EACH(n) {
      const uint32_t v = (uint32_t)word(i);
      memcpy(o + 4 * i, &v, 4);
    }
    return;
  }
  const u64 mask = ((u64)1 << k) - 1;
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    // Stores of eight bytes overlap the next word's; the last words are stored by themselves
    const size_t whole = n > 8 ? n - 8 : 0;
    size_t i = 0;
    for (u64 v; i < whole; i++, o += step) v = word(i), memcpy(o, &v, 8);
    for (u64 v; i < n; i++, o += step) v = word(i), memcpy(o, &v, step);
    return;
  }
  packBits(o, n, k, [&](size_t i) { return word(i) & mask; });
}

void pack(uint8_t *o, const u64 *a, size_t n, unsigned k) {
  packWords(o, n, k, [&](size_t i) { return a[i]; });
}

// What maskForOpening makes, on its way
void packOpening(uint8_t *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift,
    unsigned k) {
  packWords(o, n, k, [&](size_t i) { return (((x[i] + offset) & modulus) >> shift) + r[i]; });
}

// 64 bits from bit `bit` on; sixteen bytes are read
inline u64 wordAt(const uint8_t *a, size_t bit) {
  u64 low, high;
  memcpy(&low, a + (bit >> 3), 8);
  memcpy(&high, a + (bit >> 3) + 8, 8);
  const unsigned shift = bit & 7;
  return shift == 0 ? low : (low >> shift) | (high << (64 - shift));
}

inline u64 lastWordAt(const uint8_t *a, size_t bytes, size_t bit) {
  uint8_t rest[16] = {0};
  memcpy(rest, a + (bit >> 3), bytes - (bit >> 3) < 16 ? bytes - (bit >> 3) : 16);
  return wordAt(rest, bit & 7);
}

void unpack(u64 *o, const uint8_t *a, size_t n, unsigned k) {
  if (k == 64) {
    memcpy(o, a, n * 8);
    return;
  }
  if (k == 32) {
    EACH(n) {
      uint32_t v;
      memcpy(&v, a + 4 * i, 4);
      o[i] = v;
    }
    return;
  }
  const u64 mask = ((u64)1 << k) - 1;
  const size_t bytes = (n * k + 7) / 8;
  size_t i = 0;
  if ((k & 7) == 0) {
    const size_t step = k >> 3, whole = bytes < 8 ? 0 : (bytes - 8) / step + 1;
    EACH(whole) {
      u64 x;
      memcpy(&x, a + i * step, 8);
      o[i] = x & mask;
    }
    i = whole;
  }
  // Words whose sixteen bytes lie inside the array
  for (; i < n && i * k / 8 + 16 <= bytes; i++) o[i] = wordAt(a, i * k) & mask;
  for (; i < n; i++) o[i] = lastWordAt(a, bytes, i * k) & mask;
}

// The sum of two packed arrays modulo 2^k
void unpackSum(u64 *o, const uint8_t *a, const uint8_t *b, size_t n, unsigned k) {
  const u64 mask = k == 64 ? ~(u64)0 : ((u64)1 << k) - 1;
  const size_t bytes = (n * k + 7) / 8;
  size_t i = 0;
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    for (; i < n && i * step + 8 <= bytes; i++) {
      u64 x, y;
      memcpy(&x, a + i * step, 8);
      memcpy(&y, b + i * step, 8);
      o[i] = (x + y) & mask;
    }
  }
  for (; i < n && i * k / 8 + 16 <= bytes; i++) o[i] = (wordAt(a, i * k) + wordAt(b, i * k)) & mask;
  for (; i < n; i++) o[i] = (lastWordAt(a, bytes, i * k) + lastWordAt(b, bytes, i * k)) & mask;
}

// a − b modulo 2^k, a as words and b packed, packed again
void packDifference(uint8_t *o, const u64 *a, const uint8_t *b, size_t n, unsigned k) {
  const size_t bytes = (n * k + 7) / 8;
  size_t i = 0;
  if (k == 64) {
    EACH(n) {
      u64 x;
      memcpy(&x, b + 8 * i, 8);
      x = a[i] - x;
      memcpy(o + 8 * i, &x, 8);
    }
    return;
  }
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    // Stores of eight bytes overlap the next word's
    for (; i * step + 8 <= bytes; i++) {
      u64 x;
      memcpy(&x, b + i * step, 8);
      x = a[i] - x;
      memcpy(o + i * step, &x, 8);
    }
    for (; i < n; i++) {
      const u64 x = a[i] - lastWordAt(b, bytes, i * k);
      memcpy(o + i * step, &x, step);
    }
    return;
  }
  const u64 mask = ((u64)1 << k) - 1;
  packBits(o, n, k, [&](size_t j) {
    const u64 word = j * k / 8 + 16 <= bytes ? wordAt(b, j * k) : lastWordAt(b, bytes, j * k);
    return (a[j] - word) & mask;
  });
}

} // namespace
