/* view.c - see view.h.  Owns nothing: the bytes are the caller's. */
#include "view.h"

#include <lauxlib.h>

#define LCP_VIEW "child_process.core.View"

/* #view: how many bytes there are to look at. */
static int l_len(lua_State *L) {
  const struct lcp__view *view = luaL_checkudata(L, 1, LCP_VIEW);
  lua_pushinteger(L, view->bytes == NULL ? 0 : (lua_Integer)view->size);
  return 1;
}

struct lcp__view *lcp__view_new(lua_State *L) {
  struct lcp__view *view = lua_newuserdatauv(L, sizeof *view, 0);
  view->bytes = NULL;
  view->size = 0;
  if (luaL_newmetatable(L, LCP_VIEW)) {
    lua_pushcfunction(L, l_len);
    lua_setfield(L, -2, "__len");
  }
  lua_setmetatable(L, -2);
  return view;
}

const char *lcp__view_check(lua_State *L, int arg, size_t *size) {
  const struct lcp__view *view;
  if (lua_type(L, arg) == LUA_TSTRING)
    return lua_tolstring(L, arg, size);
  view = luaL_testudata(L, arg, LCP_VIEW);
  luaL_argexpected(L, view != NULL && view->bytes != NULL, arg, "string");
  *size = view->size;
  return view->bytes;
}
