// ChaCha20 (RFC 8439), as many blocks at once as a vector has 32-bit lanes, and streams that are used while they are
// drawn.
#pragma once
#include "packing.h"
#ifdef __clang__
#include <utility>
#endif

namespace {

const int BLOCKS = LANES * 2;
typedef uint32_t V32 __attribute__((vector_size(BLOCKS * 4)));

inline V32 rotate(V32 x, int n) {
#if LANES == 4
  // Whole bytes are one shuffle, where a rotation is three instructions
  const __m256i two = _mm256_set_epi64x(0x0d0c0f0e09080b0a, 0x0504070601000302, 0x0d0c0f0e09080b0a, 0x0504070601000302);
  const __m256i one = _mm256_set_epi64x(0x0e0d0c0f0a09080b, 0x0605040702010003, 0x0e0d0c0f0a09080b, 0x0605040702010003);
  if (n == 16) return (V32)_mm256_shuffle_epi8((__m256i)x, two);
  if (n == 8) return (V32)_mm256_shuffle_epi8((__m256i)x, one);
#endif
  return (x << n) | (x >> (32 - n));
}

inline void quarter(V32 &a, V32 &b, V32 &c, V32 &d) {
  a += b, d = rotate(d ^ a, 16);
  c += d, b = rotate(b ^ c, 12);
  a += b, d = rotate(d ^ a, 8);
  c += d, b = rotate(b ^ c, 7);
}

// In each quarter of 128 bits: lanes (or pairs of lanes) of a and b in turn, of their first half or their second
template <int PAIR, int HALF>
constexpr int turn(int l) {
  const int i = l & 3;
  return (l & ~3) + 2 * HALF + (PAIR ? i & 1 : i >> 1) + (PAIR ? i >> 1 : i & 1) * BLOCKS;
}
#ifdef __clang__
template <int PAIR, int HALF, int... LANE>
inline V32 interleave(V32 a, V32 b, std::integer_sequence<int, LANE...>) {
  return __builtin_shufflevector(a, b, turn<PAIR, HALF>(LANE)...);
}
template <int PAIR, int HALF>
inline V32 interleave(V32 a, V32 b) {
  return interleave<PAIR, HALF>(a, b, std::make_integer_sequence<int, BLOCKS>());
}
#else
template <int PAIR, int HALF>
inline V32 interleave(V32 a, V32 b) {
  V32 from;
#pragma GCC unroll 16
  for (int l = 0; l < BLOCKS; l++) from[l] = turn<PAIR, HALF>(l);
  return __builtin_shuffle(a, b, from);
}
#endif

// Quarter i of a vector goes to block 4i
inline void putQuarters(uint8_t *o, V32 x) {
#if LANES == 8
  _mm_storeu_si128((__m128i *)o, _mm512_extracti32x4_epi32((__m512i)x, 0));
  _mm_storeu_si128((__m128i *)(o + 256), _mm512_extracti32x4_epi32((__m512i)x, 1));
  _mm_storeu_si128((__m128i *)(o + 512), _mm512_extracti32x4_epi32((__m512i)x, 2));
  _mm_storeu_si128((__m128i *)(o + 768), _mm512_extracti32x4_epi32((__m512i)x, 3));
#elif LANES == 4
  _mm_storeu_si128((__m128i *)o, _mm256_castsi256_si128((__m256i)x));
  _mm_storeu_si128((__m128i *)(o + 256), _mm256_extracti128_si256((__m256i)x, 1));
#else
  memcpy(o, &x, 16);
#endif
}

// Words of all blocks, one vector a word, become blocks of sixteen words
inline void putBlocks(uint8_t *o, const V32 *x) {
#pragma GCC unroll 4
  for (int q = 0; q < 4; q++, x += 4, o += 16) {
    const V32 a = interleave<0, 0>(x[0], x[1]), b = interleave<0, 1>(x[0], x[1]);
    const V32 c = interleave<0, 0>(x[2], x[3]), d = interleave<0, 1>(x[2], x[3]);
    putQuarters(o, interleave<1, 0>(a, c));
    putQuarters(o + 64, interleave<1, 1>(a, c));
    putQuarters(o + 128, interleave<1, 0>(b, d));
    putQuarters(o + 192, interleave<1, 1>(b, d));
  }
}

void chacha20(uint8_t *o, size_t bytes, const uint32_t *key, uint32_t counter) {
  V32 start[16], lane;
  const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (int l = 0; l < BLOCKS; l++) lane[l] = l;
  for (int i = 0; i < 16; i++)
    start[i] = (V32){} + (i < 4 ? constants[i] : i < 12 ? key[i - 4] : i == 12 ? counter : key[i - 5]);
  start[12] += lane;
  for (size_t at = 0; at < bytes; at += 64 * BLOCKS) {
    V32 x[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) x[i] = start[i];
    for (int r = 0; r < 10; r++) {
      quarter(x[0], x[4], x[8], x[12]);
      quarter(x[1], x[5], x[9], x[13]);
      quarter(x[2], x[6], x[10], x[14]);
      quarter(x[3], x[7], x[11], x[15]);
      quarter(x[0], x[5], x[10], x[15]);
      quarter(x[1], x[6], x[11], x[12]);
      quarter(x[2], x[7], x[8], x[13]);
      quarter(x[3], x[4], x[9], x[14]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) x[i] += start[i];
    if (bytes - at >= 64 * BLOCKS) {
      putBlocks(o + at, x);
    } else {
      alignas(64) uint8_t blocks[64 * BLOCKS];
      putBlocks(blocks, x);
      memcpy(o + at, blocks, bytes - at);
    }
    start[12] += BLOCKS;
  }
}

// Words of a stream that stay in the first cache while they are used; of any width they are whole blocks
struct Stream {
  static const size_t PART = 8192;
  u64 *words;
  uint8_t *packed;
  const u64 *from;
  size_t n;
  const uint32_t *key;
  uint32_t counter;
  unsigned bits;

  static void part(const void *context, size_t i) {
    const Stream &s = *(const Stream *)context;
    const size_t at = i * PART, count = least(s.n - at, PART), bytes = (count * s.bits + 7) / 8;
    const uint32_t block = s.counter + (uint32_t)(i * (PART / 512) * s.bits);
    if (s.words && s.bits == 64) return chacha20((uint8_t *)(s.words + at), bytes, s.key, block);
    uint8_t *const drawn = (uint8_t *)kernelScratch(PART);
    chacha20(drawn, bytes, s.key, block);
    if (s.words) unpack(s.words + at, drawn, count, s.bits);
    else packDifference(s.packed + at / 8 * s.bits, s.from + at, drawn, count, s.bits);
  }
  void run(unsigned threads) const {
    const size_t parts = (n + PART - 1) / PART;
    // Fewer take less time than a thread does to start
    kernelParts(parts, parts < 8 ? 1 : threads, part, this);
  }
};

void streamWords(u64 *o, size_t n, const uint32_t *key, uint32_t counter, unsigned bits, unsigned threads) {
  const Stream s = {o, nullptr, nullptr, n, key, counter, bits};
  s.run(threads);
}
void streamDifference(uint8_t *o, const u64 *a, size_t n, const uint32_t *key, uint32_t counter, unsigned bits,
    unsigned threads) {
  const Stream s = {nullptr, o, a, n, key, counter, bits};
  s.run(threads);
}

} // namespace
