/* loop.c - see loop.h.
 * Owns: the uv loop (unless it belongs to a host), the hub, the read buffer, the
 * handover.
 * SPDX-License-Identifier: MIT */
#include "loop.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "child_process.h"
#include "hub.h"
#include "os/block.h"
#include "os/spawn.h"
#include "uvloop.h"

static const char loop_key; /* its address: the loop in the registry */

static int l_loop_gc(lua_State *L);

/* Pushes the userdata; its uv loop may not be open yet. */
static struct lcp__loop *push_loop(lua_State *L) {
  struct lcp__loop *loop;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key) == LUA_TUSERDATA)
    return lua_touserdata(L, -1);
  lua_pop(L, 1);
  loop = lua_newuserdatauv(L, sizeof *loop, LCP__VALUES);
  memset(loop, 0, sizeof *loop);
  loop->last = &loop->first;
  loop->turn = 1;
  loop->gc_stress = getenv("LCP_GC_STRESS") != NULL;
  lcp__origin_set(&loop->origin);
  lcp__spawn_reserve(&loop->handover);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  loop->main = loop->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  lua_createtable(L, 1, 0);
  lua_setiuservalue(L, -2, LCP__VALUE_ERRORS);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_loop_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key);
  return loop;
}

struct lcp__loop *lcp__loop_state(lua_State *L) {
  struct lcp__loop *loop = push_loop(L);
  lua_pop(L, 1);
  return loop;
}

void lcp__loop_slot(lua_State *L, int slot) {
  push_loop(L);
  lua_getiuservalue(L, -1, slot);
  lua_remove(L, -2);
}

void lcp__loop_put(lua_State *L, int slot) {
  push_loop(L);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, slot);
  lua_pop(L, 1);
}

int lcp__loop_set_slot(lua_State *L, int slot) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lcp__loop_put(L, slot);
  return 0;
}

void lcp__loop_fired(struct lcp__loop *loop) {
  if (loop->once)
    uv_stop(loop->uv);
}

void lcp__loop_stop(struct lcp__loop *loop) {
  loop->stopped = 1;
  if (loop->uv != NULL)
    uv_stop(loop->uv);
}

void lcp__loop_changed(struct lcp__loop *loop) {
  if (loop->polled && loop->depth == 0 && !loop->running)
    uv_async_send(&loop->hub->changed);
}

/* ---- in a copy of the process ---- */

/* Also on a host's loop: the host should have called uv_loop_fork itself, but a second
 * call does no harm, and without any the parent would suffer. */
static void adapt(struct lcp__loop *loop) {
  lcp__origin_set(&loop->origin);
  lcp__handover_close(&loop->handover); /* the parent has the same sockets */
  lcp__spawn_reserve(&loop->handover);
  loop->first = NULL; /* exits of children, which belong to the parent */
  loop->last = &loop->first;
  if (loop->uv != NULL && lcp__uvloop_fork(loop->uv, loop->owned) != 0)
    loop->closed = 1;
  if (loop->adapt_handles != NULL)
    loop->adapt_handles(loop);
}

void lcp__loop_here(struct lcp__loop *loop) {
  if (lcp__origin_is_copy(&loop->origin))
    adapt(loop);
}

/* ---- opening and closing ---- */

static void first_cb(uv_idle_t *uv) { uv_idle_stop(uv); }

/* libuv polls its own async descriptor only from the first turn on, and lcp__loop_changed
 * needs that to wake an outer loop.  Without a handle there would be no turn. */
static void first_turn(struct lcp__loop *loop) {
  uv_idle_start(&loop->hub->wake, first_cb);
  uv_run(loop->uv, UV_RUN_NOWAIT);
}

static int open_uv(struct lcp__loop *loop, uv_loop_t *host) {
  int rc = host == NULL ? lcp__uvloop_init(&loop->own) : 0;
  if (rc != 0)
    return rc;
  loop->owned = host == NULL;
  loop->uv = host != NULL ? host : &loop->own;
  loop->hub = lcp__hub_open(loop->uv, loop);
  if (loop->hub == NULL) {
    if (loop->owned)
      uv_loop_close(loop->uv);
    loop->owned = 0;
    loop->uv = NULL;
    return UV_ENOMEM;
  }
  if (loop->owned) {
    first_turn(loop);
    lcp__busypoll_init(&loop->busypoll, loop->uv);
  }
  return 0;
}

struct lcp__loop *lcp__loop(lua_State *L) {
  struct lcp__loop *loop = lcp__loop_state(L);
  lcp__loop_here(loop);
  if (loop->closed)
    luaL_error(L, "the event loop is closed");
  return loop;
}

struct lcp__handover *lcp__loop_handover(lua_State *L) {
  struct lcp__loop *loop = lcp__loop_state(L);
  lcp__loop_here(loop);
  return &loop->handover;
}

int lcp__loop_uv(struct lcp__loop *loop) {
  return loop->uv != NULL ? 0 : open_uv(loop, NULL);
}

/* A host's loop delivers the close callbacks later, to blocks that no longer refer to a
 * state; our own loop runs them here. */
static void leave(struct lcp__loop *loop) {
  lcp__loop_here(loop);
  if (loop->close_handles != NULL)
    loop->close_handles(loop);
  if (loop->hub != NULL)
    lcp__hub_close(loop->hub);
  if (loop->owned) {
    lcp__busypoll_close(&loop->busypoll);
    if (loop->uv->backend_fd >= 0) { /* otherwise see lcp__uvloop_fork */
      uv_run(loop->uv, UV_RUN_DEFAULT);
      uv_loop_close(loop->uv);
    }
  }
  lcp__handover_close(&loop->handover);
  lcp__origin_free(&loop->origin);
  free(loop->buffer);
  lcp__spare_free(&loop->spare);
  loop->buffer = NULL;
  loop->hub = NULL;
  loop->uv = NULL;
  loop->owned = 0;
  loop->closed = 1;
}

/* Reports, once, a program that forgot to run a loop of our own; but not one that ends
 * itself in a callback. */
static void tell_never_run(lua_State *L, const struct lcp__loop *loop) {
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, LCP__VALUE_END);
  if ((loop->uv != NULL && !loop->owned) || loop->running || !lua_isfunction(L, 2) ||
      lcp__origin_is_copy(&loop->origin))
    return;
  for (int kind = LCP__CHILD; kind < LCP__AWAITED; kind++)
    lua_pushinteger(L, loop->never_run[kind]);
  lua_pcall(L, LCP__AWAITED - LCP__CHILD, 0, 0);
}

/* The end of the state.  We may be inside run(), since os.exit can close the state there,
 * but then run() never gets control back. */
static int l_loop_gc(lua_State *L) {
  struct lcp__loop *loop = lua_touserdata(L, 1);
  tell_never_run(L, loop);
  leave(loop);
  return 0;
}

char *lcp__loop_buffer(struct lcp__loop *loop) {
  if (loop->buffer == NULL)
    loop->buffer = lcp__block_resize(NULL, 0, LCP__BUFFER_SIZE);
  return loop->buffer;
}

char *lcp__loop_take_buffer(struct lcp__loop *loop) {
  char *buffer = lcp__loop_buffer(loop);
  loop->buffer = NULL;
  return buffer;
}

void lcp__loop_give_buffer(struct lcp__loop *loop, char *buffer) {
  free(loop->buffer); /* one that was needed meanwhile */
  loop->buffer = buffer;
}

void lcp__loop_update_time(struct lcp__loop *loop) {
  if (loop->depth == 0 && loop->uv != NULL)
    uv_update_time(loop->uv);
}

/* ---- called from Lua ---- */

/* core.on_new(fn | nil) `fn(handle)` is called with every new handle from now on. */
static int l_on_new(lua_State *L) {
  lcp__loop_state(L)->watched = lua_toboolean(L, 1);
  return lua_toboolean(L, 1) ? lcp__loop_set_slot(L, LCP__VALUE_NEW) : 0;
}

void lcp__loop_show(lua_State *L) {
  lcp__loop_slot(L, LCP__VALUE_NEW);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
}

/* core.traced(boolean): whether events are traced, so that none may bypass Lua. */
static int l_traced(lua_State *L) {
  lcp__loop_state(L)->traced = lua_toboolean(L, 1);
  return 0;
}

/* core.on_end(fn) `fn(children, timers, servers)` is called at the end of the state with
 * the number of each that kept the loop alive while it was never run. */
static int l_on_end(lua_State *L) { return lcp__loop_set_slot(L, LCP__VALUE_END); }

static const luaL_Reg functions[] = {
    {"on_new", l_on_new}, {"traced", l_traced}, {"on_end", l_on_end}, {NULL, NULL}};

int lcp__loop_open(lua_State *L) {
  lcp__loop_state(L);
  luaL_setfuncs(L, functions, 0);
  return 0;
}

/* ---- called by host programs ---- */

int lcp_set_loop(lua_State *L, uv_loop_t *host) {
  struct lcp__loop *loop = lcp__loop_state(L);
  lcp__loop_here(loop);
  int first = loop->uv == NULL && !loop->closed;
  if (host != NULL)
    return first ? open_uv(loop, host) : UV_EBUSY;
  if (loop->running || loop->depth > 0)
    return UV_EBUSY;
  leave(loop);
  return 0;
}
