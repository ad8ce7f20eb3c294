/* json_decode_fuzz.c - hostile payloads for the codec 'json'.
 * What is decoded must be encoded again, and come out the same a second time.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "codec/codec.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An infinity is sent as null. */
static const char program[] =
    "local core, null, decode = ...\n"
    "local function same(a, b)\n"
    "  if type(a) == 'table' and type(b) == 'table' then\n"
    "    for k, v in next, a do if not same(v, b[k]) then return false end end\n"
    "    for k in next, b do if a[k] == nil then return false end end\n"
    "    return true\n"
    "  elseif a == math.huge or a == -math.huge then\n"
    "    return b == null\n"
    "  end\n"
    "  return a == b and math.type(a) == math.type(b)\n"
    "    and (a ~= 0 or 1 / a == 1 / b)\n"
    "end\n"
    "return function(text)\n"
    "  local value, reason = decode(text)\n"
    "  if not reason then\n"
    "    local again = assert(core.codec_encode('json', value))\n"
    "    assert(not again:find '[%z\\1-\\31]' and utf8.len(again), again)\n"
    "    local second, problem = core.codec_decode('json', again)\n"
    "    assert(not problem and same(value, second), again)\n"
    "  end\n"
    "end\n";

/* decode(text) -> value | nil, problem: from a block of its own with a newline behind it,
 * as a frame has, so that nothing else may be looked at */
static int l_decode(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  char *line = malloc(size + 1);
  memcpy(line, text, size);
  line[size] = '\n';
  int done = lcp__json_decode(L, line, size);
  free(line);
  if (done)
    return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* stack: the function that is to be called */
static lua_State *state_open(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_loadstring(L, program) != LUA_OK)
    abort();
  lua_newtable(L);
  lcp__codec_open(L);
  lua_pushlightuserdata(L, NULL);
  lua_pushcfunction(L, l_decode);
  lua_call(L, 3, 1);
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (L == NULL)
    L = state_open();
  lua_pushvalue(L, -1);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    abort();
  }
  return 0;
}
