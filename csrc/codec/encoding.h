/* encoding.h - Node's encodings for Lua.  SPDX-License-Identifier: MIT */
#ifndef LCP_ENCODING_H
#define LCP_ENCODING_H

#include <lua.h>
#include <stddef.h>

/* Adds encoding_name, decoder and encode to the table on top of the stack. */
int lcp__encoding_open(lua_State *L);

/* stack: -> the bytes as a text, with U+FFFD for each part that is not UTF-8 */
void lcp__encoding_push_utf8(lua_State *L, const char *bytes, size_t size);

#endif
