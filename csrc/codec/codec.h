/* codec.h - the two serializations of messages: how a value becomes the bytes of a frame,
 * and a frame a value. */
#ifndef LCP_CODEC_H
#define LCP_CODEC_H

#include <lua.h>
#include <stddef.h>

#include "codec/out.h"
#include "os/frame.h"

struct lcp__codec {
  const char *name;
  enum lcp__framing framing;

  /* Appends the value at `index`, not negative, to `out`.
   * stack: -> as it was, 1 | -> a text, 0: what cannot be sent, and where it is.
   * Calls no metamethod; raises only for want of memory. */
  int (*encode)(lua_State *L, int index, struct lcp__out *out);

  /* stack: -> the value, 1 | -> a text, 0: what is wrong, and at which byte.  A newline
   * or a NUL lies behind the bytes of a line.  Raises only for want of memory. */
  int (*decode)(lua_State *L, const char *bytes, size_t size);
};

/* The codec that an argument names; raises when it names none. */
const struct lcp__codec *lcp__codec_check(lua_State *L, int arg);

/* Adds codec_encode, codec_decode and error_class to the core table on top of the stack.
 */
int lcp__codec_open(lua_State *L);

#endif
