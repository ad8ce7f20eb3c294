/* json.h - JSON (RFC 8259) to and from Lua values, for messages: see codec.h.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_JSON_H
#define LCP_JSON_H

#include <lua.h>
#include <stddef.h>

#include "codec/out.h"

int lcp__json_encode(lua_State *L, int index, struct lcp__out *out);
int lcp__json_decode(lua_State *L, const char *text, size_t size);

/* How many bytes from `text` on can stand in a JSON string as they are: no quotation
 * mark, no backslash, no control character.  *high gets bit 7 when one of them is not
 * ASCII. */
size_t lcp__json_plain(const char *text, size_t size, unsigned *high);

#endif
