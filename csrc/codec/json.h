/* json.h - JSON (RFC 8259) to and from Lua values, for messages: see codec.h.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_JSON_H
#define LCP_JSON_H

#include <lua.h>
#include <stddef.h>

#include "codec/out.h"

int lcp__json_encode(lua_State *L, int index, struct lcp__out *out);
int lcp__json_decode(lua_State *L, const char *text, size_t size);

#endif
