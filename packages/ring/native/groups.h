// Eight words of k bits begin and end at a byte: they are packed and unpacked a vector at a time, where vectors have
// eight words and lanes that can be chosen and shifted each by its own number.
#pragma once
#include "vectors.h"

#if LANES == 8

namespace {

// The vector of a group that begins at `a`; bytes from `end` on are not read
inline __m512i groupAt(const uint8_t *a, const uint8_t *end) {
  if (end - a >= 64) return _mm512_loadu_si512(a);
  return _mm512_maskz_loadu_epi8(((u64)1 << (end - a)) - 1, a);
}

// The first `bytes` bytes of a vector, and what lies behind them where there is room for that: it is written again by
// the next group
inline void putGroup(uint8_t *o, const uint8_t *end, __m512i v, unsigned bytes) {
  if (end - o >= 64) _mm512_storeu_si512(o, v);
  else _mm512_mask_storeu_epi8(o, bytes == 64 ? ~(u64)0 : ((u64)1 << bytes) - 1, v);
}

// From a group to its words: a word lies in one lane, or its upper part in the next one
struct Unpacking {
  __m512i lane, next, down, up, mask;
  explicit Unpacking(unsigned k) {
    alignas(64) u64 lanes[8], nexts[8], downs[8], ups[8];
    for (unsigned i = 0; i < 8; i++) {
      lanes[i] = i * k / 64, nexts[i] = least(lanes[i] + 1, 7);
      downs[i] = i * k % 64, ups[i] = 64 - downs[i];
    }
    lane = _mm512_load_si512(lanes), next = _mm512_load_si512(nexts);
    down = _mm512_load_si512(downs), up = _mm512_load_si512(ups);
    mask = _mm512_set1_epi64(k == 64 ? -1 : (long long)(((u64)1 << k) - 1));
  }
  // Above the word's bits there may be others
  __m512i loose(__m512i group) const {
    return _mm512_or_si512(_mm512_srlv_epi64(_mm512_permutexvar_epi64(lane, group), down),
        _mm512_sllv_epi64(_mm512_permutexvar_epi64(next, group), up));
  }
  __m512i words(__m512i group) const { return _mm512_and_si512(loose(group), mask); }
};

// From words to bytes. Narrow words first come together by twos, `depth` times, until they have `bits` ≥ 32 bits; of
// those a lane of the result has parts of three at most.
struct Packing {
  unsigned bits, depth;
  __m512i mask, lane[3], shift[3], even, odd;
  explicit Packing(unsigned k) : bits(k), depth(0) {
    while (bits < 32) bits *= 2, depth++;
    alignas(64) u64 lanes[3][8], shifts[3][8], evens[8], odds[8];
    for (unsigned j = 0; j < 8; j++) {
      const unsigned first = 64 * j / bits;
      for (unsigned part = 0; part < 3; part++) {
        const unsigned word = first + part;
        lanes[part][j] = least(word, 7);
        // The first goes down, the others up; from 64 on nothing of them is left
        const unsigned by = part == 0 ? 64 * j - word * bits : word * bits - 64 * j;
        shifts[part][j] = word > 7 ? 64 : by;
      }
      evens[j] = 2 * j, odds[j] = 2 * j + 1;
    }
    for (unsigned part = 0; part < 3; part++)
      lane[part] = _mm512_load_si512(lanes[part]), shift[part] = _mm512_load_si512(shifts[part]);
    even = _mm512_load_si512(evens), odd = _mm512_load_si512(odds);
    mask = _mm512_set1_epi64(k == 64 ? -1 : (long long)(((u64)1 << k) - 1));
  }
  __m512i group(__m512i words) const {
    const __m512i a = _mm512_srlv_epi64(_mm512_permutexvar_epi64(lane[0], words), shift[0]);
    const __m512i b = _mm512_sllv_epi64(_mm512_permutexvar_epi64(lane[1], words), shift[1]);
    const __m512i c = _mm512_sllv_epi64(_mm512_permutexvar_epi64(lane[2], words), shift[2]);
    return _mm512_or_si512(_mm512_or_si512(a, b), c);
  }
  // Words of two vectors, the second of each pair above the first's `k` bits
  __m512i pairs(__m512i a, __m512i b, unsigned k) const {
    const __m512i low = _mm512_permutex2var_epi64(a, even, b), high = _mm512_permutex2var_epi64(a, odd, b);
    return _mm512_or_si512(low, _mm512_sll_epi64(high, _mm_cvtsi32_si128((int)k)));
  }
};

// The eight words at `at`, of 2^DEPTH times as many that came together; `words(i)` are those from i on
template <unsigned DEPTH, class F>
inline __m512i joined(const Packing &p, F words, size_t at) {
  if constexpr (DEPTH == 0) return _mm512_and_si512(words(at), p.mask);
  else {
    const __m512i a = joined<DEPTH - 1>(p, words, at), b = joined<DEPTH - 1>(p, words, at + (4 << DEPTH));
    return p.pairs(a, b, p.bits >> (p.depth - DEPTH + 1));
  }
}

template <unsigned DEPTH, class F>
inline size_t packJoined(uint8_t *o, size_t n, size_t bytes, const Packing &p, F words) {
  const size_t step = (size_t)8 << DEPTH;
  const uint8_t *const end = o + bytes;
  size_t i = 0;
  for (; i + step <= n; i += step, o += p.bits) putGroup(o, end, p.group(joined<DEPTH>(p, words, i)), p.bits);
  return i;
}

// Packs words modulo 2^k, those from i on being `words(i)`, as far as they fill groups; how many those are
template <class F>
inline size_t packGroups(uint8_t *o, size_t n, unsigned k, F words) {
  const Packing p(k);
  const size_t bytes = (n * k + 7) / 8;
  switch (p.depth) {
  case 0: return packJoined<0>(o, n, bytes, p, words);
  case 1: return packJoined<1>(o, n, bytes, p, words);
  case 2: return packJoined<2>(o, n, bytes, p, words);
  case 3: return packJoined<3>(o, n, bytes, p, words);
  case 4: return packJoined<4>(o, n, bytes, p, words);
  default: return packJoined<5>(o, n, bytes, p, words);
  }
}

} // namespace

#endif
