/* out.h - the bytes of a message while it is encoded.
 *
 * A short one is in the struct itself, a longer one in a userdata on the stack.  All
 * channels of a state share one userdata; while it is in use another is made, since a
 * finalizer may send in the middle.
 *
 *   struct lcp__out out;                      // is not to be moved
 *   lcp__out_begin(L, &out);                  // stack: -> two slots
 *   out.borrows = 1;                          // unless all bytes are wanted in one place
 *   lcp__out_reserve(&out, n);                // may raise (memory), nothing else does
 *   ...write up to n bytes to out.at, and move it
 *   if (lcp__out_is_too_long(&out)) ...       // the bytes are not the message
 *   ...lcp__out_size(&out) bytes from out.bytes on, until out.at is moved again;
 *   or lcp__out_parts(&out, parts)            // if it borrows
 *   lcp__out_end(&out);                       // the userdata may be used again
 *
 * Borrowing: one long string of a message is not copied, but becomes a part of its own.
 * Its place on the stack, above the userdata, keeps it alive until lcp__out_end.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_OUT_H
#define LCP_OUT_H

#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "os/frame.h"

/* A single string is no longer than this: the caller makes sure of that. */
#define LCP__OUT_LIMIT LCP__FRAME_LIMIT

enum {
  LCP__OUT_SHORT = 1024,    /* bytes of a message that need no userdata */
  LCP__OUT_LONG = 16 * 1024 /* bytes of a string from which it is borrowed */
};

struct lcp__out {
  char *bytes;
  char *at, *end; /* the free part of them */
  lua_State *L;
  int slot; /* of the userdata, if there is one, and above it of the borrowed string */
  int borrows;
  struct iovec borrowed; /* empty: none */
  size_t borrowed_at;    /* how many of the other bytes come before it */
  int too_long;          /* longer than a frame may be: the beginning is lost */
  char first[LCP__OUT_SHORT];
};

void lcp__out_begin(lua_State *L, struct lcp__out *out);
void lcp__out_end(struct lcp__out *out);
void lcp__out_grow(struct lcp__out *out, size_t n);

/* The string on the stack at `index` comes next, and lcp__out_can_borrow said yes. */
void lcp__out_borrow(struct lcp__out *out, int index);

/* The whole message. */
void lcp__out_parts(const struct lcp__out *out, struct iovec parts[LCP__FRAME_PARTS]);

static inline size_t lcp__out_size(const struct lcp__out *out) {
  return (size_t)(out->at - out->bytes) + out->borrowed.iov_len;
}

static inline int lcp__out_can_borrow(const struct lcp__out *out, size_t size) {
  return out->borrows && size >= LCP__OUT_LONG && size <= LCP__OUT_LIMIT &&
         out->borrowed.iov_len == 0;
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
