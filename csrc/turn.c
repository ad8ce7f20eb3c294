/* turn.c - see turn.h.  SPDX-License-Identifier: MIT */
#include "turn.h"

#include <lauxlib.h>
#include <stdint.h>

#include "gate.h"
#include "hub.h"
#include "loop.h"

/* stack: the number of the user value, as a light userdata: pushing it allocates
 * nothing. */
static int l_run_slot(lua_State *L) {
  int slot = (int)(intptr_t)lua_touserdata(L, 1);
  lcp__loop_slot(L, slot);
  if (lua_isfunction(L, -1))
    lua_call(L, 0, 0);
  return 0;
}

static int call_slot(struct lcp__loop *loop, lua_State *L, int slot) {
  lua_pushcfunction(L, l_run_slot);
  lua_pushlightuserdata(L, (void *)(intptr_t)slot);
  return lcp__gate_call(loop, L, 1);
}

/* A tick that raises ends the round; the others run in the next turn, which `wake`
 * causes. */
static void run_ticks(struct lcp__loop *loop, lua_State *L) {
  while (loop->ticks_wanted) {
    loop->ticks_wanted = 0;
    if (!call_slot(loop, L, LCP__VALUE_TICKS)) {
      loop->ticks_wanted = 1;
      break;
    }
  }
}

static void wake_cb(uv_idle_t *uv);

static int enter_begin(struct lcp__loop *loop, lua_State *L) {
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    lcp__gate_lost(loop);
    return 0;
  }
  loop->depth++;
  return 1;
}

/* GC stress collects here and not at the beginning, since finalizers may close handles:
 * no Lua code may run between the check of a handle and its callback. */
static void enter_end(struct lcp__loop *loop, lua_State *L) {
  if (loop->gc_stress)
    lua_gc(L, LUA_GCCOLLECT, 0);
  if (loop->depth == 1) {
    run_ticks(loop, L);
    loop->turn++;
  }
  loop->depth--;
  if (loop->depth == 0 && loop->ticks_wanted && loop->uv != NULL)
    uv_idle_start(&loop->hub->wake, wake_cb);
}

void lcp__enter(struct lcp__loop *loop, lua_CFunction fn, void *event) {
  lua_State *L = loop->L;
  lcp__loop_here(loop);
  if (!enter_begin(loop, L))
    return;
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, event);
  lcp__gate_call(loop, L, 1);
  enter_end(loop, L);
}

int lcp__turn_next(struct lcp__loop *loop) {
  if (loop->ticks_wanted || loop->gc_stress)
    return 0;
  if (loop->depth == 1)
    loop->turn++;
  return 1;
}

void lcp__turn_ticks(struct lcp__loop *loop) {
  lua_State *L = loop->L;
  if (enter_begin(loop, L))
    enter_end(loop, L);
}

static void wake_cb(uv_idle_t *uv) {
  uv_idle_stop(uv);
  lcp__turn_ticks(uv->data);
}

/* Deferred tasks may queue others: those are for the next turn, so the list is detached
 * first. */
static void check_cb(uv_check_t *uv) {
  struct lcp__loop *loop = uv->data;
  struct lcp__deferred *d = loop->first;
  loop->first = NULL;
  loop->last = &loop->first;
  while (d != NULL) {
    struct lcp__deferred *next = d->next;
    d->run(d);
    d = next;
  }
  if (loop->check_wanted)
    lcp__enter(loop, l_run_slot, (void *)(intptr_t)LCP__VALUE_CHECK);
  else if (loop->first == NULL)
    uv_check_stop(uv);
}

void lcp__after_poll(struct lcp__loop *loop, struct lcp__deferred *d) {
  d->next = NULL;
  *loop->last = d;
  loop->last = &d->next;
  uv_check_start(&loop->hub->check, check_cb);
}

/* The idle handle is referenced: it makes uv_run take a turn at all, and poll with a
 * timeout of 0. */
int lcp__turn_once(struct lcp__loop *loop) {
  uv_idle_start(&loop->hub->wake, wake_cb);
  return uv_run(loop->uv, UV_RUN_NOWAIT);
}

int lcp__turn_without_uv(struct lcp__loop *loop) {
  if (loop->check_wanted)
    lcp__enter(loop, l_run_slot, (void *)(intptr_t)LCP__VALUE_CHECK);
  lcp__turn_ticks(loop);
  return loop->ticks_wanted || loop->check_wanted;
}

int lcp__turn_wanted(struct lcp__loop *loop) {
  if (loop->uv == NULL || loop->ticks_wanted)
    return loop->ticks_wanted || loop->check_wanted;
  uv_idle_stop(&loop->hub->wake);
  return uv_loop_alive(loop->uv);
}

static void spin_cb(uv_idle_t *uv) { (void)uv; }

void lcp__turn_resume(struct lcp__loop *loop) {
  if (!loop->check_wanted || uv_is_active((uv_handle_t *)&loop->hub->check))
    return;
  uv_check_start(&loop->hub->check, check_cb);
  uv_idle_start(&loop->hub->spin, spin_cb); /* the next want_check() corrects it */
}

/* ---- called from Lua ---- */

/* core.on_ticks(fn)  `fn()` runs the ticks, after the outermost callback. */
static int l_on_ticks(lua_State *L) { return lcp__loop_set_slot(L, LCP__VALUE_TICKS); }

/* core.want_ticks() Says that ticks are waiting. */
static int l_want_ticks(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  loop->ticks_wanted = 1;
  if (loop->depth == 0 && lcp__loop_uv(loop) == 0) {
    uv_idle_start(&loop->hub->wake, wake_cb);
    lcp__loop_changed(loop);
  }
  return 0;
}

/* core.on_check(fn)  `fn()` runs the immediates, after the loop has polled. */
static int l_on_check(lua_State *L) { return lcp__loop_set_slot(L, LCP__VALUE_CHECK); }

/* core.want_check(any, referenced) Says whether there are immediates, and whether some of
 * them keep the loop alive. */
static int l_want_check(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  loop->check_wanted = lua_toboolean(L, 1);
  if (lcp__loop_uv(loop) != 0) /* run() will check, see lcp__turn_without_uv */
    return 0;
  if (loop->check_wanted)
    uv_check_start(&loop->hub->check, check_cb);
  if (lua_toboolean(L, 2))
    uv_idle_start(&loop->hub->spin, spin_cb);
  else
    uv_idle_stop(&loop->hub->spin);
  lcp__loop_changed(loop);
  return 0;
}

/* core.call(fn, …) Runs it as a separate callback inside a callback: its error is stored,
 * and the ticks it queued run before this returns. */
static int l_call(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lcp__gate_call(loop, L, lua_gettop(L) - 1);
  if (loop->depth == 1)
    run_ticks(loop, L);
  return 0;
}

static const luaL_Reg functions[] = {
    {"on_ticks", l_on_ticks}, {"want_ticks", l_want_ticks},
    {"on_check", l_on_check}, {"want_check", l_want_check},
    {"call", l_call},         {NULL, NULL}};

int lcp__turn_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}
