// How frames are sealed: AES-256-GCM (NIST SP 800-38D), its nonce four zero bytes and the frame's number.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

// A frame: bytes that are authenticated, the content, the tag
const size_t HEAD = 4, TAG = 16, KEY = 32, NONCE = 12;

struct Frame {
  uint8_t *bytes = nullptr;
  size_t content = 0;
};

// Of each file that includes this, whatever it is compiled for
static inline void nonceOf(uint8_t *nonce, uint64_t number) {
  memset(nonce, 0, NONCE);
  for (int i = 0; i < 8; i++) nonce[4 + i] = (uint8_t)(number >> 8 * i);
}

// Each number is of one frame of a key: two under one would give both away
struct Sealing {
  const char *name;
  // null where there is no memory
  void *(*make)(const uint8_t *key, bool seals);
  void (*free)(void *cipher);
  bool (*seal)(void *cipher, const Frame &f, uint64_t number);
  bool (*open)(void *cipher, const Frame &f, uint64_t number);
};

// With instructions that encrypt and multiply four blocks at once
extern const Sealing vaesSealing;
