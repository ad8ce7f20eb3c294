/* v8out.h - writes the parts of a payload that contain no other values: tags, numbers,
 * texts, and the tables that stand for a Date, a RegExp or a BigInt.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_V8OUT_H
#define LCP_V8OUT_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/out.h"
#include "codec/v8.h"

enum { LCP__VARINT_MAX = 5 /* bytes: 7 bits each */ };

static inline void lcp__out_varint(struct lcp__out *out, uint32_t value) {
  lcp__out_reserve(out, LCP__VARINT_MAX);
  for (; value >= 0x80; value >>= 7)
    *out->at++ = (char)(value | 0x80);
  *out->at++ = (char)value;
}

static inline void lcp__out_tag(struct lcp__out *out, enum lcp__v8_tag tag,
                                uint32_t value) {
  lcp__out_byte(out, (int)tag);
  lcp__out_varint(out, value);
}

static inline void lcp__out_double(struct lcp__out *out, enum lcp__v8_tag tag,
                                   double value) {
  lcp__out_byte(out, (int)tag);
  lcp__out_put(out, &value, sizeof value);
}

static inline void lcp__out_integer(struct lcp__out *out, lua_Integer i) {
  uint64_t magnitude = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
  if (i >= INT32_MIN && i <= INT32_MAX) {
    lcp__out_tag(out, V8_INT32, (uint32_t)i << 1 ^ (i < 0 ? UINT32_MAX : 0));
  } else if (i >= -V8_MAX_SAFE && i <= V8_MAX_SAFE) {
    lcp__out_double(out, V8_DOUBLE, (double)i);
  } else {
    lcp__out_tag(out, V8_BIGINT, (uint32_t)sizeof magnitude << 1 | (i < 0));
    lcp__out_put(out, &magnitude, sizeof magnitude);
  }
}

/* A whole number gets a padding byte: V8 skips it, a Lua peer knows the float by it. */
static inline void lcp__out_float(struct lcp__out *out, lua_Number d) {
  if (d >= -V8_MAX_SAFE && d <= V8_MAX_SAFE && (lua_Number)(int64_t)d == d)
    lcp__out_byte(out, V8_PADDING);
  lcp__out_double(out, V8_DOUBLE, d);
}

/* A string at `index`, as a Buffer if it is not UTF-8.  The number of objects this makes:
 * 0 or 1. */
uint32_t lcp__out_string(lua_State *L, struct lcp__out *out, int index);

/* A short ASCII text. */
void lcp__out_name(struct lcp__out *out, const char *name);

/* A table as an object of its class: see advanced.lua.  0, and nothing is written, if the
 * table lacks the fields of that class. */
int lcp__out_date(lua_State *L, struct lcp__out *out, int table);
int lcp__out_regexp(lua_State *L, struct lcp__out *out, int table);
int lcp__out_bigint(lua_State *L, struct lcp__out *out, int table);

/* The class of an error value that has only a name, a message, a stack and a cause; NULL
 * for any other, which is sent as a plain table. */
const struct lcp__v8_error_class *lcp__error_class(lua_State *L, int table);

/* All of an error up to its cause. */
void lcp__out_error(lua_State *L, struct lcp__out *out, int table,
                    const struct lcp__v8_error_class *class);

#endif
