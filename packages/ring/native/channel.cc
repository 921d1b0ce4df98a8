// Frames that are sealed where they lie, and descriptors that one thread hands to another. AES-256-GCM is OpenSSL's,
// which Node carries and exports. Where it does not, and on Windows, there is no channel: whoever asks does without.
#include <node_api.h>

#ifdef _WIN32
void exportChannel(napi_env, napi_value) {}
#else
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

namespace {

// A frame: four bytes that are authenticated, the content, the tag
const size_t HEAD = 4, TAG = 16;
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

struct Frame {
  uint8_t *bytes = nullptr;
  size_t content = 0;

  // Of a typed array that holds it, and no more
  Frame(napi_env env, napi_value array) {
    void *data = nullptr;
    size_t n = 0;
    if (napi_get_typedarray_info(env, array, nullptr, &n, &data, nullptr, nullptr) != napi_ok || n < HEAD + TAG) return;
    bytes = (uint8_t *)data;
    content = n - HEAD - TAG;
  }
};

// Each number is of one frame of a key: two under one would give both away
bool begin(void *context, double number, const Frame &f) {
  uint8_t iv[12] = {0};
  uint64_t n = (uint64_t)number;
  for (int i = 0; i < 8; i++) iv[4 + i] = (uint8_t)(n >> 8 * i);
  int written;
  return openssl.start(context, nullptr, nullptr, nullptr, iv, -1) == 1 &&
      openssl.update(context, nullptr, &written, f.bytes, HEAD) == 1;
}

bool crypt(void *context, const Frame &f) {
  int written = 0;
  uint8_t *content = f.bytes + HEAD;
  return f.content == 0 || openssl.update(context, content, &written, content, (int)f.content) == 1;
}

struct Call {
  napi_env env;
  napi_value values[3];
  size_t count = 3;

  Call(napi_env e, napi_callback_info info) : env(e) { napi_get_cb_info(env, info, &count, values, nullptr, nullptr); }
  void *context() const {
    void *c = nullptr;
    napi_get_value_external(env, values[0], &c);
    return c;
  }
  double number(size_t i) const {
    double v = -1;
    napi_get_value_double(env, values[i], &v);
    return v;
  }
};

napi_value boolean(napi_env env, bool v) {
  napi_value value;
  napi_get_boolean(env, v, &value);
  return value;
}

// cipher(key: Uint8Array, seals: boolean): a key of frames, for one direction
napi_value cipher(napi_env env, napi_callback_info info) {
  Call c(env, info);
  void *key = nullptr;
  size_t n = 0;
  bool seals = false;
  napi_get_typedarray_info(env, c.values[0], nullptr, &n, &key, nullptr, nullptr);
  napi_get_value_bool(env, c.values[1], &seals);
  void *context = n == 32 ? openssl.make() : nullptr;
  if (!context || openssl.start(context, openssl.aes256gcm(), nullptr, (uint8_t *)key, nullptr, seals) != 1) {
    if (context) openssl.free(context);
    napi_throw_error(env, "KERNEL_ARGUMENT", "a key of frames has 32 bytes");
    return nullptr;
  }
  napi_value external;
  napi_create_external(env, context, [](napi_env, void *data, void *) { openssl.free(data); }, nullptr, &external);
  return external;
}

// seal(cipher, frame: Uint8Array, number): whether it was done
napi_value seal(napi_env env, napi_callback_info info) {
  Call c(env, info);
  Frame f(env, c.values[1]);
  void *context = c.context();
  if (!f.bytes || !context) return boolean(env, false);
  int written;
  uint8_t none[16];
  return boolean(env, begin(context, c.number(2), f) && crypt(context, f) &&
      openssl.end(context, none, &written) == 1 &&
      openssl.control(context, GET_TAG, TAG, f.bytes + HEAD + f.content) == 1);
}

// open(cipher, frame: Uint8Array, number): whether it is what was sealed under that number
napi_value open(napi_env env, napi_callback_info info) {
  Call c(env, info);
  Frame f(env, c.values[1]);
  void *context = c.context();
  if (!f.bytes || !context) return boolean(env, false);
  int written;
  uint8_t none[16];
  return boolean(env, begin(context, c.number(2), f) && crypt(context, f) &&
      openssl.control(context, SET_TAG, TAG, f.bytes + HEAD + f.content) == 1 &&
      openssl.end(context, none, &written) == 1);
}

// duplicate(descriptor): another one of the same connection, or -1
napi_value duplicate(napi_env env, napi_callback_info info) {
  Call c(env, info);
  napi_value value;
  napi_create_int32(env, fcntl((int)c.number(0), F_DUPFD_CLOEXEC, 0), &value);
  return value;
}

// closeDescriptor(descriptor)
napi_value closeDescriptor(napi_env env, napi_callback_info info) {
  Call c(env, info);
  close((int)c.number(0));
  return nullptr;
}

} // namespace

void exportChannel(napi_env env, napi_value exports) {
  if (!find(openssl)) return;
  napi_value channel, f;
  napi_create_object(env, &channel);
  const struct {
    const char *name;
    napi_callback call;
  } methods[] = {{"cipher", cipher}, {"seal", seal}, {"open", open}, {"duplicate", duplicate},
      {"closeDescriptor", closeDescriptor}};
  for (const auto &m : methods) {
    napi_create_function(env, m.name, NAPI_AUTO_LENGTH, m.call, nullptr, &f);
    napi_set_named_property(env, channel, m.name, f);
  }
  napi_set_named_property(env, exports, "channel", channel);
}
#endif
