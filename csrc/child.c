/* child.c - the ChildProcess userdata: starts a plan, reports the exit, sends signals.
 *
 * Owns: the process until it is reaped; the group that it leads until that is empty or
 * the userdata is collected.  If the userdata is collected, or the state closed, before
 * the process has ended, a waiter (proc.h) reaps it.  While the process lives, the
 * userdata is pinned.
 *
 * The userdata's user values: the table of its fields, and the function that the exit is
 * reported to.  A field hides a method of the same name, so that a user can replace one.
 *
 * spawn() has three phases: read the plan and make the streams, still closed (may raise,
 * owns nothing); take the descriptors and start (cannot raise); publish.
 * SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arg.h"
#include "cost.h"
#include "fdpass.h"
#include "handle.h"
#include "os/fd.h"
#include "os/pty.h"
#include "plan.h"
#include "result.h"
#include "shortage.h"
#include "signo.h"

#define CHILD_CLASS "child_process.ChildProcess"

enum { SLOT_FIELDS = 1, SLOT_ONEXIT, SLOTS = SLOT_ONEXIT };
enum { FIELDS = 24 /* of a child that has closed: their table need not grow */ };

struct child {
  struct lcp__handle base;
  struct lcp__proc proc;
  struct lcp__exit how;
  struct lcp__cost cost;
  struct lcp__deferred exit; /* see exit_cb */
  int reaped;
  int terminal; /* the child's end of its terminal, or -1: no terminal, or it has ended */
};

/* ---- starting ---- */

/* Pushes a table: slot number (from 1) -> array of sinks, all still without descriptor;
 * nil if there are none. */
static void make_sinks(lua_State *L, struct lcp__plan *p) {
  if (p->ntargets == 0) {
    lua_pushnil(L);
    return;
  }
  lua_newtable(L);
  for (int i = 0; i < p->spawn.nfds; i++) {
    struct lcp__slot *slot = &p->slots[i];
    if (slot->targets == NULL)
      continue;
    lua_createtable(L, slot->ntargets, 0);
    for (int at = 0; at < slot->ntargets; at++) {
      slot->targets[at].sink = lcp__sink_new(L);
      lua_rawseti(L, -2, at + 1);
    }
    lua_rawseti(L, -2, i + 1);
  }
}

/* Pushes a table: slot number (from 1) -> stream, or the object that will own a link; all
 * still closed. */
static void make_streams(lua_State *L, struct lcp__plan *p) {
  lua_createtable(L, p->spawn.nfds, 0);
  for (int i = 0; i < p->spawn.nfds; i++)
    if (p->slots[i].kind >= LCP__SLOT_IN) {
      p->slots[i].stream = lcp__stream_new(L);
      lcp__stream_personal(p->slots[i].stream);
      lua_rawseti(L, -2, i + 1);
    } else if (p->slots[i].kind == LCP__SLOT_LINK) {
      p->slots[i].link = lcp__fdpass_new(L);
      lua_rawseti(L, -2, i + 1);
    }
}

/* Gives our ends to their streams, and keeps the child's end of a terminal open: while no
 * process has that open, reading our end fails (EIO), and the child may close it for a
 * while. */
static void hand_over(struct child *c, struct lcp__plan *p) {
  for (int i = 0; i < p->spawn.nfds; i++) {
    struct lcp__slot *slot = &p->slots[i];
    if (slot->kind == LCP__SLOT_PTY)
      c->terminal = lcp__fd_take(&slot->opened);
    if (slot->link != NULL)
      *slot->link = lcp__fd_take(&slot->mine);
    if (slot->stream != NULL)
      lcp__stream_adopt(slot->stream, lcp__fd_take(&slot->mine), slot->mine_kind);
  }
  for (int i = 0; i < p->ntargets; i++) {
    struct lcp__target *t = &p->targets[i];
    lcp__sink_adopt(t->sink, lcp__fd_take(&t->opened), t->kind);
  }
}

/* ---- the exit ---- */

/* Linux hangs a terminal up when our end is closed, but not, as documentation suggests,
 * when the session leader ends: descendants could go on writing for ever. */
static void close_terminal(struct child *c) {
  if (c->terminal >= 0)
    lcp__pty_stop(c->terminal);
  lcp__fd_close(&c->terminal);
}

/* Calls onexit(child, code | nil, signal name | nil, ms). */
static int l_exit(lua_State *L) {
  struct child *c = lua_touserdata(L, 1);
  const struct lcp__exit how = c->how;
  const struct lcp__cost cost = c->cost;
  lcp__handle_push(L, &c->base);
  close_terminal(c);
  lcp__handle_close(&c->base);
  lua_getiuservalue(L, 2, SLOT_ONEXIT);
  lua_pushvalue(L, 2);
  lcp__exit_push(L, &how);
  lcp__cost_push_duration(L, &cost);
  lua_call(L, 4, 0);
  return 0;
}

static void report_exit(struct lcp__deferred *d) {
  struct child *c = (struct child *)((char *)d - offsetof(struct child, exit));
  if (c->base.closing) /* in a copy of the process, made by an earlier callback */
    return;
  lcp__enter(c->base.loop, l_exit, c);
}

/* Output written before the end is delivered before the exit: the pipes of this turn come
 * first. */
static void exit_cb(uv_poll_t *uv, int status, int events) {
  struct child *c = (struct child *)uv;
  (void)status;
  (void)events;
  if (!lcp__handle_here(&c->base))
    return;
  if (!lcp__proc_reap(&c->proc, &c->how))
    return;
  c->reaped = 1;
  lcp__cost_end(&c->cost);
  uv_poll_stop(uv);
  c->exit.run = report_exit;
  lcp__after_poll(c->base.loop, &c->exit);
}

static void forget(struct lcp__handle *h) {
  struct child *c = (struct child *)h;
  lcp__proc_close(&c->proc, c->reaped);
}

/* A group can outlive its leader and can still be signalled. */
static void release(struct lcp__handle *h) {
  struct child *c = (struct child *)h;
  lcp__fd_close(&c->terminal);
  if (!c->proc.leads || !c->reaped)
    forget(h);
}

/* Watching can fail only for lack of memory in the kernel; then the child must go.  Its
 * descriptor is closed with the handle, which may know it already. */
static int watch(struct child *c) {
  struct lcp__handle *h = &c->base;
  int rc = uv_poll_init(h->loop->uv, &h->uv.poll, lcp__proc_fd(&c->proc));
  if (rc == 0) {
    lcp__handle_init(h);
    rc = uv_poll_start(&h->uv.poll, UV_READABLE, exit_cb);
  }
  if (rc != 0)
    lcp__proc_end(&c->proc);
  return rc;
}

/* A blocking stream of ours would stop the host's loop.  A link stays blocking: programs
 * expect that of their stdin. */
static int make_nonblocking(const struct lcp__plan *p) {
  int rc = 0;
  for (int i = 0; i < p->spawn.nfds && rc == 0; i++)
    if (p->slots[i].mine >= 0 && p->slots[i].link == NULL)
      rc = lcp__fd_nonblock(p->slots[i].mine, 1);
  return rc;
}

static int start_once(struct child *c, struct lcp__plan *p, struct lcp__failure *why) {
  int rc = lcp__loop_uv(c->base.loop);
  why->stage = LCP__STAGE_STDIO;
  if (rc == 0)
    rc = lcp__plan_open(p);
  if (rc >= 0)
    rc = make_nonblocking(p);
  if (rc >= 0) {
    lcp__cost_begin(&c->cost);
    rc = lcp__spawn(&p->spawn, &c->proc, why) == 0 ? 0 : why->err;
    if (rc == 0) {
      why->stage = LCP__STAGE_FORK;
      rc = watch(c);
    }
  }
  why->err = rc;
  return rc < 0 ? -1 : 0;
}

/* Retried (see shortage.h) only if nothing of the program has run. */
static int start(lua_State *L, struct child *c, struct lcp__plan *p,
                 struct lcp__failure *why) {
  int tries = 0;
  while (start_once(c, p, why) != 0) {
    lcp__plan_close(p);
    lcp__plan_give_back(p);
    if (tries++ > 0 || why->stage != LCP__STAGE_STDIO ||
        !lcp__shortage_collect(L, why->err))
      return -1;
  }
  return 0;
}

/* ---- called from Lua ---- */

static struct child *self(lua_State *L) { return lcp__handle_check(L, 1, CHILD_CLASS); }

/* core.spawn(child, plan, onexit) -> pid, streams, sinks | nil, errno, stage, path
 * plan: see plan.h. streams: slot number -> stream, for the pipes; for a link an object
 * that owns the end which is to be read. sinks: slot number -> array of sinks, for the
 * targets, or nil. path: the file that could not be opened, if that was the failure.
 * onexit(child, code, signal, ms). */
static int l_spawn(lua_State *L) {
  struct child *c = self(L);
  struct lcp__failure why;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  luaL_argcheck(L, c->proc.pid == 0 && !c->base.closing, 1, "has been started already");
  struct lcp__plan *p = lcp__plan_read(L, 2);
  make_streams(L, p);
  make_sinks(L, p);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 1, SLOT_ONEXIT);
  lcp__handle_pin(L, &c->base, 1);
  lua_getfield(L, 2, "detached");
  c->base.awaited = lua_toboolean(L, -1) ? 0 : LCP__CHILD;
  lua_pop(L, 1);
  /* stack: child, plan, onexit, plan's memory, streams, sinks */
  if (start(L, c, p, &why) != 0) {
    lcp__handle_close(&c->base);
    lua_pushnil(L);
    lua_pushinteger(L, why.err);
    lua_pushstring(L, lcp__stage_name(why.stage));
    lua_pushstring(L, p->failed);
    return 4;
  }
  hand_over(c, p);
  lcp__plan_close(p);
  lua_pushinteger(L, c->proc.pid);
  lua_insert(L, -3);
  return 3;
}

/* core.new_child() -> ChildProcess, not started */
static int l_new_child(lua_State *L) {
  struct child *c = lcp__handle_new(L, sizeof *c, CHILD_CLASS, SLOTS);
  c->base.release = release;
  c->base.forget = forget;
  c->base.personal = 1;
  c->terminal = -1;
  lua_createtable(L, 0, FIELDS);
  lua_setiuservalue(L, -2, SLOT_FIELDS);
  return 1;
}

/* core.is_child(value) -> boolean; upvalue: the metatable */
static int l_is_child(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, lua_isuserdata(L, 1) && lua_getmetatable(L, 1) &&
                         lua_rawequal(L, -1, lua_upvalueindex(1)));
  return 1;
}

/* core.kill(child, signal number) -> true | nil, errno; ESRCH when it is gone */
static int l_kill(lua_State *L) {
  struct child *c = self(L);
  return lcp__push_errno(L, lcp__proc_kill(&c->proc, lcp__arg_int(L, 2)));
}

/* core.lives(child) -> boolean: whether it, or a process of its group, still runs. */
static int l_lives(lua_State *L) {
  lua_pushboolean(L, lcp__proc_lives(&self(L)->proc));
  return 1;
}

/* core.release(child) -> boolean: to be called once it has closed.  From then on its
 * group can be signalled only if that does not need a pid; processes left in its cgroup
 * are killed. false: call again soon. */
static int l_release(lua_State *L) {
  struct child *c = self(L);
  int done = !c->reaped || lcp__proc_clear(&c->proc);
  if (done && c->reaped &&
      (lcp__proc_holds(&c->proc) || lcp__proc_kill(&c->proc, 0) == -ESRCH))
    forget(&c->base);
  lua_pushboolean(L, done);
  return 1;
}

/* core.resize(child, cols, rows): no effect once the terminal has ended */
static int l_resize(lua_State *L) {
  struct child *c = self(L);
  int cols = lcp__arg_int(L, 2), rows = lcp__arg_int(L, 3);
  if (c->terminal >= 0)
    lcp__pty_resize(c->terminal, cols, rows);
  return 0;
}

/* upvalue: the metatable, which is compared more quickly than it is looked up by name. */
static void check_class(lua_State *L, int metatable) {
  int same = lua_getmetatable(L, 1) && lua_rawequal(L, -1, metatable);
  luaL_argexpected(L, same, 1, CHILD_CLASS);
  lua_pop(L, 1);
}

/* stack: child, key, …, fields: the field `usage` of a child that has ended, which is
 * made when it is first read. */
static int make_usage(lua_State *L) {
  const struct child *c = *(struct child **)lua_touserdata(L, 1);
  int fields = lua_gettop(L);
  if (c == NULL || !c->reaped)
    return 0;
  lcp__cost_push_usage(L, &c->cost, &c->how);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, fields);
  return 1;
}

/* stack: child, key; upvalues: methods, the metatable, "usage" */
static int l_index(lua_State *L) {
  check_class(L, lua_upvalueindex(2));
  lua_getiuservalue(L, 1, SLOT_FIELDS);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL)
    return 1;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  lua_pop(L, 2);
  return lua_rawequal(L, 2, lua_upvalueindex(3)) ? make_usage(L) : 0;
}

/* core.fields(child | table) -> the table of its fields; raises for anything else. */
static int l_fields(lua_State *L) {
  if (!lua_istable(L, 1)) {
    lcp__handle_check(L, 1, CHILD_CLASS);
    lua_getiuservalue(L, 1, SLOT_FIELDS);
  }
  return 1;
}

/* stack: child, key, value; upvalue: the metatable */
static int l_newindex(lua_State *L) {
  check_class(L, lua_upvalueindex(1));
  lua_getiuservalue(L, 1, SLOT_FIELDS);
  lua_insert(L, 2);
  lua_rawset(L, 2);
  return 0;
}

/* local child <close> = …: a running child gets SIGTERM, unless it was signalled
 * before. */
static int l_dispose(lua_State *L) {
  lua_settop(L, 1);
  lua_getfield(L, 1, "killed");
  if (!lua_toboolean(L, -1) && lua_getfield(L, 1, "kill") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
  }
  return 0;
}

static int l_tostring(lua_State *L) {
  if (lua_getfield(L, 1, "pid") == LUA_TNUMBER)
    lua_pushfstring(L, "ChildProcess: %I", (LUAI_UACINT)lua_tointeger(L, -1));
  else
    lua_pushliteral(L, "ChildProcess: not running");
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__close", l_dispose}, {"__tostring", l_tostring}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new_child", l_new_child}, {"spawn", l_spawn},
                                     {"kill", l_kill},           {"resize", l_resize},
                                     {"release", l_release},     {"lives", l_lives},
                                     {"fields", l_fields},       {NULL, NULL}};

/* child.lua adds the other methods to core.child_methods.  Children have no close(): each
 * lives until it is reaped. */
int lcp__child_open(lua_State *L) {
  lcp__handle_class(L, CHILD_CLASS, metamethods);
  lua_pushnil(L);
  lua_setfield(L, -2, "close");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "child_methods");
  lua_pushvalue(L, -2);
  lua_pushliteral(L, "usage");
  lua_pushcclosure(L, l_index, 3);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushcclosure(L, l_is_child, 1);
  lua_setfield(L, -2, "is_child");
  luaL_setfuncs(L, functions, 0);
  return 0;
}
