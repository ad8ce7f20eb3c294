/* arg.c - see arg.h.  SPDX-License-Identifier: MIT */
#include "arg.h"

#include <lauxlib.h>
#include <limits.h>

int lcp__arg_int(lua_State *L, int arg) {
  lua_Integer value = luaL_checkinteger(L, arg);
  luaL_argcheck(L, value >= INT_MIN && value <= INT_MAX, arg, "out of range");
  return (int)value;
}

int lcp__arg_to_fd(lua_State *L, int index) {
  lua_Integer value = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
  return value >= 0 && value <= INT_MAX ? (int)value : -1;
}

int lcp__arg_fd(lua_State *L, int arg) {
  lua_Integer value = luaL_checkinteger(L, arg);
  return value >= 0 && value <= INT_MAX ? (int)value : -1;
}
