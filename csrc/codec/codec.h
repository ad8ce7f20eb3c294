/* codec.h - the two serializations of messages: turn a value into the bytes of a frame,
 * and a frame into a value.
 * SPDX-License-Identifier: MIT */
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
   * stack: -> unchanged, returns 1 | -> the reason as a text, with the path to the value
   * that cannot be sent, returns 0.  Calls no metamethod; raises only if memory ends. */
  int (*encode)(lua_State *L, int index, struct lcp__out *out);

  /* stack: -> the value, returns 1 | -> the reason as a text, with its byte, returns 0.
   * The bytes of a LCP__FRAME_LINE are followed by a newline or a NUL.  Raises only if
   * memory ends. */
  int (*decode)(lua_State *L, const char *bytes, size_t size);
};

/* The codec with the name that is argument `arg`; raises for an unknown codec. */
const struct lcp__codec *lcp__codec_check(lua_State *L, int arg);

/* Adds codec_encode, codec_decode and error_class to the core table on top of the stack.
 */
int lcp__codec_open(lua_State *L);

#endif
