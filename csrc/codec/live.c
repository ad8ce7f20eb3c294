/* live.c - see live.h.
 * Owns: table -> function, in the registry.
 * SPDX-License-Identifier: MIT */
#include "codec/live.h"

#include <lauxlib.h>

#define LIVE "child_process.live"

void lcp__live_add(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LIVE);
  lua_insert(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void lcp__live_copy(lua_State *L) {
  if (!lua_getmetatable(L, -1))
    return;
  lua_pop(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LIVE);
  lua_pushvalue(L, -2);
  if (lua_rawget(L, -2) == LUA_TFUNCTION) {
    lua_call(L, 0, 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 2);
  }
}
