// Node-API binding: load(tables, level) gives an object with the kernels of an instruction set. Lengths are checked by
// the caller in TypeScript.
#include "arguments.h"
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

// In channel.cc
void exportChannel(napi_env env, napi_value exports);

// Smaller buffers would hardly have one
const size_t LARGE_PAGE = 4 << 20;

double kernelTables[4096 * 4 + 4 * 1024];

static thread_local struct { u64 *words; size_t length; } scratch;

u64 *kernelScratch(size_t n) {
  if (n > scratch.length) {
    free(scratch.words);
    scratch.words = (u64 *)aligned_alloc(64, (n + 7) / 8 * 64);
    scratch.length = scratch.words ? n : 0;
    if (!scratch.words) abort();
  }
  return scratch.words;
}

void kernelScratchFree() {
  free(scratch.words);
  scratch.words = nullptr;
  scratch.length = 0;
}

namespace {

#define BINARY(name)                                                   \
  KERNEL(name)                                                         \
    u64 *o = a.words(0, &n);                                           \
    const u64 *x = a.words(1), *y = a.words(2);                        \
    EACH_PART k.name(o + at, x + at, y + at, count); END_PARTS

BINARY(add)
BINARY(sub)
BINARY(lessTwice)
BINARY(mul)
BINARY(bitAnd)
BINARY(bitXor)
KERNEL(affine)
  u64 *o = a.words(0, &n);
  const u64 *x = a.words(1), scale = a.word(2), offset = a.word(3), mask = a.word(4);
  EACH_PART k.affine(o + at, x + at, count, scale, offset, mask); END_PARTS
KERNEL(rowSum)
  size_t all;
  u64 *o = a.words(0, &n);
  const u64 *x = a.words(1, &all);
  k.rowSum(o, x, n, n ? all / n : 0);
END
KERNEL(matMul)
  k.matMul(a.words(0), a.words(1), a.words(2), a.whole(3), a.whole(4), a.whole(5), a.flag(6), a.flag(7), a.whole(8),
      a.flag(9), threads);
END
KERNEL(sparseMatMul)
  size_t entries;
  u64 *o = a.words(0, &n);
  const u64 *x = a.words(1, &entries);
  k.sparseMatMul(o, x, a.words(2), a.array<int32_t>(3), entries, a.whole(4), a.whole(5), n / a.whole(4), a.word(6),
      threads);
END
KERNEL(packMatrix) k.packMatrix(a.words(0), a.words(1), a.whole(2), a.whole(3), a.flag(4), a.whole(5)); END
KERNEL(unpackMatrix) k.unpackMatrix(a.words(0), a.words(1), a.whole(2), a.whole(3), a.flag(4), a.whole(5)); END
napi_value packedWords(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  napi_value n;
  napi_create_double(env, (double)a.loaded->kernels->packedWords(a.whole(0), a.whole(1), a.whole(2)), &n);
  return n;
}
// Key and nonce of a stream, wiped from the stack after use
struct StreamKey {
  uint32_t words[11] = {0};
  StreamKey(const uint8_t *key, const uint8_t *nonce) {
    memcpy(words, key, 32);
    if (nonce) memcpy(words + 8, nonce, 12);
  }
  ~StreamKey() {
    volatile uint32_t *wipe = words;
    for (int i = 0; i < 11; i++) wipe[i] = 0;
  }
};

KERNEL(chacha20)
  const StreamKey key(a.array<uint8_t>(0), a.array<uint8_t>(1));
  uint8_t *o = a.array<uint8_t>(2, &n);
  k.chacha20(o, n, key.words, a.whole(3));
END
KERNEL(streamWords)
  const StreamKey key(a.array<uint8_t>(0), nullptr);
  u64 *o = a.words(1, &n);
  k.streamWords(o, n, key.words, a.whole(2), a.whole(3), threads);
END
KERNEL(streamDifference)
  const StreamKey key(a.array<uint8_t>(0), nullptr);
  const u64 *x = a.words(2, &n);
  k.streamDifference(a.array<uint8_t>(1), x, n, key.words, a.whole(3), a.whole(4), threads);
END
KERNEL(pack)
  const u64 *x = a.words(1, &n);
  uint8_t *o = a.array<uint8_t>(0);
  const unsigned bits = a.whole(2);
  EACH_PART k.pack(o + at / 8 * bits, x + at, count, bits); END_PARTS
KERNEL(packOpening)
  const u64 *x = a.words(1, &n), *r = a.words(2), offset = a.word(3), modulus = a.word(4);
  uint8_t *o = a.array<uint8_t>(0);
  const unsigned shift = a.whole(5), bits = a.whole(6);
  EACH_PART k.packOpening(o + at / 8 * bits, x + at, r + at, count, offset, modulus, shift, bits); END_PARTS
KERNEL(unpack)
  u64 *o = a.words(0, &n);
  const uint8_t *x = a.array<uint8_t>(1);
  const unsigned bits = a.whole(2);
  EACH_PART k.unpack(o + at, x + at / 8 * bits, count, bits); END_PARTS
KERNEL(unpackSum)
  u64 *o = a.words(0, &n);
  const uint8_t *x = a.array<uint8_t>(1), *y = a.array<uint8_t>(2);
  const unsigned bits = a.whole(3);
  EACH_PART k.unpackSum(o + at, x + at / 8 * bits, y + at / 8 * bits, count, bits); END_PARTS
KERNEL(gather)
  const double *how = a.array<double>(2, &n);
  k.gather(a.words(0), a.words(1) + (size_t)a.number(3), n / 2, how);
END
KERNEL(choose)
  u64 *o = a.words(0, &n);
  const u64 *m = a.words(1), *zero = a.words(2), *one = a.words(3);
  const unsigned bit = a.whole(4);
  EACH_PART k.choose(o + at, m + at, zero + at, one + at, count, bit); END_PARTS
KERNEL(encode)
  u64 *o = a.words(0, &n);
  const float *v = a.array<float>(1);
  const double scale = a.number(2);
  EACH_PART k.encode(o + at, v + at, count, scale); END_PARTS
KERNEL(decode) double *o = a.array<double>(0, &n); k.decode(o, a.words(1), n, a.whole(2), a.number(3)); END
KERNEL(maskForOpening)
  u64 *o = a.words(0, &n);
  const u64 *x = a.words(1), *r = a.words(2), offset = a.word(3), modulus = a.word(4), mask = a.word(6);
  const unsigned shift = a.whole(5);
  EACH_PART k.maskForOpening(o + at, x + at, r + at, count, offset, modulus, shift, mask); END_PARTS
KERNEL(lift)
  u64 *o = a.words(0, &n);
  const u64 *m = a.words(1), *r = a.words(2), *w = a.words(3), *wh = a.words(4), offset = a.word(6);
  const unsigned bits = a.whole(5), first = a.flag(7);
  EACH_PART k.lift(o + at, m + at, r + at, w + at, wh + at, count, bits, offset, first); END_PARTS
KERNEL(extend)
  u64 *om = a.words(0, &n), *os = a.words(1);
  const u64 *m = a.words(2), *share = a.words(3), *set = a.words(4), *clear = a.words(5), *opened = a.words(6);
  const u64 *r = a.words(7), mask = a.word(9), offset = a.word(10);
  const unsigned bits = a.whole(8), first = a.flag(11);
  EACH_PART
    k.extend(om + at, os + at, m + at, share + at, set + at, clear + at, opened + at, r + at, count, bits, mask, offset,
        first);
  END_PARTS
KERNEL(chunkTables)
  uint16_t *o = a.array<uint16_t>(0, &n);
  const u64 *r = a.words(1);
  const unsigned position = a.whole(2), width = a.whole(3), kind = a.whole(4), from = a.whole(5);
  EACH_PART k.chunkTables(o + at, r + at, count, position, width, (int)kind, from); END_PARTS
KERNEL(pick)
  size_t rows;
  const u64 *m = a.words(1, &n);
  const int32_t *how = a.array<int32_t>(5, &rows);
  k.pick(a.words(0), m, a.array<uint16_t>(2), n, a.whole(3), a.word(4), how, rows / 5);
END
KERNEL(parities)
  size_t count;
  uint32_t *sums = a.array<uint32_t>(0, &count);
  const uint32_t *bits = a.array<uint32_t>(1, &n);
  k.parities(sums, count, bits, n, a.array<uint32_t>(2));
END
KERNEL(bitPlane) const u64 *m = a.words(1, &n); k.bitPlane(a.words(0), m, n, a.word(2), a.whole(3)); END
KERNEL(planeToWords) u64 *o = a.words(0, &n); k.planeToWords(o, a.words(1), n); END
KERNEL(bitShare)
  u64 *o = a.words(0, &n);
  const u64 *c = a.words(1), *beta = a.words(2);
  const unsigned first = a.flag(3);
  EACH_PART k.bitShare(o + at, c + at / 64, beta + at, count, first); END_PARTS
KERNEL(bitMultiply)
  u64 *o = a.words(0, &n);
  const u64 *c = a.words(1), *x = a.words(2), *m = a.words(3), *b = a.words(4), *br = a.words(5), *bh = a.words(6);
  const u64 offset = a.word(8);
  const unsigned bits = a.whole(7);
  const bool wrap = a.flag(9);
  EACH_PART
    // bh may be empty where nothing wraps around
    k.bitMultiply(o + at, c + at / 64, x + at, m + at, b + at, br + at, wrap ? bh + at : bh, count, bits, offset, wrap);
  END_PARTS
KERNEL(maskedProduct)
  size_t variables;
  u64 *o = a.words(0, &n);
  const int32_t *v = a.array<int32_t>(4, &variables);
  k.maskedProduct(o, a.words(1), a.words(2), a.words(3), n, v, variables, a.array<int32_t>(5), a.flag(6));
END
KERNEL(trigTables)
  const u64 *r = a.words(1, &n);
  k.trigTables(a.words(0), r, n, a.whole(2), a.whole(3), a.number(4), threads);
END
KERNEL(trigCombine)
  u64 *o = a.words(0, &n);
  k.trigCombine(o, a.words(1), a.words(2), a.array<double>(3), n, a.whole(4), a.whole(5), a.number(6));
END
KERNEL(expTables) const u64 *r = a.words(1, &n); k.expTables(a.words(0), r, a.words(2), n, a.whole(3)); END
KERNEL(expCombine)
  u64 *o = a.words(0, &n);
  k.expCombine(o, a.words(1), a.words(2), a.words(3), n, a.number(4), a.whole(5));
END

// setThreads(n): that kernels of this object may take
napi_value setThreads(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.loaded->threads = a.whole(0);
  return nullptr;
}

const struct {
  const char *name;
  napi_callback call;
} methods[] = {{"setThreads", setThreads},
               {"add", add},
               {"sub", sub},
               {"lessTwice", lessTwice},
               {"mul", mul},
               {"and", bitAnd},
               {"xor", bitXor},
               {"affine", affine},
               {"rowSum", rowSum},
               {"matMul", matMul},
               {"sparseMatMul", sparseMatMul},
               {"packMatrix", packMatrix},
               {"unpackMatrix", unpackMatrix},
               {"packedWords", packedWords},
               {"chacha20", chacha20},
               {"streamWords", streamWords},
               {"streamDifference", streamDifference},
               {"pack", pack},
               {"packOpening", packOpening},
               {"unpack", unpack},
               {"unpackSum", unpackSum},
               {"gather", gather},
               {"choose", choose},
               {"encode", encode},
               {"decode", decode},
               {"maskForOpening", maskForOpening},
               {"lift", lift},
               {"extend", extend},
               {"chunkTables", chunkTables},
               {"pick", pick},
               {"parities", parities},
               {"bitPlane", bitPlane},
               {"planeToWords", planeToWords},
               {"bitShare", bitShare},
               {"bitMultiply", bitMultiply},
               {"maskedProduct", maskedProduct},
               {"trigTables", trigTables},
               {"trigCombine", trigCombine},
               {"expTables", expTables},
               {"expCombine", expCombine}};

// Free memory goes back to the machine: glibc keeps what lies between buffers that are in use
napi_value giveBack(napi_env env, napi_callback_info info) {
  kernelScratchFree();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return nullptr;
}

// adjustExternalMemory(bytes): bytes more or fewer that the collector counts beside its own
napi_value adjustExternalMemory(napi_env env, napi_callback_info info) {
  int64_t now;
  napi_adjust_external_memory(env, (int64_t)Arguments(env, info).number(0), &now);
  return nullptr;
}

// largePages(buffer: ArrayBuffer): asks for pages of 2 MB under a buffer that nobody has touched
napi_value largePages(napi_env env, napi_callback_info info) {
#ifdef MADV_HUGEPAGE
  napi_value buffer;
  size_t count = 1, n = 0;
  void *data = nullptr;
  napi_get_cb_info(env, info, &count, &buffer, nullptr, nullptr);
  if (napi_get_arraybuffer_info(env, buffer, &data, &n) == napi_ok && n >= LARGE_PAGE) {
    // The first page has what the allocator knows of it
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)data + page - 1) / page * page;
    madvise((void *)from, (n - (from - (uintptr_t)data)) / page * page, MADV_HUGEPAGE);
  }
#endif
  return nullptr;
}

// Instruction sets of this processor, the widest first
napi_value levels(napi_env env, napi_callback_info) {
  napi_value list, text;
  napi_create_array(env, &list);
  uint32_t at = 0;
  const auto push = [&](const Kernels &k) {
    napi_create_string_utf8(env, k.name, NAPI_AUTO_LENGTH, &text);
    napi_set_element(env, list, at++, text);
  };
#ifdef __x86_64__
  __builtin_cpu_init();
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2");
  if (wide && __builtin_cpu_supports("avx512ifma")) {
    // Pairs take two additions for a fused multiply-add less: AMD's processors add twice as many words as they
    // multiply, Intel's as many
    const bool pairs = __builtin_cpu_is("amd");
    push(pairs ? avx512PairsKernels : avx512FusedKernels);
    push(pairs ? avx512FusedKernels : avx512PairsKernels);
  }
  if (wide) push(avx512Kernels);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    push(avx2Kernels);
#endif
  push(plainKernels);
  return list;
}

// load(tables: Float64Array, level: string)
napi_value load(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  size_t n;
  const double *tables = a.array<double>(0, &n);
  if (n != sizeof kernelTables / sizeof(double)) {
    napi_throw_error(env, "KERNEL_ARGUMENT", "the kernels' tables have another size");
    return nullptr;
  }
  memcpy(kernelTables, tables, sizeof kernelTables);
  char name[32];
  size_t length;
  napi_get_value_string_utf8(env, a.values[1], name, sizeof name, &length);
  const Kernels *chosen = &plainKernels;
#ifdef __x86_64__
  for (const Kernels *k : {&avx512Kernels, &avx512FusedKernels, &avx512PairsKernels, &avx2Kernels})
    if (strcmp(name, k->name) == 0) chosen = k;
#endif
  Loaded *const loaded = new Loaded{chosen, 1};
  napi_add_env_cleanup_hook(env, [](void *l) { delete (Loaded *)l; }, loaded);
  napi_value object;
  napi_create_object(env, &object);
  for (const auto &m : methods) {
    napi_value f;
    napi_create_function(env, m.name, NAPI_AUTO_LENGTH, m.call, loaded, &f);
    napi_set_named_property(env, object, m.name, f);
  }
  return object;
}

} // namespace

NAPI_MODULE_INIT() {
  napi_value f;
#ifdef __GLIBC__
  // Large buffers are mapped one by one and go back when they are freed. By itself glibc takes to keeping larger and
  // larger ones once some were freed
  mallopt(M_MMAP_THRESHOLD, 2 << 20);
#endif
  const auto end = [](void *) { kernelThreadsEnd(), kernelScratchFree(); };
  napi_add_env_cleanup_hook(env, end, nullptr);
  napi_create_function(env, "load", NAPI_AUTO_LENGTH, load, nullptr, &f);
  napi_set_named_property(env, exports, "load", f);
  napi_create_function(env, "levels", NAPI_AUTO_LENGTH, levels, nullptr, &f);
  napi_set_named_property(env, exports, "levels", f);
  napi_create_function(env, "giveBack", NAPI_AUTO_LENGTH, giveBack, nullptr, &f);
  napi_set_named_property(env, exports, "giveBack", f);
  napi_create_function(env, "largePages", NAPI_AUTO_LENGTH, largePages, nullptr, &f);
  napi_set_named_property(env, exports, "largePages", f);
  napi_create_function(env, "adjustExternalMemory", NAPI_AUTO_LENGTH, adjustExternalMemory, nullptr, &f);
  napi_set_named_property(env, exports, "adjustExternalMemory", f);
  exportChannel(env, exports);
  return exports;
}
