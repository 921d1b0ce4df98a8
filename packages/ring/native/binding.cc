// Node-API binding: load(tables, level) gives an object with the kernels of an instruction set. Lengths are checked by
// the caller in TypeScript.
#include "kernels.h"
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <node_api.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>

// In channel.cc
void exportChannel(napi_env env, napi_value exports);

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

// Called when a thread's environment ends
static void freeScratch(void *) {
  free(scratch.words);
  scratch.words = nullptr;
  scratch.length = 0;
}

namespace {

struct Parts {
  size_t next, parts;
  void (*run)(const void *context, size_t part);
  const void *context;
};

void takeParts(Parts *p) {
  for (size_t part; (part = __atomic_fetch_add(&p->next, 1, __ATOMIC_RELAXED)) < p->parts;) p->run(p->context, part);
}

void *helper(void *parts) {
  takeParts((Parts *)parts);
  freeScratch(nullptr);
  return nullptr;
}

const unsigned MOST_THREADS = 64;

} // namespace

void kernelParts(size_t parts, unsigned threads, void (*run)(const void *context, size_t part), const void *context) {
  Parts p = {0, parts, run, context};
  pthread_t helpers[MOST_THREADS];
  unsigned there = 0;
  while (there + 1 < threads && there < MOST_THREADS && !pthread_create(helpers + there, nullptr, helper, &p)) there++;
  takeParts(&p);
  while (there > 0) pthread_join(helpers[--there], nullptr);
}

namespace {

struct Arguments {
  napi_env env;
  napi_value values[12];
  size_t count = 12;
  const Kernels *kernels = nullptr;

  Arguments(napi_env e, napi_callback_info info) : env(e) {
    void *data = nullptr;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
    kernels = static_cast<const Kernels *>(data);
  }

  // Elements of a typed array, and how many there are
  template <typename T> T *array(size_t i, size_t *length = nullptr) const {
    void *data = nullptr;
    size_t n = 0;
    napi_get_typedarray_info(env, values[i], nullptr, &n, &data, nullptr, nullptr);
    if (length) *length = n;
    return static_cast<T *>(data);
  }
  u64 *words(size_t i, size_t *length = nullptr) const { return array<u64>(i, length); }
  u64 word(size_t i) const {
    u64 v = 0;
    bool lossless;
    napi_get_value_bigint_uint64(env, values[i], &v, &lossless);
    return v;
  }
  double number(size_t i) const {
    double v = 0;
    napi_get_value_double(env, values[i], &v);
    return v;
  }
  unsigned whole(size_t i) const { return (unsigned)number(i); }
  bool flag(size_t i) const {
    bool v = false;
    napi_get_value_bool(env, values[i], &v);
    return v;
  }
};

#define KERNEL(name)                                       \
  napi_value name(napi_env env, napi_callback_info info) { \
    Arguments a(env, info);                                \
    size_t n;                                              \
    const Kernels &k = *a.kernels;                         \
    (void)n;
#define END return nullptr; }

KERNEL(add) u64 *o = a.words(0, &n); k.add(o, a.words(1), a.words(2), n); END
KERNEL(sub) u64 *o = a.words(0, &n); k.sub(o, a.words(1), a.words(2), n); END
KERNEL(lessTwice) u64 *o = a.words(0, &n); k.lessTwice(o, a.words(1), a.words(2), n); END
KERNEL(mul) u64 *o = a.words(0, &n); k.mul(o, a.words(1), a.words(2), n); END
KERNEL(bitAnd) u64 *o = a.words(0, &n); k.bitAnd(o, a.words(1), a.words(2), n); END
KERNEL(bitXor) u64 *o = a.words(0, &n); k.bitXor(o, a.words(1), a.words(2), n); END
KERNEL(affine) u64 *o = a.words(0, &n); k.affine(o, a.words(1), n, a.word(2), a.word(3), a.word(4)); END
KERNEL(rowSum)
  size_t all;
  u64 *o = a.words(0, &n);
  const u64 *x = a.words(1, &all);
  k.rowSum(o, x, n, n ? all / n : 0);
END
KERNEL(matMul)
  k.matMul(a.words(0), a.words(1), a.words(2), a.whole(3), a.whole(4), a.whole(5), a.flag(6), a.flag(7), a.whole(8),
      a.flag(9), a.whole(10));
END
KERNEL(sparseMatMul)
  size_t entries;
  u64 *o = a.words(0, &n);
  const u64 *x = a.words(1, &entries);
  k.sparseMatMul(o, x, a.words(2), a.array<int32_t>(3), entries, a.whole(4), a.whole(5), n / a.whole(4), a.word(6),
      a.whole(7));
END
KERNEL(packMatrix) k.packMatrix(a.words(0), a.words(1), a.whole(2), a.whole(3), a.flag(4), a.whole(5)); END
KERNEL(unpackMatrix) k.unpackMatrix(a.words(0), a.words(1), a.whole(2), a.whole(3), a.flag(4), a.whole(5)); END
napi_value packedWords(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  napi_value n;
  napi_create_double(env, (double)a.kernels->packedWords(a.whole(0), a.whole(1), a.whole(2)), &n);
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
  k.streamWords(o, n, key.words, a.whole(2), a.whole(3), a.whole(4));
END
KERNEL(streamDifference)
  const StreamKey key(a.array<uint8_t>(0), nullptr);
  const u64 *x = a.words(2, &n);
  k.streamDifference(a.array<uint8_t>(1), x, n, key.words, a.whole(3), a.whole(4), a.whole(5));
END
KERNEL(pack) const u64 *x = a.words(1, &n); k.pack(a.array<uint8_t>(0), x, n, a.whole(2)); END
KERNEL(packOpening)
  const u64 *x = a.words(1, &n);
  k.packOpening(a.array<uint8_t>(0), x, a.words(2), n, a.word(3), a.word(4), a.whole(5), a.whole(6));
END
KERNEL(unpack) u64 *o = a.words(0, &n); k.unpack(o, a.array<uint8_t>(1), n, a.whole(2)); END
KERNEL(unpackSum) u64 *o = a.words(0, &n); k.unpackSum(o, a.array<uint8_t>(1), a.array<uint8_t>(2), n, a.whole(3)); END
KERNEL(gather)
  const double *how = a.array<double>(2, &n);
  k.gather(a.words(0), a.words(1) + (size_t)a.number(3), n / 2, how);
END
KERNEL(choose) u64 *o = a.words(0, &n); k.choose(o, a.words(1), a.words(2), a.words(3), n, a.whole(4)); END
KERNEL(encode) u64 *o = a.words(0, &n); k.encode(o, a.array<float>(1), n, a.number(2)); END
KERNEL(decode) double *o = a.array<double>(0, &n); k.decode(o, a.words(1), n, a.whole(2), a.number(3)); END
KERNEL(maskForOpening)
  u64 *o = a.words(0, &n);
  k.maskForOpening(o, a.words(1), a.words(2), n, a.word(3), a.word(4), a.whole(5), a.word(6));
END
KERNEL(lift)
  u64 *o = a.words(0, &n);
  k.lift(o, a.words(1), a.words(2), a.words(3), a.words(4), n, a.whole(5), a.word(6), a.flag(7) ? 1 : 0);
END
KERNEL(extend)
  u64 *o = a.words(0, &n);
  k.extend(o, a.words(1), a.words(2), a.words(3), a.words(4), a.words(5), a.words(6), a.words(7), n, a.whole(8),
      a.word(9), a.word(10), a.flag(11) ? 1 : 0);
END
KERNEL(chunkTables)
  uint16_t *o = a.array<uint16_t>(0, &n);
  k.chunkTables(o, a.words(1), n, a.whole(2), a.whole(3), (int)a.whole(4));
END
KERNEL(pick)
  size_t rows;
  const u64 *m = a.words(1, &n);
  const int32_t *how = a.array<int32_t>(5, &rows);
  k.pick(a.words(0), m, a.array<uint16_t>(2), n, a.whole(3), a.word(4), how, rows / 5);
END
KERNEL(bitPlane) const u64 *m = a.words(1, &n); k.bitPlane(a.words(0), m, n, a.word(2), a.whole(3)); END
KERNEL(planeToWords) u64 *o = a.words(0, &n); k.planeToWords(o, a.words(1), n); END
KERNEL(bitShare) u64 *o = a.words(0, &n); k.bitShare(o, a.words(1), a.words(2), n, a.flag(3) ? 1 : 0); END
KERNEL(bitMultiply)
  u64 *o = a.words(0, &n);
  k.bitMultiply(o, a.words(1), a.words(2), a.words(3), a.words(4), a.words(5), a.words(6), n, a.whole(7), a.word(8),
      a.flag(9));
END
KERNEL(maskedProduct)
  size_t variables;
  u64 *o = a.words(0, &n);
  const int32_t *v = a.array<int32_t>(4, &variables);
  k.maskedProduct(o, a.words(1), a.words(2), a.words(3), n, v, variables, a.array<int32_t>(5), a.flag(6));
END
KERNEL(trigTables)
  const u64 *r = a.words(1, &n);
  k.trigTables(a.words(0), r, n, a.whole(2), a.whole(3), a.number(4), a.whole(5));
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

const struct {
  const char *name;
  napi_callback call;
} methods[] = {{"add", add},
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
  freeScratch(nullptr);
#ifdef __GLIBC__
  malloc_trim(0);
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
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
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
  for (const Kernels *k : {&avx512Kernels, &avx2Kernels})
    if (strcmp(name, k->name) == 0) chosen = k;
#endif
  napi_value object;
  napi_create_object(env, &object);
  for (const auto &m : methods) {
    napi_value f;
    napi_create_function(env, m.name, NAPI_AUTO_LENGTH, m.call, const_cast<Kernels *>(chosen), &f);
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
  napi_add_env_cleanup_hook(env, freeScratch, nullptr);
  napi_create_function(env, "load", NAPI_AUTO_LENGTH, load, nullptr, &f);
  napi_set_named_property(env, exports, "load", f);
  napi_create_function(env, "levels", NAPI_AUTO_LENGTH, levels, nullptr, &f);
  napi_set_named_property(env, exports, "levels", f);
  napi_create_function(env, "giveBack", NAPI_AUTO_LENGTH, giveBack, nullptr, &f);
  napi_set_named_property(env, exports, "giveBack", f);
  exportChannel(env, exports);
  return exports;
}
