/* loop.c - see loop.h.
 * Owns: the uv loop (unless it is a host's), the hub, the read buffer.
 * The userdata's user values: errors to be raised, the function that runs the ticks, the
 * function that runs the immediates, the function that sees new handles, the one that
 * takes errors. */
#include "loop.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "child_process.h"
#include "hub.h"
#include "uvloop.h"

enum {
  SLOT_ERRORS = 1,
  SLOT_TICKS,
  SLOT_CHECK,
  SLOT_NEW,
  SLOT_UNCAUGHT,
  SLOTS = SLOT_UNCAUGHT
};

static const char loop_key; /* its address: the loop in the registry */

static int l_loop_gc(lua_State *L);

/* Pushes the userdata; its uv loop may not be open yet. */
static struct lcp_loop *push_loop(lua_State *L) {
  struct lcp_loop *loop;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key) == LUA_TUSERDATA)
    return lua_touserdata(L, -1);
  lua_pop(L, 1);
  loop = lua_newuserdatauv(L, sizeof *loop, SLOTS);
  memset(loop, 0, sizeof *loop);
  loop->last = &loop->first;
  loop->turn = 1;
  loop->gc_stress = getenv("LCP_GC_STRESS") != NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  loop->main = loop->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  lua_createtable(L, 1, 0);
  lua_setiuservalue(L, -2, SLOT_ERRORS);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_loop_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key);
  return loop;
}

static struct lcp_loop *loop_state(lua_State *L) {
  struct lcp_loop *loop = push_loop(L);
  lua_pop(L, 1);
  return loop;
}

static void push_slot(lua_State *L, int slot) {
  push_loop(L);
  lua_getiuservalue(L, -1, slot);
  lua_remove(L, -2);
}

/* ---- the gate ---- */

/* A string gets the traceback behind it, an error value of ours as a field, unless it has
 * one already (a coroutine's says more); any other value is passed on as it is. */
static int l_traceback(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    const char *text = lua_tostring(L, 1);
    if (strstr(text, "\nstack traceback:\n") != NULL)
      return 1;
    luaL_traceback(L, L, text, 1);
  } else if (luaL_getmetafield(L, 1, "__name") == LUA_TSTRING && lua_istable(L, 1) &&
             strcmp(lua_tostring(L, -1), "child_process.Error") == 0) {
    lua_settop(L, 1);
    lua_pushliteral(L, "traceback");
    if (lua_rawget(L, 1) == LUA_TNIL) {
      luaL_traceback(L, L, NULL, 1);
      lua_setfield(L, 1, "traceback");
    }
  }
  lua_settop(L, lua_type(L, 1) == LUA_TSTRING ? 2 : 1);
  return 1;
}

/* stack: error.  Each is kept in a box, since it may be nil. */
static int l_keep_error(lua_State *L) {
  push_slot(L, SLOT_ERRORS);
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

/* stack: error.  1 if the function of on_uncaught() has taken it; an error of that
 * function takes its place. */
static int give_uncaught(lua_State *L) {
  push_slot(L, SLOT_UNCAUGHT);
  if (!lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return 1;
  lua_remove(L, -2);
  return 0;
}

/* Pops the error on top of the stack: to the program's or the host's handler, else to the
 * list from which run() raises it. */
static void report_error(struct lcp_loop *loop, lua_State *L) {
  if (give_uncaught(L)) {
    lua_pop(L, 1);
    return;
  }
  if (loop->running)
    uv_stop(loop->uv);
  else if (loop->on_error != NULL) {
    loop->on_error(L, loop->on_error_data);
    lua_pop(L, 1);
    return;
  }
  lua_pushcfunction(L, l_keep_error);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    loop->lost_errors = 1;
    lua_pop(L, 1);
  }
}

/* stack: function, nargs arguments; pops them.  1, or 0 after an error. */
static int call(struct lcp_loop *loop, lua_State *L, int nargs) {
  int base = lua_gettop(L) - nargs, ok;
  lua_pushcfunction(L, l_traceback);
  lua_insert(L, base);
  ok = lua_pcall(L, nargs, 0, base) == LUA_OK;
  if (!ok)
    report_error(loop, L);
  lua_settop(L, base - 1);
  return ok;
}

static int l_run_slot(lua_State *L) {
  int slot = (int)(intptr_t)lua_touserdata(L, 1);
  push_slot(L, slot);
  if (lua_isfunction(L, -1))
    lua_call(L, 0, 0);
  return 0;
}

static int call_slot(struct lcp_loop *loop, lua_State *L, int slot) {
  lua_pushcfunction(L, l_run_slot);
  lua_pushlightuserdata(L, (void *)(intptr_t)slot);
  return call(loop, L, 1);
}

/* One that raises ends the round; the rest run in the next turn, which `wake` brings. */
static void run_ticks(struct lcp_loop *loop, lua_State *L) {
  while (loop->ticks_wanted) {
    loop->ticks_wanted = 0;
    if (!call_slot(loop, L, SLOT_TICKS)) {
      loop->ticks_wanted = 1;
      break;
    }
  }
}

static void wake_cb(uv_idle_t *uv);

static int enter_begin(struct lcp_loop *loop, lua_State *L) {
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    loop->lost_errors = 1;
    return 0;
  }
  loop->depth++;
  return 1;
}

/* Finalizers may close handles, so the collection is not at the beginning: between the
 * look at a handle and its callback no Lua code runs. */
static void enter_end(struct lcp_loop *loop, lua_State *L) {
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

void lcp__enter(struct lcp_loop *loop, lua_CFunction fn, void *event) {
  lua_State *L = loop->L;
  if (!enter_begin(loop, L))
    return;
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, event);
  call(loop, L, 1);
  enter_end(loop, L);
}

/* A turn that has only ticks to run. */
static void turn(struct lcp_loop *loop) {
  lua_State *L = loop->L;
  if (enter_begin(loop, L))
    enter_end(loop, L);
}

static void wake_cb(uv_idle_t *uv) {
  uv_idle_stop(uv);
  turn(uv->data);
}

static void check_cb(uv_check_t *uv) {
  struct lcp_loop *loop = uv->data;
  struct lcp_deferred *d = loop->first;
  loop->first = NULL;
  loop->last = &loop->first;
  while (d != NULL) {
    struct lcp_deferred *next = d->next;
    d->run(d);
    d = next;
  }
  if (loop->check_wanted)
    lcp__enter(loop, l_run_slot, (void *)(intptr_t)SLOT_CHECK);
  else if (loop->first == NULL)
    uv_check_stop(uv);
}

void lcp__after_poll(struct lcp_loop *loop, struct lcp_deferred *d) {
  d->next = NULL;
  *loop->last = d;
  loop->last = &d->next;
  uv_check_start(&loop->hub->check, check_cb);
}

void lcp__loop_changed(struct lcp_loop *loop) {
  if (loop->polled && loop->depth == 0 && !loop->running)
    uv_async_send(&loop->hub->changed);
}

static void spin_cb(uv_idle_t *uv) { (void)uv; }

/* ---- opening and closing ---- */

/* A turn that does not wait, but looks at the descriptors even if nothing is referenced.
 * libuv polls its own descriptor only from its first turn on; by that lcp__loop_changed
 * reaches another loop at any time. */
static int turn_once(struct lcp_loop *loop) {
  uv_idle_start(&loop->hub->wake, wake_cb);
  return uv_run(loop->uv, UV_RUN_NOWAIT);
}

static int open_uv(struct lcp_loop *loop, uv_loop_t *host) {
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
    turn_once(loop);
    lcp__busypoll_init(&loop->busypoll, loop->uv);
  }
  return 0;
}

struct lcp_loop *lcp__loop(lua_State *L) {
  struct lcp_loop *loop = loop_state(L);
  if (loop->closed)
    luaL_error(L, "the event loop is closed");
  if (loop->uv == NULL) {
    int rc = open_uv(loop, NULL);
    if (rc != 0)
      luaL_error(L, "cannot open an event loop: %s", uv_strerror(rc));
  }
  return loop;
}

/* A host's loop delivers the close callbacks later, to blocks that know no state any
 * more; in our own they are run here. */
static void leave(struct lcp_loop *loop) {
  if (loop->close_handles != NULL)
    loop->close_handles(loop);
  if (loop->hub != NULL)
    lcp__hub_close(loop->hub);
  if (loop->owned) {
    lcp__busypoll_close(&loop->busypoll);
    uv_run(loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(loop->uv);
  }
  free(loop->buffer);
  loop->buffer = NULL;
  loop->hub = NULL;
  loop->uv = NULL;
  loop->owned = 0;
  loop->closed = 1;
}

/* The end of the state.  We may be inside run() (os.exit closes the state under it), but
 * then it never gets control back. */
static int l_loop_gc(lua_State *L) {
  leave(lua_touserdata(L, 1));
  return 0;
}

char *lcp__loop_buffer(struct lcp_loop *loop) {
  if (loop->buffer == NULL)
    loop->buffer = malloc(LCP_BUFFER_SIZE);
  return loop->buffer;
}

void lcp__loop_update_time(struct lcp_loop *loop) {
  if (loop->depth == 0)
    uv_update_time(loop->uv);
}

/* ---- called from Lua ---- */

/* Raises the oldest error that a callback left. */
static void raise_kept_error(lua_State *L, struct lcp_loop *loop) {
  lua_Integer n, i;
  push_slot(L, SLOT_ERRORS);
  n = (lua_Integer)lua_rawlen(L, -1);
  if (n > 0 || loop->lost_errors)
    lcp__loop_changed(loop); /* another loop learns from the next run what is left */
  if (n > 0) {
    lua_rawgeti(L, -1, 1);
    for (i = 1; i <= n; i++) {
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

static int run_loop(struct lcp_loop *loop, lua_State *L, uv_run_mode mode) {
  lua_State *outer = loop->L;
  int alive;
  loop->L = L;
  loop->running = 1;
  if (loop->owned)
    lcp__busypoll_mode(&loop->busypoll, mode);
  turn(loop);
  if (loop->polled && mode == UV_RUN_NOWAIT)
    alive = turn_once(loop) || turn_once(loop); /* what the first started is polled too */
  else
    alive = uv_run(loop->uv, mode);
  loop->running = 0;
  loop->L = outer;
  /* there is more to do at once: the other loop need not ask for the time-out to know */
  if (loop->polled && alive && uv_backend_timeout(loop->uv) == 0)
    lcp__loop_changed(loop);
  return alive;
}

/* core.run(mode) -> boolean: still alive | nil: the loop is running already.
 * mode: 'default', 'once', 'nowait'.  Raises the error that a callback raised. */
static int l_run(lua_State *L) {
  static const char *const names[] = {"default", "once", "nowait", NULL};
  static const uv_run_mode modes[] = {UV_RUN_DEFAULT, UV_RUN_ONCE, UV_RUN_NOWAIT};
  int mode = luaL_checkoption(L, 1, "default", names), alive;
  struct lcp_loop *loop = lcp__loop(L);
  if (loop->depth > 0 || loop->running)
    return 0;
  raise_kept_error(L, loop);
  alive = run_loop(loop, L, modes[mode]);
  raise_kept_error(L, loop);
  lua_pushboolean(L, alive);
  return 1;
}

/* core.stop()  Leaves run() after this callback; nothing outside run(). */
static int l_stop(lua_State *L) {
  struct lcp_loop *loop = lcp__loop(L);
  if (loop->running)
    uv_stop(loop->uv);
  return 0;
}

/* core.running() -> boolean: a callback of this loop is on the stack */
static int l_running(lua_State *L) {
  struct lcp_loop *loop = loop_state(L);
  lua_pushboolean(L, loop->running || loop->depth > 0);
  return 1;
}

static int set_slot(lua_State *L, int slot) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  push_loop(L);
  lua_insert(L, 1);
  lua_setiuservalue(L, 1, slot);
  return 0;
}

/* core.on_ticks(fn)  `fn()` runs the ticks, after the outermost callback. */
static int l_on_ticks(lua_State *L) { return set_slot(L, SLOT_TICKS); }

/* core.want_ticks()  There are ticks to run. */
static int l_want_ticks(lua_State *L) {
  struct lcp_loop *loop = lcp__loop(L);
  loop->ticks_wanted = 1;
  if (loop->depth == 0) {
    uv_idle_start(&loop->hub->wake, wake_cb);
    lcp__loop_changed(loop);
  }
  return 0;
}

/* core.on_check(fn)  `fn()` runs the immediates, after the loop has polled. */
static int l_on_check(lua_State *L) { return set_slot(L, SLOT_CHECK); }

/* core.want_check(any, referenced)  There are immediates; some keep the loop alive. */
static int l_want_check(lua_State *L) {
  struct lcp_loop *loop = lcp__loop(L);
  loop->check_wanted = lua_toboolean(L, 1);
  if (loop->check_wanted)
    uv_check_start(&loop->hub->check, check_cb);
  if (lua_toboolean(L, 2))
    uv_idle_start(&loop->hub->spin, spin_cb);
  else
    uv_idle_stop(&loop->hub->spin);
  lcp__loop_changed(loop);
  return 0;
}

/* core.on_new(fn | nil)  `fn(handle)` sees every handle that is made from now on. */
static int l_on_new(lua_State *L) {
  loop_state(L)->watched = lua_toboolean(L, 1);
  return lua_toboolean(L, 1) ? set_slot(L, SLOT_NEW) : 0;
}

void lcp__loop_show(lua_State *L) {
  push_slot(L, SLOT_NEW);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
}

/* core.on_uncaught(fn)  `fn(error)` gets the errors of callbacks at once, in the place of
 * run(), which does not end then.  For a program whose loop nobody runs by hand. */
static int l_on_uncaught(lua_State *L) { return set_slot(L, SLOT_UNCAUGHT); }

/* core.call(fn, …)  Runs it as a callback of its own inside a callback: its error is
 * kept, the ticks it queued run before this returns. */
static int l_call(lua_State *L) {
  struct lcp_loop *loop = lcp__loop(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  call(loop, L, lua_gettop(L) - 1);
  if (loop->depth == 1)
    run_ticks(loop, L);
  return 0;
}

/* core.pollfd() -> fd: readable when the loop has something to do, or was changed
 * outside its callbacks */
static int l_pollfd(lua_State *L) {
  struct lcp_loop *loop = lcp__loop(L);
  if (!loop->polled) {
    loop->polled = 1;
    lcp__loop_changed(loop); /* by all that was started before */
  }
  lua_pushinteger(L, uv_backend_fd(loop->uv));
  return 1;
}

/* core.timeout() -> seconds until the next timer, 0 if there is something to do at once |
 * nil: none */
static int l_timeout(lua_State *L) {
  struct lcp_loop *loop = lcp__loop(L);
  int ms = -1;
  lcp__loop_update_time(loop);
  if (uv_loop_alive(loop->uv))
    ms = uv_backend_timeout(loop->uv);
  if (ms < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)ms / 1000);
  return 1;
}

static const luaL_Reg functions[] = {{"run", l_run},
                                     {"stop", l_stop},
                                     {"running", l_running},
                                     {"on_ticks", l_on_ticks},
                                     {"want_ticks", l_want_ticks},
                                     {"on_check", l_on_check},
                                     {"want_check", l_want_check},
                                     {"on_uncaught", l_on_uncaught},
                                     {"on_new", l_on_new},
                                     {"call", l_call},
                                     {"pollfd", l_pollfd},
                                     {"timeout", l_timeout},
                                     {NULL, NULL}};

int lcp__loop_open(lua_State *L) {
  loop_state(L);
  luaL_setfuncs(L, functions, 0);
  return 0;
}

/* ---- called by host programs ---- */

int lcp_set_loop(lua_State *L, uv_loop_t *host) {
  struct lcp_loop *loop = loop_state(L);
  int first = loop->uv == NULL && !loop->closed;
  if (host != NULL)
    return first ? open_uv(loop, host) : UV_EBUSY;
  if (loop->running || loop->depth > 0)
    return UV_EBUSY;
  leave(loop);
  return 0;
}

void lcp_on_error(lua_State *L, void (*handler)(lua_State *, void *), void *data) {
  struct lcp_loop *loop = loop_state(L);
  loop->on_error = handler;
  loop->on_error_data = data;
}
