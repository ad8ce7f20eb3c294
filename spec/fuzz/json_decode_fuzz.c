/* json_decode_fuzz.c - hostile payloads for core.json_decode.
 * What is decoded must be encoded again, and come out the same a second time.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An infinity is sent as null. */
static const char program[] =
    "local core, null = ...\n"
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
    "  local value, reason = core.json_decode(text)\n"
    "  if not reason then\n"
    "    local again = assert(core.json_encode(value))\n"
    "    assert(not again:find '[%z\\1-\\31]' and utf8.len(again), again)\n"
    "    local second, problem = core.json_decode(again)\n"
    "    assert(not problem and same(value, second), again)\n"
    "  end\n"
    "end\n";

/* stack: the function that is to be called */
static lua_State *state_open(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_loadstring(L, program) != LUA_OK)
    abort();
  lua_newtable(L);
  lcp__json_open(L);
  lua_pushlightuserdata(L, NULL);
  lua_call(L, 2, 1);
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
