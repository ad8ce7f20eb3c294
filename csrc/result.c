/* result.c - see result.h.  SPDX-License-Identifier: MIT */
#include "result.h"

int lcp__push_errno(lua_State *L, int rc) {
  if (rc >= 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushinteger(L, rc);
  return 2;
}
