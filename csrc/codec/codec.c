/* codec.c - see codec.h.  Owns nothing.  SPDX-License-Identifier: MIT */
#include "codec/codec.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/class.h"
#include "codec/json.h"
#include "codec/v8.h"

static const struct lcp__codec codecs[] = {
    {"json", LCP__FRAME_LINE, lcp__json_encode, lcp__json_decode},
    {"advanced", LCP__FRAME_LENGTH, lcp__v8_encode, lcp__v8_decode},
    {NULL, LCP__FRAME_LINE, NULL, NULL},
};

const struct lcp__codec *lcp__codec_check(lua_State *L, int arg) {
  const char *name = luaL_checkstring(L, arg);
  const struct lcp__codec *codec = codecs;
  while (codec->name != NULL && strcmp(codec->name, name) != 0)
    codec++;
  luaL_argcheck(L, codec->name != NULL, arg, "unknown codec");
  return codec;
}

/* core.codec_encode(name, value) -> bytes | nil, text: the reason, and the path to the
 * value that cannot be sent */
static int l_encode(lua_State *L) {
  const struct lcp__codec *codec = lcp__codec_check(L, 1);
  struct lcp__out out;
  lua_settop(L, 2);
  lcp__out_begin(L, &out);
  int done = codec->encode(L, 2, &out);
  lcp__out_end(&out);
  if (!done) {
    lua_pushnil(L);
    lua_pushvalue(L, -2);
    return 2;
  }
  lua_pushlstring(L, out.bytes, lcp__out_size(&out));
  return 1;
}

/* core.codec_decode(name, bytes) -> value | nil, text: the reason, and its byte */
static int l_decode(lua_State *L) {
  const struct lcp__codec *codec = lcp__codec_check(L, 1);
  size_t size;
  luaL_checktype(L, 2, LUA_TSTRING);
  const char *bytes = lua_tolstring(L, 2, &size);
  lua_settop(L, 2);
  if (codec->decode(L, bytes, size))
    return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

static const luaL_Reg functions[] = {
    {"codec_encode", l_encode},
    {"codec_decode", l_decode},
    {NULL, NULL},
};

int lcp__codec_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return lcp__class_open(L);
}
