/* timer.c - calls a function after some milliseconds, once or repeatedly.
 *
 * Owns: a libuv timer, lent by the hub until the timer is closed.  The userdata's user
 * values: the function, and a table of its arguments (or nil).
 * SPDX-License-Identifier: MIT */
#include "timer.h"

#include <lauxlib.h>
#include <stdint.h>

#include "handle.h"
#include "hub.h"
#include "result.h"

#define TIMER_CLASS "child_process.Timer"

enum { SLOT_FN = 1, SLOT_ARGS, SLOTS = SLOT_ARGS };

struct timer {
  struct lcp__handle base; /* its `uv` is not used */
  struct lcp__hub *hub;
  uv_timer_t *uv; /* NULL once closed */
  int nargs;
};

/* Through the stored hub: base.loop is NULL once the loop is gone. */
static void release(struct lcp__handle *h) {
  struct timer *t = (struct timer *)h;
  if (t->uv != NULL)
    lcp__hub_timer_back(t->hub, t->uv);
  t->uv = NULL;
}

static void push_args(lua_State *L, int index, int nargs) {
  luaL_checkstack(L, nargs + 1, "too many arguments for a timer");
  lua_getiuservalue(L, index, SLOT_ARGS);
  for (int i = 1; i <= nargs; i++)
    lua_rawgeti(L, index + 2, i);
  lua_remove(L, index + 2);
}

/* A one-shot timer is closed before its function runs, so that the function finds it
 * closed whether or not it has been collected. */
static int l_fire(lua_State *L) {
  struct timer *t = lua_touserdata(L, 1);
  int nargs = t->nargs;
  lcp__handle_push(L, &t->base);
  lua_getiuservalue(L, 2, SLOT_FN);
  if (nargs > 0)
    push_args(L, 2, nargs);
  if (uv_timer_get_repeat(t->uv) == 0)
    lcp__handle_close(&t->base);
  lua_call(L, nargs, 0);
  return 0;
}

static void timer_cb(uv_timer_t *uv) {
  struct timer *t = uv->data;
  lcp__loop_fired(t->base.loop);
  lcp__enter(t->base.loop, l_fire, t);
}

/* libuv counts from the last whole millisecond (uv_now); a timer must not fire early, so
 * count from the next one. */
static uint64_t delay(const struct lcp__loop *loop, uint64_t ms) {
  uint64_t now = (uv_hrtime() + 999999) / 1000000, seen = uv_now(loop->uv);
  return ms + (now > seen ? now - seen : 0);
}

static void start(struct timer *t, uint64_t ms, int again) {
  lcp__loop_update_time(t->base.loop);
  t->uv->data = t;
  uv_timer_start(t->uv, timer_cb, delay(t->base.loop, ms), again ? ms : 0);
}

/* core.timer(ms, again, fn, …) -> timer | nil, errno: calls fn(…) after `ms`
 * milliseconds, and then every `ms` if `again`.
 * The userdata is complete before the uv timer starts: until then anything may raise. */
static int l_timer(lua_State *L) {
  lua_Integer ms = luaL_checkinteger(L, 1);
  int again = lua_toboolean(L, 2), nargs = lua_gettop(L) - 3;
  struct timer *t;
  luaL_argcheck(L, ms >= 1, 1, "must be positive");
  luaL_checktype(L, 3, LUA_TFUNCTION);
  t = lcp__handle_new(L, sizeof *t, TIMER_CLASS, SLOTS);
  t->base.release = release;
  t->base.awaited = LCP__TIMER;
  lua_insert(L, 1);
  if (nargs > 0) {
    lua_createtable(L, nargs, 0);
    for (int i = 1; i <= nargs; i++) {
      lua_pushvalue(L, 4 + i);
      lua_rawseti(L, -2, i);
    }
    lua_setiuservalue(L, 1, SLOT_ARGS);
    t->nargs = nargs;
  }
  lua_settop(L, 4);
  lua_setiuservalue(L, 1, SLOT_FN);
  lua_settop(L, 1);
  int rc = lcp__loop_uv(t->base.loop);
  if (rc != 0) {
    lcp__handle_close(&t->base);
    return lcp__push_errno(L, rc);
  }
  t->hub = t->base.loop->hub;
  t->uv = lcp__hub_timer(t->hub);
  if (t->uv == NULL)
    return luaL_error(L, "not enough memory");
  lcp__handle_pin(L, &t->base, 1);
  start(t, (uint64_t)ms, again);
  return 1;
}

/* core.is_timer(value) -> boolean */
static int l_is_timer(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, TIMER_CLASS) != NULL);
  return 1;
}

/* core.timer_left(timer) -> ms until it fires, interval in ms or nil */
static int l_timer_left(lua_State *L) {
  const struct timer *t = lcp__handle_check(L, 1, TIMER_CLASS);
  if (t->uv == NULL)
    return 0;
  uint64_t again = uv_timer_get_repeat(t->uv);
  lcp__loop_update_time(t->base.loop);
  lua_pushinteger(L, (lua_Integer)uv_timer_get_due_in(t->uv));
  if (again != 0)
    lua_pushinteger(L, (lua_Integer)again);
  else
    lua_pushnil(L);
  return 2;
}

/* The uv timer is lent by the hub and is not base.uv, so it is referenced here as
 * well. */
static int set_ref(lua_State *L, int on) {
  struct timer *t = lcp__handle_self(L);
  lcp__handle_set_ref(&t->base, on);
  if (t->uv != NULL) {
    if (on)
      uv_ref((uv_handle_t *)t->uv);
    else
      uv_unref((uv_handle_t *)t->uv);
    lcp__loop_changed(t->base.loop);
  }
  lua_settop(L, 1);
  return 1;
}

/* timer:ref() -> timer, timer:unref() -> timer: whether it keeps the loop alive. */
static int l_ref(lua_State *L) { return set_ref(L, 1); }

static int l_unref(lua_State *L) { return set_ref(L, 0); }

static const luaL_Reg methods[] = {{"ref", l_ref}, {"unref", l_unref}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"timer", l_timer},
                                     {"is_timer", l_is_timer},
                                     {"timer_left", l_timer_left},
                                     {NULL, NULL}};

int lcp__timer_open(lua_State *L) {
  lcp__handle_class(L, TIMER_CLASS, methods);
  lua_getfield(L, -1, "has_ref");
  lua_setfield(L, -2, "hasRef"); /* timers are public: Node's name */
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
