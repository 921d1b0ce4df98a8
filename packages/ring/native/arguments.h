// What kernels are called with from JavaScript, and how those of many elements are shared out among threads.
#pragma once
#include "kernels.h"
#include <node_api.h>

namespace {

// What one call of load() gave
struct Loaded {
  const Kernels *kernels;
  unsigned threads;
};

struct Arguments {
  napi_env env;
  napi_value values[12];
  size_t count = 12;
  Loaded *loaded = nullptr;

  Arguments(napi_env e, napi_callback_info info) : env(e) {
    void *data = nullptr;
    napi_get_cb_info(env, info, &count, values, nullptr, &data);
    loaded = static_cast<Loaded *>(data);
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
    const Kernels &k = *a.loaded->kernels;                 \
    const unsigned threads = a.loaded->threads;            \
    (void)n, (void)threads;
#define END return nullptr; }

// Elements of a part of those kernels whose elements are each by itself: whole words of planes and whole bytes of
// packed arrays. Less than two such parts take less time than another thread does to come
const size_t PART = 1 << 16;

// Calls run(at, count) for parts of n elements
template <class F> void eachPart(unsigned threads, size_t n, F run) {
  if (threads < 2 || n < 2 * PART) return run((size_t)0, n);
  struct Context {
    const F &run;
    size_t n;
  } const context = {run, n};
  const auto part = [](const void *c, size_t i) {
    const Context &all = *(const Context *)c;
    const size_t at = i * PART;
    all.run(at, all.n - at < PART ? all.n - at : PART);
  };
  kernelParts((n + PART - 1) / PART, threads, part, &context);
}
#define EACH_PART eachPart(threads, n, [&](size_t at, size_t count) {
#define END_PARTS }); END

} // namespace
