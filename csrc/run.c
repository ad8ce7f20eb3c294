/* run.c - see run.h.  SPDX-License-Identifier: MIT */
#include "run.h"

#include <lauxlib.h>

#include "busypoll.h"
#include "gate.h"
#include "loop.h"
#include "result.h"
#include "turn.h"

/* A hook may be all that a signal handler leaves behind, see busypoll.h.  An interpreter
 * sets it on the main thread, which may have resumed the coroutine that runs the loop. */
static int has_hook(void *owner) {
  const struct lcp__loop *loop = owner;
  return lua_gethook(loop->L) != NULL || lua_gethook(loop->main) != NULL;
}

static int l_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Calling any function runs the hook, a C function as well. */
static void call_hook_of(struct lcp__loop *loop, lua_State *L) {
  if (lua_gethook(L) != NULL && lua_checkstack(L, LUA_MINSTACK)) {
    lua_pushcfunction(L, l_nothing);
    lcp__gate_call(loop, L, 0);
  }
}

static void call_hooks(void *owner) {
  struct lcp__loop *loop = owner;
  call_hook_of(loop, loop->L);
  if (loop->L != loop->main)
    call_hook_of(loop, loop->main);
}

static void prepare_to_wait(struct lcp__loop *loop, uv_run_mode mode) {
  struct lcp__busypoll *b = &loop->busypoll;
  b->owner = loop;
  b->is_interrupted = has_hook;
  b->interrupted = call_hooks;
  lcp__busypoll_mode(b, mode);
}

/* Busypoll ends uv_run early when a wait gets long: then no callback has run yet, and the
 * same wait continues. */
static int run_once(struct lcp__loop *loop) {
  unsigned turn;
  int alive;
  loop->once = 1;
  do {
    turn = loop->turn;
    alive = uv_run(loop->uv, UV_RUN_ONCE);
  } while (alive && loop->turn == turn && !loop->stopped && loop->owned &&
           lcp__busypoll_again(&loop->busypoll));
  loop->once = 0;
  return alive;
}

static int run_uv(struct lcp__loop *loop, uv_run_mode mode) {
  lcp__turn_resume(loop);
  if (loop->stopped)
    uv_stop(loop->uv);
  if (loop->owned)
    prepare_to_wait(loop, mode);
  if (loop->polled && mode == UV_RUN_NOWAIT)
    return lcp__turn_once(loop) ||
           lcp__turn_once(loop); /* polls the descriptors added by the first turn */
  /* uv_run would not check signals and timers if none of them is referenced */
  if (mode != UV_RUN_DEFAULT && !uv_loop_alive(loop->uv))
    return lcp__turn_once(loop);
  if (mode == UV_RUN_ONCE)
    return run_once(loop);
  return uv_run(loop->uv, mode);
}

/* For a state that could not get the descriptors for a uv loop: runs ticks and
 * immediates, which may be what reports it.  Whether there are more. */
static int run_without_uv(struct lcp__loop *loop, uv_run_mode mode) {
  int alive;
  do
    alive = lcp__turn_without_uv(loop);
  while (alive && !loop->stopped && mode == UV_RUN_DEFAULT && lcp__loop_uv(loop) != 0);
  return alive;
}

/* Callbacks run on the Lua thread that called run(). */
static int run_loop(struct lcp__loop *loop, lua_State *L, uv_run_mode mode) {
  lua_State *outer = loop->L;
  int alive = 0;
  loop->L = L;
  loop->running = 1;
  loop->runs++;
  loop->stopped = 0;
  lcp__turn_ticks(loop);
  if (lcp__loop_uv(loop) != 0)
    alive = run_without_uv(loop, mode);
  if (loop->uv != NULL)
    alive = run_uv(loop, mode);
  loop->running = 0;
  loop->runs++;
  loop->L = outer;
  /* there is more to do at once: the outer loop learns it without asking for the
   * timeout */
  if (loop->polled && alive && uv_backend_timeout(loop->uv) == 0)
    lcp__loop_changed(loop);
  return alive;
}

/* core.run(mode) -> boolean: still alive | nil: it is running already
 * mode: 'default', 'once', 'nowait'.  Raises the error of a callback. */
static int l_run(lua_State *L) {
  static const char *const names[] = {"default", "once", "nowait", NULL};
  static const uv_run_mode modes[] = {UV_RUN_DEFAULT, UV_RUN_ONCE, UV_RUN_NOWAIT};
  int mode = luaL_checkoption(L, 1, "default", names);
  struct lcp__loop *loop = lcp__loop(L);
  if (loop->depth > 0 || loop->running)
    return 0;
  lcp__gate_raise(L, loop);
  int alive = run_loop(loop, L, modes[mode]);
  lcp__gate_raise(L, loop);
  lua_pushboolean(L, alive);
  return 1;
}

/* core.alive() -> boolean: something keeps the loop alive; pending ticks run first.  Not
 * for use in a callback. */
static int l_alive(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  lcp__turn_ticks(loop);
  lua_pushboolean(L, lcp__turn_wanted(loop));
  return 1;
}

/* core.runs() -> integer: incremented when run() begins and when it ends */
static int l_runs(lua_State *L) {
  lua_pushinteger(L, lcp__loop_state(L)->runs);
  return 1;
}

/* core.stop() Makes run() return after this callback; no effect outside run(). */
static int l_stop(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  if (loop->running)
    lcp__loop_stop(loop);
  return 0;
}

/* core.running() -> boolean: a callback of this loop is on the stack */
static int l_running(lua_State *L) {
  struct lcp__loop *loop = lcp__loop_state(L);
  lua_pushboolean(L, loop->running || loop->depth > 0);
  return 1;
}

/* core.pollfd() -> fd: readable when the loop has something to do, or was changed
 * outside its callbacks | nil, errno */
static int l_pollfd(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  int rc = lcp__loop_uv(loop);
  if (rc != 0)
    return lcp__push_errno(L, rc);
  if (!loop->polled) {
    loop->polled = 1;
    lcp__loop_changed(loop); /* by anything started before */
  }
  lua_pushinteger(L, uv_backend_fd(loop->uv));
  return 1;
}

/* core.timeout() -> seconds until the next timer, 0 if there is something to do at once |
 * nil: no timer */
static int l_timeout(lua_State *L) {
  struct lcp__loop *loop = lcp__loop(L);
  int ms = loop->ticks_wanted || loop->check_wanted ? 0 : -1;
  lcp__loop_update_time(loop);
  if (loop->uv != NULL)
    ms = uv_loop_alive(loop->uv) ? uv_backend_timeout(loop->uv) : -1;
  if (ms < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)ms / 1000);
  return 1;
}

static const luaL_Reg functions[] = {{"run", l_run},         {"alive", l_alive},
                                     {"runs", l_runs},       {"stop", l_stop},
                                     {"running", l_running}, {"pollfd", l_pollfd},
                                     {"timeout", l_timeout}, {NULL, NULL}};

int lcp__run_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}
