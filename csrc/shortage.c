/* shortage.c - see shortage.h.  SPDX-License-Identifier: MIT */
#include "shortage.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>

enum {
  WORTH = 16, /* descriptors received since the last collection for a peer, */
  PAUSE = 9   /* or so many times the duration of that collection has passed */
};

int lcp__shortage_collect(lua_State *L, int rc) {
  if (rc != -EMFILE && rc != -ENFILE)
    return 0;
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 1;
}

int lcp__shortage_collect_for_peer(lua_State *L, struct lcp__loop *loop, int rc) {
  uint64_t start = uv_hrtime();
  if (loop->gained < WORTH && start < loop->collect_at)
    return 0;
  int collected = lcp__shortage_collect(L, rc);
  loop->gained = 0;
  loop->collect_at = uv_hrtime() + PAUSE * (uv_hrtime() - start);
  return collected;
}

void lcp__shortage_gained(struct lcp__loop *loop) { loop->gained++; }

/* core.shortage(errno [, for_peer]) -> boolean: see lcp__shortage_collect */
static int l_shortage(lua_State *L) {
  lua_Integer rc = luaL_optinteger(L, 1, 0);
  int err = rc < 0 && rc >= INT_MIN ? (int)rc : 0, collected;
  if (lua_toboolean(L, 2))
    collected = lcp__shortage_collect_for_peer(L, lcp__loop(L), err);
  else
    collected = lcp__shortage_collect(L, err);
  lua_pushboolean(L, collected);
  return 1;
}

static const luaL_Reg functions[] = {{"shortage", l_shortage}, {NULL, NULL}};

int lcp__shortage_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}
