// k-bit words on the wire, least significant bit first, back to back.
#pragma once
#include "groups.h"

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

// Words modulo 2^k, packed; word(i, V) are those from i on that a V holds, one or a vector of them
template <class F>
inline void packWords(uint8_t *o, size_t n, unsigned k, F word) {
  size_t done = 0;
#if LANES == 8
  done = packGroups(o, n, k, [&](size_t i) { return (__m512i)word(i, V64()); });
  o += done / 8 * k;
#else
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    // Stores of eight bytes overlap the next word's; the last words are stored by themselves
    const size_t whole = n > 8 ? n - 8 : 0;
    size_t i = 0;
    for (u64 v; i < whole; i++, o += step) v = word(i, v), memcpy(o, &v, 8);
    for (u64 v; i < n; i++, o += step) v = word(i, v), memcpy(o, &v, step);
    return;
  }
#endif
  const u64 mask = k == 64 ? ~(u64)0 : ((u64)1 << k) - 1;
  packBits(o, n - done, k, [&](size_t i) { return word(done + i, u64()) & mask; });
}

void pack(uint8_t *o, const u64 *a, size_t n, unsigned k) {
  packWords(o, n, k, [&](size_t i, auto v) { return load<decltype(v)>(a + i); });
}

// What maskForOpening makes, on its way
void packOpening(uint8_t *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift,
    unsigned k) {
  packWords(o, n, k, [&](size_t i, auto v) {
    typedef decltype(v) V;
    return (((load<V>(x + i) + offset) & modulus) >> shift) + load<V>(r + i);
  });
}

// 64 bits from bit `bit` on; sixteen bytes are read
inline u64 wordAt(const uint8_t *a, size_t bit) {
  u64 low, high;
  memcpy(&low, a + (bit >> 3), 8);
  memcpy(&high, a + (bit >> 3) + 8, 8);
  const unsigned shift = bit & 7;
  return (low >> shift) | (high << 1 << (63 - shift));
}

inline u64 lastWordAt(const uint8_t *a, size_t bytes, size_t bit) {
  uint8_t rest[16] = {0};
  memcpy(rest, a + (bit >> 3), bytes - (bit >> 3) < 16 ? bytes - (bit >> 3) : 16);
  return wordAt(rest, bit & 7);
}

// Words of k bits of a packed array; what lies above them is to be cut off
struct Packed {
  const uint8_t *a;
  size_t bytes;
  unsigned k;
#if LANES == 8
  Unpacking groups;
  Packed(const uint8_t *from, size_t n, unsigned bits) : a(from), bytes((n * bits + 7) / 8), k(bits), groups(bits) {}
  // Those of a group, i its first
  V64 at(size_t i, V64) const { return (V64)groups.loose(groupAt(a + i / 8 * k, a + bytes)); }
#else
  Packed(const uint8_t *from, size_t n, unsigned bits) : a(from), bytes((n * bits + 7) / 8), k(bits) {}
#endif
#if LANES == 4
  // From four reads of eight bytes, which hold words of up to 57 bits
  V64 at(size_t i, V64 v) const {
    const size_t bit = i * k;
    if (k > 57 || (bit + 3 * k) / 8 + 8 > bytes) {
      for (int l = 0; l < 4; l++) v[l] = at(i + l, u64());
      return v;
    }
    u64 words[4];
    V64 shift;
    for (int l = 0; l < 4; l++) memcpy(words + l, a + (bit + l * k) / 8, 8), shift[l] = (bit + l * k) & 7;
    return load<V64>(words) >> shift;
  }
#endif
  u64 at(size_t i, u64) const {
    return i * k / 8 + 16 <= bytes ? wordAt(a, i * k) : lastWordAt(a, bytes, i * k);
  }
};

// o = word(i, V) modulo 2^k
template <class F>
inline void putWords(u64 *o, size_t n, unsigned k, F word) {
  const u64 mask = k == 64 ? ~(u64)0 : ((u64)1 << k) - 1;
  size_t i = 0;
#if LANES >= 4
  for (; i + LANES <= n; i += LANES) store(o + i, word(i, V64()) & mask);
#endif
  for (; i < n; i++) o[i] = word(i, u64()) & mask;
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
#if LANES < 8
  if ((k & 7) == 0) {
    const u64 mask = ((u64)1 << k) - 1;
    const size_t bytes = n * k / 8, step = k >> 3, whole = bytes < 8 ? 0 : (bytes - 8) / step + 1;
    EACH(whole) {
      u64 x;
      memcpy(&x, a + i * step, 8);
      o[i] = x & mask;
    }
    for (size_t i = whole; i < n; i++) o[i] = lastWordAt(a, bytes, i * k) & mask;
    return;
  }
#endif
  const Packed packed(a, n, k);
  putWords(o, n, k, [&](size_t i, auto v) { return packed.at(i, v); });
}

// o = word(i, x) of each packed word x, for words of whole bytes where no vector does better
template <class F>
inline void eachOfBytes(const uint8_t *b, size_t n, unsigned k, F word) {
  const size_t step = k >> 3, bytes = n * step;
  size_t i = 0;
  u64 x;
  for (; i * step + 8 <= bytes; i++) memcpy(&x, b + i * step, 8), word(i, x);
  for (; i < n; i++) word(i, lastWordAt(b, bytes, i * k));
}

// The sum of two packed arrays modulo 2^k
void unpackSum(u64 *o, const uint8_t *a, const uint8_t *b, size_t n, unsigned k) {
  if (LANES < 8 && (k & 7) == 0) {
    unpack(o, a, n, k);
    const u64 mask = k == 64 ? ~(u64)0 : ((u64)1 << k) - 1;
    eachOfBytes(b, n, k, [&](size_t i, u64 y) { o[i] = (o[i] + y) & mask; });
    return;
  }
  const Packed x(a, n, k), y(b, n, k);
  putWords(o, n, k, [&](size_t i, auto v) { return x.at(i, v) + y.at(i, v); });
}

// a − b modulo 2^k, a as words and b packed, packed again
void packDifference(uint8_t *o, const u64 *a, const uint8_t *b, size_t n, unsigned k) {
  if (LANES < 8 && (k & 7) == 0) {
    const size_t step = k >> 3, whole = n > 8 ? n - 8 : 0;
    // Stores of eight bytes overlap the next word's; the last words are stored by themselves
    eachOfBytes(b, n, k, [&](size_t i, u64 y) {
      y = a[i] - y;
      if (i < whole) memcpy(o + i * step, &y, 8);
      else memcpy(o + i * step, &y, step);
    });
    return;
  }
  const Packed taken(b, n, k);
  packWords(o, n, k, [&](size_t i, auto v) { return load<decltype(v)>(a + i) - taken.at(i, v); });
}

} // namespace
