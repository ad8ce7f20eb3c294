/* v8out.h - the bytes of a payload while it is written.
 *
 * They lie in a userdata in a slot of the stack; one that was used before will do.
 * Growing may raise (memory), nothing else does.
 *
 *   struct out out;
 *   lcp__out_take(&out, L, 2);                // the userdata at 2, or a new one
 *   put_tag(&out, TAG_INT32, 4);
 *   ...lcp__out_size(&out) bytes of the userdata that is at 2 then */
#ifndef LCP_V8OUT_H
#define LCP_V8OUT_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/v8format.h"

enum { OUT_VARINT = 5 /* bytes at most */ };

struct out {
  lua_State *L;
  unsigned char *bytes;
  unsigned char *at, *end; /* of what is free in them */
  int slot;                /* where the userdata lies */
};

void lcp__out_take(struct out *out, lua_State *L, int slot);
void lcp__out_grow(struct out *out, size_t n);
size_t lcp__out_size(const struct out *out);

static inline void reserve(struct out *out, size_t n) {
  if ((size_t)(out->end - out->at) < n)
    lcp__out_grow(out, n);
}

static inline void put_byte(struct out *out, int byte) {
  reserve(out, 1);
  *out->at++ = (unsigned char)byte;
}

static inline void put_varint(struct out *out, uint32_t value) {
  reserve(out, OUT_VARINT);
  for (; value >= 0x80; value >>= 7)
    *out->at++ = (unsigned char)(value | 0x80);
  *out->at++ = (unsigned char)value;
}

static inline void put_tag(struct out *out, enum v8_tag tag, uint32_t value) {
  put_byte(out, (int)tag);
  put_varint(out, value);
}

static inline void put_bytes(struct out *out, const void *bytes, size_t size) {
  reserve(out, size);
  memcpy(out->at, bytes, size);
  out->at += size;
}

static inline void put_double(struct out *out, enum v8_tag tag, double value) {
  put_byte(out, (int)tag);
  put_bytes(out, &value, sizeof value);
}

#endif
