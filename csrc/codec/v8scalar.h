/* v8scalar.h - numbers, texts and bytes of a payload as Lua values.
 * Each function reads what follows the tag and pushes one value, or returns 0 with
 * in->problem set. */
#ifndef LCP_V8SCALAR_H
#define LCP_V8SCALAR_H

#include <lua.h>

#include "codec/v8in.h"

int lcp__v8_read_int32(lua_State *L, struct in *in);
int lcp__v8_read_uint32(lua_State *L, struct in *in);
int lcp__v8_read_double(lua_State *L, struct in *in, int as_float);

/* `classes` is the index of the table core.v8_classes. */
int lcp__v8_read_bigint(lua_State *L, struct in *in, int classes);

/* A text behind one of its three tags; with the tag, where only a text may be. */
int lcp__v8_read_text(lua_State *L, struct in *in, int tag);
int lcp__v8_read_any_text(lua_State *L, struct in *in);

/* A length and as many bytes. */
int lcp__v8_read_bytes(lua_State *L, struct in *in);

#endif
