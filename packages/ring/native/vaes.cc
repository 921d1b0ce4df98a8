// AES-256-GCM (NIST SP 800-38D) with VAES and VPCLMULQDQ, four blocks to a vector. No branch and no address depends on
// a key or on what is encrypted.
//
// Blocks are byte-swapped, so that bit i of a 128-bit number is the coefficient of x^(127−i). Of two such numbers the
// carry-less product, reduced as Montgomery does, is a·b·x^−1; powers of the hash key have that factor x beforehand
// (S. Gueron and M. Kounavis, Intel carry-less multiplication instruction and its usage for computing the GCM mode).
#include "sealing.h"
#include <cstdlib>
#include <immintrin.h>

namespace {

// Blocks of a round of the loop, and the vectors that they are
const size_t BLOCK = 16, BLOCKS = 16, VECTORS = 4, BYTES = BLOCK * BLOCKS;
const int ROUNDS = 14;

struct alignas(64) Cipher {
  __m128i keys[ROUNDS + 1];
  // H^16, …, H, and zeros for blocks that are not there
  __m128i powers[BLOCKS + 4];
};

inline __m128i swapped(__m128i x) {
  return _mm_shuffle_epi8(x, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
inline __m512i swapped(__m512i x) {
  return _mm512_shuffle_epi8(x,
      _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

// A block and zeros above it
inline __m512i below(__m128i x) { return _mm512_inserti32x4(_mm512_setzero_si512(), x, 0); }

// The next round key from the two before it (FIPS 197, section 5.2)
template <int CONSTANT>
inline __m128i nextKey(__m128i before, __m128i last) {
  const __m128i assist = _mm_aeskeygenassist_si128(last, CONSTANT < 0 ? 0 : CONSTANT);
  const __m128i word = CONSTANT < 0 ? _mm_shuffle_epi32(assist, 0xaa) : _mm_shuffle_epi32(assist, 0xff);
  before = _mm_xor_si128(before, _mm_slli_si128(before, 4));
  before = _mm_xor_si128(before, _mm_slli_si128(before, 8));
  return _mm_xor_si128(before, word);
}

void expand(__m128i *k, const uint8_t *key) {
  k[0] = _mm_loadu_si128((const __m128i *)key), k[1] = _mm_loadu_si128((const __m128i *)(key + BLOCK));
  k[2] = nextKey<1>(k[0], k[1]), k[3] = nextKey<-1>(k[1], k[2]);
  k[4] = nextKey<2>(k[2], k[3]), k[5] = nextKey<-1>(k[3], k[4]);
  k[6] = nextKey<4>(k[4], k[5]), k[7] = nextKey<-1>(k[5], k[6]);
  k[8] = nextKey<8>(k[6], k[7]), k[9] = nextKey<-1>(k[7], k[8]);
  k[10] = nextKey<16>(k[8], k[9]), k[11] = nextKey<-1>(k[9], k[10]);
  k[12] = nextKey<32>(k[10], k[11]), k[13] = nextKey<-1>(k[11], k[12]);
  k[14] = nextKey<64>(k[12], k[13]);
}

inline __m128i encrypted(const Cipher &c, __m128i block) {
  block = _mm_xor_si128(block, c.keys[0]);
  for (int i = 1; i < ROUNDS; i++) block = _mm_aesenc_si128(block, c.keys[i]);
  return _mm_aesenclast_si128(block, c.keys[ROUNDS]);
}

// x^127 + x^126 + x^121 + 1 below x^128, swapped
inline __m128i polynomial() { return _mm_set_epi64x((long long)0xc200000000000000, 1); }

// What is above and below 2^128 of a product, in three parts, reduced
inline __m128i reduced(__m128i low, __m128i middle, __m128i high) {
  const __m128i p = polynomial();
  const __m128i a = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(p, low, 0x01));
  middle = _mm_xor_si128(middle, a);
  const __m128i b = _mm_xor_si128(_mm_shuffle_epi32(middle, 0x4e), _mm_clmulepi64_si128(p, middle, 0x01));
  return _mm_xor_si128(high, b);
}

inline __m128i times(__m128i a, __m128i b) {
  const __m128i middle = _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10));
  return reduced(_mm_clmulepi64_si128(a, b, 0x00), middle, _mm_clmulepi64_si128(a, b, 0x11));
}

inline __m128i folded(__m512i x) {
  const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// The hash goes on with `n` blocks; those behind them are zeros
inline __m128i hashed(const Cipher &c, __m128i hash, const __m512i *blocks, size_t n) {
  __m512i low = _mm512_setzero_si512(), middle = low, high = low;
  const __m128i *powers = c.powers + BLOCKS - n;
  for (size_t v = 0; v < VECTORS && v * 4 < n; v++) {
    __m512i x = swapped(blocks[v]);
    if (v == 0) x = _mm512_xor_si512(x, below(hash));
    const __m512i h = _mm512_loadu_si512(powers + 4 * v);
    low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(x, h, 0x00));
    middle = _mm512_ternarylogic_epi64(middle, _mm512_clmulepi64_epi128(x, h, 0x01),
        _mm512_clmulepi64_epi128(x, h, 0x10), 0x96);
    high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(x, h, 0x11));
  }
  return reduced(folded(low), folded(middle), folded(high));
}

// The key stream of 16 blocks from a counter on
inline void stream(const Cipher &c, __m512i *out, __m512i counters) {
  const __m512i first = _mm512_broadcast_i32x4(c.keys[0]);
  for (size_t v = 0; v < VECTORS; v++) {
    const __m512i by = _mm512_broadcast_i32x4(_mm_set_epi32(0, 0, 0, (int)(4 * v)));
    out[v] = _mm512_xor_si512(swapped(_mm512_add_epi32(counters, by)), first);
  }
  for (int i = 1; i < ROUNDS; i++) {
    const __m512i key = _mm512_broadcast_i32x4(c.keys[i]);
    for (size_t v = 0; v < VECTORS; v++) out[v] = _mm512_aesenc_epi128(out[v], key);
  }
  const __m512i last = _mm512_broadcast_i32x4(c.keys[ROUNDS]);
  for (size_t v = 0; v < VECTORS; v++) out[v] = _mm512_aesenclast_epi128(out[v], last);
}

// Encrypts or decrypts a frame's content where it lies. @returns its tag
template <bool SEALS>
__m128i crypt(const Cipher &c, const Frame &f, uint64_t number) {
  alignas(16) uint8_t start[BLOCK] = {};
  nonceOf(start, number);
  start[BLOCK - 1] = 1;
  const __m128i counter = _mm_load_si128((const __m128i *)start);
  // The content's first block has 2
  __m512i counters = _mm512_broadcast_i32x4(swapped(counter));
  counters = _mm512_add_epi32(counters, _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1));
  const __m512i step = _mm512_broadcast_i32x4(_mm_set_epi32(0, 0, 0, (int)BLOCKS));

  __m512i x[VECTORS], key[VECTORS];
  x[0] = _mm512_maskz_loadu_epi8(((uint64_t)1 << HEAD) - 1, f.bytes);
  __m128i hash = hashed(c, _mm_setzero_si128(), x, 1);
  uint8_t *at = f.bytes + HEAD;
  size_t left = f.content;
  for (; left >= BYTES; left -= BYTES, at += BYTES, counters = _mm512_add_epi32(counters, step)) {
    stream(c, key, counters);
    for (size_t v = 0; v < VECTORS; v++) {
      const __m512i read = _mm512_loadu_si512(at + 64 * v), written = _mm512_xor_si512(read, key[v]);
      _mm512_storeu_si512(at + 64 * v, written);
      x[v] = SEALS ? written : read;
    }
    hash = hashed(c, hash, x, BLOCKS);
  }
  if (left > 0) {
    stream(c, key, counters);
    for (size_t v = 0; v < VECTORS; v++) {
      const size_t here = left < 64 * v ? 0 : left - 64 * v;
      const __mmask64 mask = here >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << here) - 1;
      const __m512i read = _mm512_maskz_loadu_epi8(mask, at + 64 * v), written = _mm512_xor_si512(read, key[v]);
      _mm512_mask_storeu_epi8(at + 64 * v, mask, written);
      x[v] = SEALS ? _mm512_maskz_mov_epi8(mask, written) : read;
    }
    hash = hashed(c, hash, x, (left + BLOCK - 1) / BLOCK);
  }
  // Bits of the head and of the content
  x[0] = below(swapped(_mm_set_epi64x((long long)HEAD * 8, (long long)f.content * 8)));
  hash = hashed(c, hash, x, 1);
  return _mm_xor_si128(swapped(hash), encrypted(c, counter));
}

void *make(const uint8_t *key, bool) {
  void *room = nullptr;
  if (posix_memalign(&room, 64, sizeof(Cipher)) != 0) return nullptr;
  Cipher &c = *(Cipher *)room;
  expand(c.keys, key);
  // H·x: what leaves the lower half goes to the upper one, and what leaves that is reduced
  const __m128i h = swapped(encrypted(c, _mm_setzero_si128()));
  const __m128i left = _mm_srai_epi32(_mm_shuffle_epi32(h, 0xd3), 31);
  const __m128i carries = _mm_and_si128(left, _mm_set_epi64x((long long)0xc200000000000001, 1));
  const __m128i twice = _mm_xor_si128(_mm_add_epi64(h, h), carries);
  memset(c.powers, 0, sizeof c.powers);
  c.powers[BLOCKS - 1] = twice;
  for (size_t i = BLOCKS - 1; i > 0; i--) c.powers[i - 1] = times(c.powers[i], twice);
  return room;
}

void end(void *cipher) {
  volatile uint8_t *bytes = (volatile uint8_t *)cipher;
  for (size_t i = 0; i < sizeof(Cipher); i++) bytes[i] = 0;
  free(cipher);
}

bool seal(void *cipher, const Frame &f, uint64_t number) {
  _mm_storeu_si128((__m128i *)(f.bytes + HEAD + f.content), crypt<true>(*(Cipher *)cipher, f, number));
  return true;
}

bool open(void *cipher, const Frame &f, uint64_t number) {
  const __m128i tag = crypt<false>(*(Cipher *)cipher, f, number);
  const __m128i theirs = _mm_loadu_si128((const __m128i *)(f.bytes + HEAD + f.content));
  const __m128i apart = _mm_xor_si128(tag, theirs);
  return _mm_testz_si128(apart, apart);
}

} // namespace

constexpr Sealing vaesSealing = {"vaes", make, end, seal, open};
