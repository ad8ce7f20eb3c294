/* out.h - the bytes of a message while it is encoded.
 *
 * They are in a userdata on the stack.  All channels of a state share one; while it is in
 * use another is made, since a finalizer may send in the middle.
 *
 *   struct lcp__out out;
 *   lcp__out_begin(L, &out);                  // stack: -> userdata
 *   lcp__out_reserve(&out, n);                // may raise (memory), nothing else does
 *   ...write up to n bytes to out.at, and move it
 *   if (lcp__out_is_too_long(&out)) ...       // the bytes are not the message
 *   ...lcp__out_size(&out) bytes from out.bytes on, until out.at is moved again
 *   lcp__out_end(&out);                       // the userdata may be used again
 * SPDX-License-Identifier: MIT */
#ifndef LCP_OUT_H
#define LCP_OUT_H

#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "os/frame.h"

/* A single string is no longer than this: the caller makes sure of that. */
#define LCP__OUT_LIMIT LCP__FRAME_LIMIT

struct lcp__out {
  char *bytes;
  char *at, *end; /* the free part of them */
  lua_State *L;
  int slot;     /* where the userdata lies */
  int too_long; /* longer than a frame may be: the beginning is lost */
};

void lcp__out_begin(lua_State *L, struct lcp__out *out);
void lcp__out_end(struct lcp__out *out);
void lcp__out_grow(struct lcp__out *out, size_t n);

static inline size_t lcp__out_size(const struct lcp__out *out) {
  return (size_t)(out->at - out->bytes);
}

static inline int lcp__out_is_too_long(const struct lcp__out *out) {
  return out->too_long || lcp__out_size(out) > LCP__OUT_LIMIT;
}

static inline void lcp__out_reserve(struct lcp__out *out, size_t n) {
  if ((size_t)(out->end - out->at) < n)
    lcp__out_grow(out, n);
}

/* There is room for it: see lcp__out_reserve. */
static inline void lcp__out_add(struct lcp__out *out, const void *bytes, size_t n) {
  memcpy(out->at, bytes, n);
  out->at += n;
}

static inline void lcp__out_put(struct lcp__out *out, const void *bytes, size_t n) {
  lcp__out_reserve(out, n);
  lcp__out_add(out, bytes, n);
}

static inline void lcp__out_byte(struct lcp__out *out, int byte) {
  lcp__out_reserve(out, 1);
  *out->at++ = (char)byte;
}

#endif
