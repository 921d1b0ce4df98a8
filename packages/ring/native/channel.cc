// Frames that are sealed where they lie, and descriptors that one thread hands to another. AES-256-GCM is OpenSSL's,
// which Node carries and exports, or where the processor has the instructions that of vaes.cc, for OpenSSL 3.0 does not
// use them. Where there is neither, and on Windows, there is no channel: whoever asks does without.
#include "sealing.h"
#include <node_api.h>

#ifdef _WIN32
void exportChannel(napi_env, napi_value) {}
#else
#ifdef HAVE_VAES
#include <cpuid.h>
#endif
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

namespace {

const int GET_TAG = 0x10, SET_TAG = 0x11;

struct Openssl {
  void *(*make)();
  void (*free)(void *);
  const void *(*aes256gcm)();
  int (*start)(void *, const void *cipher, void *engine, const uint8_t *key, const uint8_t *iv, int seals);
  int (*update)(void *, uint8_t *out, int *written, const uint8_t *in, int length);
  int (*end)(void *, uint8_t *out, int *written);
  int (*control)(void *, int what, int length, void *bytes);
};

template <typename F> bool find(const char *name, F &f) {
  void *symbol = dlsym(RTLD_DEFAULT, name);
  memcpy(&f, &symbol, sizeof f);
  return symbol != nullptr;
}

bool find(Openssl &o) {
  return find("EVP_CIPHER_CTX_new", o.make) && find("EVP_CIPHER_CTX_free", o.free) &&
      find("EVP_aes_256_gcm", o.aes256gcm) && find("EVP_CipherInit_ex", o.start) &&
      find("EVP_CipherUpdate", o.update) && find("EVP_CipherFinal_ex", o.end) &&
      find("EVP_CIPHER_CTX_ctrl", o.control);
}

Openssl openssl;
// Found when the addon is opened, before there are threads
const bool opensslIsThere = find(openssl);

void *make(const uint8_t *key, bool seals) {
  void *context = openssl.make();
  if (context && openssl.start(context, openssl.aes256gcm(), nullptr, key, nullptr, seals) == 1) return context;
  if (context) openssl.free(context);
  return nullptr;
}

bool crypt(void *context, const Frame &f, uint64_t number) {
  uint8_t nonce[NONCE], *content = f.bytes + HEAD;
  nonceOf(nonce, number);
  int written;
  return openssl.start(context, nullptr, nullptr, nullptr, nonce, -1) == 1 &&
      openssl.update(context, nullptr, &written, f.bytes, HEAD) == 1 &&
      (f.content == 0 || openssl.update(context, content, &written, content, (int)f.content) == 1);
}

bool sealFrame(void *context, const Frame &f, uint64_t number) {
  int written;
  uint8_t none[16];
  return crypt(context, f, number) && openssl.end(context, none, &written) == 1 &&
      openssl.control(context, GET_TAG, TAG, f.bytes + HEAD + f.content) == 1;
}

bool openFrame(void *context, const Frame &f, uint64_t number) {
  int written;
  uint8_t none[16];
  return crypt(context, f, number) && openssl.control(context, SET_TAG, TAG, f.bytes + HEAD + f.content) == 1 &&
      openssl.end(context, none, &written) == 1;
}

const Sealing opensslSealing = {"openssl", make, [](void *context) { openssl.free(context); }, sealFrame, openFrame};

// A key of frames, and what seals with it
struct Cipher {
  const Sealing *sealing;
  void *of;
};

#ifdef HAVE_VAES
// Compilers know the names of these instructions later than the instructions
bool hasVaes() {
  unsigned a, b, c, d;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
    return false;
  const unsigned aes = 1u << 25, pclmul = 1u << 1, vaes = 1u << 9, vpclmul = 1u << 10;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (aes | pclmul)) != (aes | pclmul)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & (vaes | vpclmul)) == (vaes | vpclmul);
}
#endif

struct Call {
  napi_env env;
  napi_value values[3];
  size_t count = 3;
  void *data = nullptr;

  Call(napi_env e, napi_callback_info info) : env(e) { napi_get_cb_info(env, info, &count, values, nullptr, &data); }
  Cipher *cipher() const {
    void *c = nullptr;
    napi_get_value_external(env, values[0], &c);
    return (Cipher *)c;
  }
  // A whole number below 2^53, and whether it is one
  bool number(size_t i, uint64_t &n) const {
    double v = -1;
    napi_get_value_double(env, values[i], &v);
    if (!(v >= 0 && v < 9007199254740992.0)) return false;
    n = (uint64_t)v;
    return (double)n == v;
  }
  int descriptor() const {
    int32_t v = -1;
    napi_get_value_int32(env, values[0], &v);
    return v;
  }
  // Of a typed array that holds it, and no more
  Frame frame(size_t i) const {
    void *bytes = nullptr;
    size_t n = 0;
    napi_get_typedarray_info(env, values[i], nullptr, &n, &bytes, nullptr, nullptr);
    return n < HEAD + TAG ? Frame() : Frame{(uint8_t *)bytes, n - HEAD - TAG};
  }
  napi_value boolean(bool v) const {
    napi_value value;
    napi_get_boolean(env, v, &value);
    return value;
  }
};

// cipher(key: Uint8Array, seals: boolean): a key of frames, for one direction
napi_value cipher(napi_env env, napi_callback_info info) {
  Call c(env, info);
  const Sealing *const sealing = (const Sealing *)c.data;
  void *key = nullptr;
  size_t n = 0;
  bool seals = false;
  napi_get_typedarray_info(env, c.values[0], nullptr, &n, &key, nullptr, nullptr);
  napi_get_value_bool(env, c.values[1], &seals);
  void *const of = n == KEY ? sealing->make((const uint8_t *)key, seals) : nullptr;
  if (!of) {
    napi_throw_error(env, "KERNEL_ARGUMENT", n == KEY ? "no cipher could be made" : "a key of frames has 32 bytes");
    return nullptr;
  }
  const auto end = [](napi_env, void *data, void *) {
    Cipher *const c = (Cipher *)data;
    c->sealing->free(c->of);
    delete c;
  };
  napi_value external;
  napi_create_external(env, new Cipher{sealing, of}, end, nullptr, &external);
  return external;
}

// seal(cipher, frame: Uint8Array, number): whether it was done
napi_value seal(napi_env env, napi_callback_info info) {
  Call c(env, info);
  const Frame f = c.frame(1);
  const Cipher *const of = c.cipher();
  uint64_t n;
  return c.boolean(f.bytes && of && c.number(2, n) && of->sealing->seal(of->of, f, n));
}

// open(cipher, frame: Uint8Array, number): whether it is what was sealed under that number
napi_value open(napi_env env, napi_callback_info info) {
  Call c(env, info);
  const Frame f = c.frame(1);
  const Cipher *const of = c.cipher();
  uint64_t n;
  return c.boolean(f.bytes && of && c.number(2, n) && of->sealing->open(of->of, f, n));
}

// duplicate(descriptor): another one of the same connection, or -1
napi_value duplicate(napi_env env, napi_callback_info info) {
  Call c(env, info);
  napi_value value;
  napi_create_int32(env, fcntl(c.descriptor(), F_DUPFD_CLOEXEC, 0), &value);
  return value;
}

// closeDescriptor(descriptor)
napi_value closeDescriptor(napi_env env, napi_callback_info info) {
  Call c(env, info);
  close(c.descriptor());
  return nullptr;
}

} // namespace

void exportChannel(napi_env env, napi_value exports) {
  napi_value channels, f;
  napi_create_object(env, &channels);
  const auto add = [&](const Sealing &sealing) {
    const struct {
      const char *name;
      napi_callback call;
    } methods[] = {{"cipher", cipher}, {"seal", seal}, {"open", open}, {"duplicate", duplicate},
        {"closeDescriptor", closeDescriptor}};
    napi_value channel;
    napi_create_object(env, &channel);
    for (const auto &m : methods) {
      napi_create_function(env, m.name, NAPI_AUTO_LENGTH, m.call, (void *)&sealing, &f);
      napi_set_named_property(env, channel, m.name, f);
    }
    napi_set_named_property(env, channels, sealing.name, channel);
  };
#ifdef HAVE_VAES
  if (hasVaes()) add(vaesSealing);
#endif
  if (opensslIsThere) add(opensslSealing);
  napi_set_named_property(env, exports, "channels", channels);
}
#endif
