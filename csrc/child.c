/* child.c - the ChildProcess userdata: starts a plan, reports the exit, sends signals.
 *
 * Owns: the process until it is reaped.  If the userdata or the state goes first, a
 * waiter (proc.h) reaps it.  While the process lives, the userdata is pinned.
 *
 * The userdata's user values: the table of its fields, and the function that is told of
 * the exit.  A field hides a method of the same name, so that a user can replace one.
 *
 * spawn() has three phases: read the plan and make the streams, still closed (may raise,
 * owns nothing); take the descriptors and start (cannot raise); publish. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "handle.h"
#include "signo.h"
#include "spawn.h"
#include "stream.h"

#define LCP_CHILD "child_process.ChildProcess"

enum { SLOT_FIELDS = 1, SLOT_ONEXIT, SLOTS = SLOT_ONEXIT };

struct child {
  struct lcp_handle base;
  struct lcp_proc proc;
  struct lcp_exit how;
  struct lcp_deferred exit; /* see exit_cb */
  int reaped;
};

/* ---- the plan ---- */

enum slot_kind {
  SLOT_IGNORE,
  SLOT_FD,     /* a descriptor of somebody else, as it is */
  SLOT_STREAM, /* a descriptor of a stream of ours */
  SLOT_IN,     /* the child reads a pipe */
  SLOT_OUT,    /* the child writes a pipe */
  SLOT_DUPLEX  /* both, over a pair of sockets */
};

struct slot {
  enum slot_kind kind;
  int fd;                    /* SLOT_FD, SLOT_STREAM */
  int opened;                /* the child's end, closed once it has been started */
  int mine;                  /* our end */
  struct lcp_stream *stream; /* where our end goes */
};

/* One userdata: the struct, then slots, argv, envp, fds. */
struct plan {
  struct lcp_spawn spawn;
  struct slot *slots;
  int *fds;
};

static int list_length(lua_State *L, int plan, const char *field) {
  int n = 0;
  if (lua_getfield(L, plan, field) == LUA_TTABLE)
    n = (int)lua_rawlen(L, -1);
  lua_pop(L, 1);
  return n;
}

/* The strings stay alive in the plan, which stays on the stack. */
static void read_strings(lua_State *L, int plan, const char *field, char **to, int n) {
  int i;
  lua_getfield(L, plan, field);
  for (i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    to[i] = (char *)lua_tostring(L, -1);
    if (to[i] == NULL)
      luaL_error(L, "%s[%d] is no string", field, i + 1);
    lua_pop(L, 1);
  }
  to[n] = NULL;
  lua_pop(L, 1);
}

static const char *read_string(lua_State *L, int plan, const char *field) {
  const char *s;
  lua_getfield(L, plan, field);
  s = lua_tostring(L, -1);
  lua_pop(L, 1);
  return s;
}

static unsigned read_id(lua_State *L, int plan, const char *field, unsigned flag,
                        unsigned *id) {
  int given = lua_getfield(L, plan, field) == LUA_TNUMBER;
  *id = (unsigned)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return given ? flag : 0;
}

static void read_slot(lua_State *L, struct slot *slot, int item) {
  static const char *const names[] = {"ignore", "in", "out", "duplex", NULL};
  static const enum slot_kind kinds[] = {SLOT_IGNORE, SLOT_IN, SLOT_OUT, SLOT_DUPLEX};
  int owned;
  slot->opened = slot->mine = slot->fd = -1;
  switch (lua_type(L, item)) {
  case LUA_TNUMBER:
    slot->kind = SLOT_FD;
    slot->fd = (int)lua_tointeger(L, item);
    break;
  case LUA_TUSERDATA:
    slot->fd = lcp__stream_fileno(L, item, &owned);
    slot->kind = owned ? SLOT_STREAM : SLOT_FD;
    break;
  default:
    slot->kind = kinds[luaL_checkoption(L, item, NULL, names)];
  }
}

/* Pushes the plan's userdata. */
static struct plan *plan_read(lua_State *L, int index) {
  int argc = list_length(L, index, "args"), envc = list_length(L, index, "env");
  int n = list_length(L, index, "stdio"), i;
  size_t strings = (size_t)argc + (size_t)envc + 2;
  struct plan *p =
      lua_newuserdatauv(L,
                        sizeof *p + (size_t)n * sizeof *p->slots +
                            strings * sizeof(char *) + (size_t)n * sizeof(int),
                        0);
  char **argv, **envp;
  memset(p, 0, sizeof *p);
  p->slots = (struct slot *)(p + 1);
  memset(p->slots, 0, (size_t)n * sizeof *p->slots);
  argv = (char **)(p->slots + n);
  envp = argv + argc + 1;
  p->fds = (int *)(envp + envc + 1);
  read_strings(L, index, "args", argv, argc);
  if (lua_getfield(L, index, "env") == LUA_TTABLE) {
    read_strings(L, index, "env", envp, envc);
    p->spawn.envp = envp;
  }
  lua_getfield(L, index, "stdio");
  for (i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    read_slot(L, &p->slots[i], lua_gettop(L));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  p->spawn.file = read_string(L, index, "file");
  luaL_argcheck(L, p->spawn.file != NULL, index, "no file");
  p->spawn.argv = argv;
  p->spawn.cwd = read_string(L, index, "cwd");
  p->spawn.fds = p->fds;
  p->spawn.nfds = n;
  p->spawn.flags = read_id(L, index, "uid", LCP_SPAWN_SETUID, &p->spawn.uid) |
                   read_id(L, index, "gid", LCP_SPAWN_SETGID, &p->spawn.gid);
  lua_getfield(L, index, "detached");
  if (lua_toboolean(L, -1))
    p->spawn.flags |= LCP_SPAWN_SETSID;
  lua_pop(L, 1);
  return p;
}

/* Pushes a table: slot number (from 1) -> stream, all still closed. */
static void make_streams(lua_State *L, struct plan *p) {
  int i;
  lua_createtable(L, p->spawn.nfds, 0);
  for (i = 0; i < p->spawn.nfds; i++)
    if (p->slots[i].kind >= SLOT_IN) {
      p->slots[i].stream = lcp__stream_new(L);
      lua_rawseti(L, -2, i + 1);
    }
}

/* ---- descriptors ---- */

static int open_pipe(struct slot *slot) {
  int fds[2], child = slot->kind == SLOT_IN ? 0 : 1;
  int rc = slot->kind == SLOT_DUPLEX ? lcp__fd_socketpair(fds) : lcp__fd_pipe(fds);
  if (rc == 0) {
    slot->opened = fds[child];
    slot->mine = fds[1 - child];
  }
  return rc;
}

/* Our end of a pipe is non-blocking, and the child must get a blocking one: of a pipe, a
 * description of its own; a socket can only be changed for both. */
static int open_blocking(struct slot *slot) {
  int mode = fcntl(slot->fd, F_GETFL);
  if (mode < 0)
    return -errno;
  if (!(mode & O_NONBLOCK))
    return 0;
  slot->opened = lcp__fd_reopen(slot->fd, (mode & O_ACCMODE) | O_NONBLOCK);
  return lcp__fd_nonblock(slot->opened >= 0 ? slot->opened : slot->fd, 0);
}

/* A closed standard descriptor of ours reaches the child as /dev/null. */
static int open_given(struct slot *slot) {
  if (fcntl(slot->fd, F_GETFD) >= 0)
    return 0;
  if (slot->fd < 0 || slot->fd > 2)
    return -EBADF;
  slot->fd = -1;
  return 0;
}

static int open_slot(struct slot *slot) {
  switch (slot->kind) {
  case SLOT_IGNORE:
    return 0;
  case SLOT_FD:
    return open_given(slot);
  case SLOT_STREAM:
    return slot->fd < 0 ? -EBADF : open_blocking(slot);
  default:
    return open_pipe(slot);
  }
}

static int open_slots(struct plan *p) {
  int i, rc = 0;
  for (i = 0; i < p->spawn.nfds && rc >= 0; i++) {
    rc = open_slot(&p->slots[i]);
    p->fds[i] = p->slots[i].opened >= 0 ? p->slots[i].opened : p->slots[i].fd;
  }
  return rc;
}

static void close_slots(struct plan *p) {
  int i;
  for (i = 0; i < p->spawn.nfds; i++) {
    lcp__fd_close(&p->slots[i].opened);
    lcp__fd_close(&p->slots[i].mine);
  }
}

/* Gives our ends to their streams. */
static void hand_over(struct plan *p) {
  int i;
  for (i = 0; i < p->spawn.nfds; i++)
    if (p->slots[i].stream != NULL)
      lcp__stream_open(p->slots[i].stream, lcp__fd_take(&p->slots[i].mine),
                       p->slots[i].kind == SLOT_DUPLEX);
}

/* ---- the exit ---- */

/* Calls onexit(child, code | nil, signal name | nil). */
static int l_exit(lua_State *L) {
  struct child *c = lua_touserdata(L, 1);
  const struct lcp_exit how = c->how;
  lcp__handle_push(L, &c->base);
  lcp__handle_close(&c->base);
  lua_getiuservalue(L, 2, SLOT_ONEXIT);
  lua_pushvalue(L, 2);
  if (how.exited)
    lua_pushinteger(L, how.code);
  else
    lua_pushnil(L);
  if (how.signalled && lcp__signal_name(how.sig) != NULL)
    lua_pushstring(L, lcp__signal_name(how.sig));
  else if (how.signalled)
    lua_pushinteger(L, how.sig);
  else
    lua_pushnil(L);
  lua_call(L, 3, 0);
  return 0;
}

static void report_exit(struct lcp_deferred *d) {
  struct child *c = (struct child *)((char *)d - offsetof(struct child, exit));
  lcp__enter(c->base.loop, l_exit, c);
}

/* What it wrote before it ended is told before the end: the pipes of this turn first. */
static void exit_cb(uv_poll_t *uv, int status, int events) {
  struct child *c = (struct child *)uv;
  (void)status;
  (void)events;
  if (!lcp__proc_reap(&c->proc, &c->how))
    return;
  c->reaped = 1;
  uv_poll_stop(uv);
  c->exit.run = report_exit;
  lcp__after_poll(c->base.loop, &c->exit);
}

static void release(struct lcp_handle *h) {
  struct child *c = (struct child *)h;
  lcp__proc_close(&c->proc, c->reaped);
}

/* Watching can only fail for want of memory in the kernel; then the child must go.  Its
 * descriptor is closed with the handle, which may know it already. */
static int watch(struct child *c) {
  struct lcp_handle *h = &c->base;
  int rc = uv_poll_init(h->loop->uv, &h->uv.poll, lcp__proc_fd(&c->proc));
  if (rc == 0) {
    lcp__handle_init(h);
    rc = uv_poll_start(&h->uv.poll, UV_READABLE, exit_cb);
  }
  if (rc != 0)
    lcp__proc_end(&c->proc);
  return rc;
}

static int start(struct child *c, struct plan *p, struct lcp_failure *why) {
  int rc = open_slots(p);
  why->stage = LCP_STAGE_STDIO;
  if (rc >= 0) {
    rc = lcp__spawn(&p->spawn, &c->proc, why) == 0 ? 0 : why->err;
    if (rc == 0) {
      why->stage = LCP_STAGE_FORK;
      rc = watch(c);
    }
  }
  why->err = rc;
  return rc < 0 ? -1 : 0;
}

/* ---- called from Lua ---- */

static struct child *self(lua_State *L) { return lcp__handle_check(L, 1, LCP_CHILD); }

/* core.spawn(child, plan, onexit) -> pid, streams | nil, errno, stage
 * plan: { file, args, env, cwd, stdio, detached, uid, gid }, all checked by the caller;
 * stdio: array of 'ignore', 'in', 'out', 'duplex', a descriptor, or a stream.
 * streams: slot number -> stream, for the pipes.  onexit(child, code, signal). */
static int l_spawn(lua_State *L) {
  struct child *c = self(L);
  struct lcp_failure why;
  struct plan *p;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  luaL_argcheck(L, c->proc.pid == 0 && !c->base.closing, 1, "has been started already");
  p = plan_read(L, 2);
  make_streams(L, p);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 1, SLOT_ONEXIT);
  lcp__handle_pin(L, &c->base, 1);
  /* stack: child, plan, onexit, plan's memory, streams */
  if (start(c, p, &why) != 0) {
    close_slots(p);
    lcp__handle_close(&c->base);
    lua_pushnil(L);
    lua_pushinteger(L, why.err);
    lua_pushstring(L, lcp__stage_name(why.stage));
    return 3;
  }
  hand_over(p);
  close_slots(p);
  lua_pushinteger(L, c->proc.pid);
  lua_insert(L, -2);
  return 2;
}

/* core.new_child() -> ChildProcess, not started */
static int l_new_child(lua_State *L) {
  struct child *c = lcp__handle_new(L, sizeof *c, LCP_CHILD, SLOTS);
  c->base.release = release;
  lua_newtable(L);
  lua_setiuservalue(L, -2, SLOT_FIELDS);
  return 1;
}

/* core.is_child(value) -> boolean */
static int l_is_child(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, LCP_CHILD) != NULL);
  return 1;
}

/* core.kill(child, signal number) -> true | nil, errno; ESRCH when it is gone */
static int l_kill(lua_State *L) {
  struct child *c = self(L);
  int rc = lcp__proc_kill(&c->proc, (int)luaL_checkinteger(L, 2));
  if (rc < 0) {
    lua_pushnil(L);
    lua_pushinteger(L, rc);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* stack: child, key; upvalue 1: methods */
static int l_index(lua_State *L) {
  int same = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(2));
  luaL_argexpected(L, same, 1, LCP_CHILD);
  lua_getiuservalue(L, 1, SLOT_FIELDS);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL)
    return 1;
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* stack: child, key, value */
static int l_newindex(lua_State *L) {
  luaL_checkudata(L, 1, LCP_CHILD);
  lua_getiuservalue(L, 1, SLOT_FIELDS);
  lua_insert(L, 2);
  lua_rawset(L, 2);
  return 0;
}

/* local child <close> = …: what runs gets SIGTERM, unless it was signalled before. */
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

static const luaL_Reg metamethods[] = {{"__newindex", l_newindex},
                                       {"__close", l_dispose},
                                       {"__tostring", l_tostring},
                                       {NULL, NULL}};

static const luaL_Reg functions[] = {{"new_child", l_new_child},
                                     {"is_child", l_is_child},
                                     {"spawn", l_spawn},
                                     {"kill", l_kill},
                                     {NULL, NULL}};

/* child.lua adds the rest of the methods and finds their table as core.child_methods.  A
 * child is not closed by hand: it lives until it is reaped. */
int lcp__child_open(lua_State *L) {
  lcp__handle_class(L, LCP_CHILD, metamethods);
  lua_pushnil(L);
  lua_setfield(L, -2, "close");
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "child_methods");
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, l_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
