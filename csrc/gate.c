/* gate.c - see gate.h.  SPDX-License-Identifier: MIT */
#include "gate.h"

#include <lauxlib.h>

#include "child_process.h"
#include "codec/class.h"
#include "loop.h"

/* ---- tracebacks ---- */

/* Pushes the traceback: of a coroutine, as passed by core.raise, or of the current
 * place. */
static void push_traceback(lua_State *L) {
  lcp__loop_slot(L, LCP__VALUE_CARRIED);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    luaL_traceback(L, L, NULL, 1);
  } else {
    lua_pushnil(L);
    lcp__loop_put(L, LCP__VALUE_CARRIED);
  }
}

static int is_ours(lua_State *L, int index) {
  return lua_istable(L, index) && lcp__class_of(L, index) == LCP__CLASS_ERROR;
}

/* The message handler.  The error is not changed; its traceback is stored separately.  An
 * error value of ours also gets it as a field, unless it has one already. */
static int l_traceback(lua_State *L) {
  lua_settop(L, 1);
  push_traceback(L);
  if (is_ours(L, 1)) {
    lua_pushliteral(L, "traceback");
    if (lua_rawget(L, 1) == LUA_TNIL) {
      lua_pushvalue(L, 2);
      lua_setfield(L, 1, "traceback");
    }
    lua_settop(L, 2);
  }
  lcp__loop_put(L, LCP__VALUE_TRACEBACK);
  return 1;
}

/* ---- where errors go ---- */

/* stack: error.  Each error is stored in a table of its own, since it may be nil. */
static int l_keep_error(lua_State *L) {
  lcp__loop_slot(L, LCP__VALUE_ERRORS);
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

/* stack: error.  1 if the function set by on_uncaught() has handled it; an error raised
 * by that function replaces it. */
static int give_uncaught(lua_State *L) {
  lcp__loop_slot(L, LCP__VALUE_UNCAUGHT);
  if (!lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_pushvalue(L, -2);
  lcp__loop_slot(L, LCP__VALUE_TRACEBACK);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK)
    return 1;
  lua_remove(L, -2);
  return 0;
}

/* stack: error.  A host's handler gets text with a traceback. */
static int l_with_traceback(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    lua_pushliteral(L, "\n");
    lcp__loop_slot(L, LCP__VALUE_TRACEBACK);
    lua_concat(L, 3);
  }
  return 1;
}

static void give_host(struct lcp__loop *loop, lua_State *L) {
  lua_pushcfunction(L, l_with_traceback);
  lua_insert(L, -2);
  lua_pcall(L, 1, 1, 0); /* out of memory: reports that error instead */
  loop->on_error(L, loop->on_error_data);
  lua_pop(L, 1);
}

/* Pops the error on top of the stack and gives it to the program's or the host's handler,
 * otherwise to the list from which run() raises it. */
static void report_error(struct lcp__loop *loop, lua_State *L) {
  if (give_uncaught(L)) {
    lua_pop(L, 1);
    return;
  }
  if (loop->running)
    lcp__loop_stop(loop);
  else if (loop->on_error != NULL) {
    give_host(loop, L);
    return;
  }
  lua_pushcfunction(L, l_keep_error);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    loop->lost_errors = 1;
    lua_pop(L, 1);
  }
}

int lcp__gate_call(struct lcp__loop *loop, lua_State *L, int nargs) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, l_traceback);
  lua_insert(L, base);
  int ok = lua_pcall(L, nargs, 0, base) == LUA_OK;
  if (!ok)
    report_error(loop, L);
  lua_settop(L, base - 1);
  return ok;
}

void lcp__gate_lost(struct lcp__loop *loop) { loop->lost_errors = 1; }

void lcp__gate_raise(lua_State *L, struct lcp__loop *loop) {
  lcp__loop_slot(L, LCP__VALUE_ERRORS);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  if (n > 0 || loop->lost_errors)
    lcp__loop_changed(loop); /* a loop that polls ours must call run() to get the error */
  if (n > 0) {
    lua_rawgeti(L, -1, 1);
    for (lua_Integer i = 1; i <= n; i++) {
      lua_rawgeti(L, -2, i + 1);
      lua_rawseti(L, -3, i);
    }
    lua_rawgeti(L, -1, 1);
    lua_error(L);
  }
  lua_pop(L, 1);
  if (loop->lost_errors) {
    loop->lost_errors = 0;
    luaL_error(L, "not enough memory for an error in a callback");
  }
}

/* ---- called from Lua ---- */

/* core.on_uncaught(fn) `fn(error, traceback)` gets errors in callbacks immediately; run()
 * then does not return for them.  For programs that do not call run() themselves. */
static int l_on_uncaught(lua_State *L) {
  return lcp__loop_set_slot(L, LCP__VALUE_UNCAUGHT);
}

/* core.raise(error, traceback): raises it from a callback, with the traceback of the
 * place where it was first raised. */
static int l_raise(lua_State *L) {
  lua_settop(L, 2);
  lcp__loop_put(L, LCP__VALUE_CARRIED);
  return lua_error(L);
}

static const luaL_Reg functions[] = {
    {"on_uncaught", l_on_uncaught}, {"raise", l_raise}, {NULL, NULL}};

int lcp__gate_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}

/* ---- called by host programs ---- */

void lcp_on_error(lua_State *L, void (*handler)(lua_State *, void *), void *data) {
  struct lcp__loop *loop = lcp__loop_state(L);
  loop->on_error = handler;
  loop->on_error_data = data;
}
