/* sync.c - spawn_sync: runs a process from start to end in one call.
 *
 * Three phases, as in child.c: read the plan (may raise, owns nothing); take the
 * descriptors, start, pump, reap, close (no Lua); push the result (may raise, the
 * userdata owns the output).  Nothing is shared with the loop or with other calls, so it
 * works wherever C may be called: in a callback, in a coroutine, in a state on another
 * thread.
 * SPDX-License-Identifier: MIT */
#include "sync.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "cost.h"
#include "held.h"
#include "os/fd.h"
#include "os/platform.h"
#include "os/pump.h"
#include "plan.h"
#include "signo.h"
#include "sigwatch.h"

#define SYNC_CLASS "child_process.core.Sync"

/* One userdata: the struct, then pipes, outlets, polled, slots. */
struct sync {
  struct lcp__pump pump;
  struct lcp__proc proc;
  struct lcp__cost cost;
  pid_t pid;
  struct lcp__outlet *outlets; /* of all pipes */
  int *slots;                  /* for each pipe, its index in the plan */
};

/* ---- signals ---- */

struct held {
  sigset_t mine, before;
};

static const int from_terminal[] = {SIGINT, SIGQUIT};

enum { COUNT = sizeof from_terminal / sizeof *from_terminal };

/* Like system(3), but blocking the signals instead of ignoring them: Ctrl-C and Ctrl-\ in
 * the terminal are for the child.  A child in its own session does not get them, so they
 * stay ours.  SIGCHLD reaches the host's handler after the child has been reaped. */
static void hold_signals(struct held *h, int detached) {
  sigemptyset(&h->mine);
  sigaddset(&h->mine, SIGCHLD);
  for (int i = 0; i < COUNT && !detached; i++)
    sigaddset(&h->mine, from_terminal[i]);
  pthread_sigmask(SIG_BLOCK, &h->mine, &h->before);
}

/* Whether a blocked signal was meant for us and not for the child alone: Lua listens for
 * it; or a process sent it, the child did not die of it, and its default action would end
 * us.  A host's own handler is not called, as with system(3). */
static int is_ours(const siginfo_t *info, const struct lcp__exit *how) {
  struct sigaction now;
  if (lcp__sigwatch_listens(info->si_signo))
    return 1;
  if (info->si_code > 0 || (how->signalled && how->sig == info->si_signo))
    return 0;
  return sigaction(info->si_signo, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

/* Consumes the signal if it is pending and the host had not blocked it before. */
static int take(const struct held *h, int signo, siginfo_t *info) {
  if (!sigismember(&h->mine, signo) || sigismember(&h->before, signo))
    return 0;
  return lcp__consume_signal(signo, info) > 0;
}

static void release_signals(struct held *h, const struct lcp__exit *how) {
  int raised[COUNT], n = 0;
  siginfo_t info;
  for (int i = 0; i < COUNT; i++)
    if (take(h, from_terminal[i], &info) && is_ours(&info, how))
      raised[n++] = from_terminal[i];
  pthread_sigmask(SIG_SETMASK, &h->before, NULL);
  while (n > 0)
    raise(raised[--n]);
}

/* ---- reading the plan ---- */

static int64_t read_ms(lua_State *L, const char *field) {
  int64_t ms = lua_getfield(L, 1, field) == LUA_TNUMBER ? lua_tointeger(L, -1) : -1;
  lua_pop(L, 1);
  return ms;
}

/* 0 means no limit, as in Node. */
static size_t read_size(lua_State *L, const char *field) {
  lua_Number size = lua_getfield(L, 1, field) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  lua_pop(L, 1);
  return size > 0 && size < (lua_Number)(SIZE_MAX / 2) ? (size_t)size : SIZE_MAX;
}

/* The strings stay alive in the plan. */
static void read_input(lua_State *L, struct lcp__pipe *pipe, int slot) {
  if (lua_getfield(L, 1, "inputs") == LUA_TTABLE) {
    lua_rawgeti(L, -1, slot + 1);
    pipe->in = lua_tolstring(L, -1, &pipe->left);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static int count_pipes(const struct lcp__plan *p) {
  int n = 0;
  for (int i = 0; i < p->spawn.nfds; i++)
    n += p->slots[i].kind >= LCP__SLOT_IN;
  return n;
}

static void read_limits(lua_State *L, struct lcp__pump *p) {
  p->timeout = read_ms(L, "timeout");
  p->idle_timeout = read_ms(L, "idleTimeout");
  p->wait_delay = read_ms(L, "waitDelay");
  p->kill_after = read_ms(L, "killAfter");
  p->kill_signal = (int)read_ms(L, "killSignal");
  p->max_buffer = read_size(L, "maxBuffer");
}

/* Pushes the userdata; no pipe is open yet. */
static struct sync *sync_new(lua_State *L, const struct lcp__plan *plan) {
  int n = count_pipes(plan), ntargets = plan->ntargets, at = 0;
  struct lcp__pump *p;
  struct sync *s =
      lua_newuserdatauv(L,
                        sizeof *s + (size_t)n * (sizeof *p->pipes + sizeof *s->slots) +
                            (size_t)ntargets * sizeof *s->outlets +
                            (size_t)(n + 1 + ntargets) * sizeof *p->polled,
                        0);
  memset(s, 0, sizeof *s);
  p = &s->pump;
  p->pipes = (struct lcp__pipe *)(s + 1);
  s->outlets = (struct lcp__outlet *)(p->pipes + n);
  p->polled = (struct pollfd *)(s->outlets + ntargets);
  s->slots = (int *)(p->polled + n + 1 + ntargets);
  memset(p->pipes, 0, (size_t)n * sizeof *p->pipes);
  memset(s->outlets, 0, (size_t)ntargets * sizeof *s->outlets);
  p->npipes = n;
  luaL_setmetatable(L, SYNC_CLASS);
  for (int i = 0; i < plan->spawn.nfds; i++)
    if (plan->slots[i].kind >= LCP__SLOT_IN) {
      read_input(L, &p->pipes[at], i);
      s->slots[at++] = i;
    }
  p->proc = &s->proc;
  read_limits(L, p);
  return s;
}

/* ---- running ---- */

/* The targets of a plan are in the order of its slots, as the pipes are. */
static void take_targets(struct lcp__pipe *pipe, const struct lcp__slot *slot,
                         struct lcp__outlet *outlets) {
  pipe->outlets = outlets;
  pipe->noutlets = slot->ntargets;
  pipe->passed_on = slot->passed_on;
  pipe->unlimited = slot->unlimited;
  for (int i = 0; i < slot->ntargets; i++) {
    outlets[i].fd = lcp__fd_take(&slot->targets[i].opened);
    outlets[i].kind = slot->targets[i].kind;
    outlets[i].is_open = 1;
  }
}

/* The first part of the input is written before the child exists, as much as a pipe
 * holds. */
static int take_pipes(struct sync *s, struct lcp__plan *plan) {
  struct lcp__outlet *outlets = s->outlets;
  int rc = 0;
  for (int i = 0; i < s->pump.npipes && rc == 0; i++) {
    struct lcp__slot *slot = &plan->slots[s->slots[i]];
    struct lcp__pipe *pipe = &s->pump.pipes[i];
    pipe->fd = lcp__fd_take(&slot->mine);
    pipe->kind = slot->mine_kind;
    pipe->reading = slot->kind != LCP__SLOT_IN;
    pipe->writing = slot->kind != LCP__SLOT_OUT;
    take_targets(pipe, slot, outlets);
    outlets += slot->ntargets;
    if (pipe->left > 0)
      rc = lcp__fd_nonblock(pipe->fd, 1);
    if (rc == 0 && pipe->writing)
      lcp__pipe_feed(&s->pump, pipe);
  }
  return rc;
}

static void close_all(struct sync *s, struct lcp__plan *plan) {
  lcp__plan_close(plan);
  lcp__plan_give_back(plan);
  for (int i = 0; i < s->pump.npipes; i++) {
    lcp__fd_close(&s->pump.pipes[i].fd);
    lcp__outlets_close(s->pump.pipes[i].outlets, s->pump.pipes[i].noutlets);
  }
}

/* 0, or -1 and *why. */
static int start(struct sync *s, struct lcp__plan *plan, struct lcp__failure *why) {
  why->stage = LCP__STAGE_STDIO;
  why->err = lcp__plan_open(plan);
  if (why->err >= 0)
    why->err = take_pipes(s, plan);
  if (why->err < 0)
    return -1;
  return lcp__spawn(&plan->spawn, &s->proc, why);
}

/* Killed processes need a moment to be gone, see lcp__cgroup_end. */
static void clear_cgroup(struct lcp__proc *proc) {
  static const struct timespec nap = {0, 1000 * 1000};
  for (int tries = 0; tries < 1000 && !lcp__proc_clear(proc); tries++)
    nanosleep(&nap, NULL);
}

static int run(struct sync *s, struct lcp__plan *plan, struct lcp__failure *why) {
  struct held held;
  for (int i = 0; i < s->pump.npipes; i++)
    s->pump.pipes[i].fd = -1;
  hold_signals(&held, plan->spawn.flags & LCP__SPAWN_SETSID);
  lcp__cost_begin(&s->cost);
  int rc = start(s, plan, why);
  if (rc == 0) {
    s->pid = s->proc.pid;
    lcp__plan_close(plan);
    lcp__pump_run(&s->pump);
    lcp__cost_end(&s->cost);
    clear_cgroup(&s->proc);
    lcp__proc_close(&s->proc, s->pump.ended);
  }
  close_all(s, plan);
  release_signals(&held, &s->pump.how);
  return rc;
}

/* ---- called from Lua ---- */

/* Pushes the array of outputs; each buffer is freed as soon as it has become a string.
 * Lua 5.5 could take the buffer over (lua_pushexternalstring), but its collector does not
 * count such memory: of ten outputs of 40 MiB, dropped one after the other, nine were
 * still there.  Below 32 MiB the copy is also quicker, into memory that malloc kept. */
static void push_output(lua_State *L, struct sync *s, int nfds) {
  lua_createtable(L, nfds, 1);
  lua_pushinteger(L, nfds);
  lua_setfield(L, -2, "n");
  for (int i = 0; i < s->pump.npipes; i++) {
    struct lcp__buf *out = &s->pump.pipes[i].out;
    if (s->slots[i] == 0 || s->pump.pipes[i].passed_on)
      continue;
    lua_pushlstring(L, out->data, out->end);
    lcp__buf_free(out);
    lua_rawseti(L, -2, s->slots[i] + 1);
  }
}

/* ---- the result ---- */

/* Each of these sets fields of the table on top of the stack. */

static void report_end(lua_State *L, const struct sync *s) {
  lcp__exit_push(L, &s->pump.how);
  lua_setfield(L, -3, "signal");
  lua_setfield(L, -2, "code");
  lcp__cost_push_duration(L, &s->cost);
  lua_setfield(L, -2, "duration");
  lcp__cost_push_usage(L, &s->cost, &s->pump.how);
  lua_setfield(L, -2, "usage");
}

static void report_limits(lua_State *L, const struct lcp__pump *p) {
  if (p->err != 0) {
    lua_pushinteger(L, p->err);
    lua_setfield(L, -2, "errno");
  }
  if (p->err == -ETIMEDOUT && p->sent == 0) {
    lua_pushliteral(L, "stdio");
    lua_setfield(L, -2, "stage");
  }
  lua_pushboolean(L, p->idle);
  lua_setfield(L, -2, "idle");
  lua_pushboolean(L, p->forced);
  lua_setfield(L, -2, "forced");
  lua_pushboolean(L, p->truncated);
  lua_setfield(L, -2, "truncated");
}

/* The first target that broke. */
static void report_broken(lua_State *L, const struct sync *s) {
  for (int i = 0; i < s->pump.npipes; i++)
    for (int at = 0; at < s->pump.pipes[i].noutlets; at++) {
      int err = s->pump.pipes[i].outlets[at].err;
      if (err == 0)
        continue;
      lua_createtable(L, 0, 3);
      lua_pushinteger(L, err);
      lua_setfield(L, -2, "errno");
      lua_pushinteger(L, s->slots[i] + 1);
      lua_setfield(L, -2, "slot");
      lua_pushinteger(L, at + 1);
      lua_setfield(L, -2, "target");
      lua_setfield(L, -2, "broken");
      return;
    }
}

/* core.spawn_sync(plan) -> end | nil, errno, stage, path
 * path: the file that could not be opened, if that was the failure. plan: as in plan.h,
 * and also timeout, idleTimeout, waitDelay, killAfter (ms), killSignal (number),
 * maxBuffer (bytes), inputs (slot number from 1 -> bytes). end: `pid`; `output`, an array
 * with n of the output of each pipe; `code`, `signal`; `duration`, `usage`, see cost.h;
 * `errno`: the failure after the start, if any, and then `stage`: 'stdio' if the process
 * had ended on its own and only others kept its pipes open; `idle`, `forced`,
 * `truncated`, `heldBy`, see pump.h; `broken`: { errno, slot, target }, the first target
 * that could not be written, if any. */
static int l_spawn_sync(lua_State *L) {
  struct lcp__failure why;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  struct lcp__plan *plan = lcp__plan_read(L, 1);
  struct sync *s = sync_new(L, plan);
  if (run(s, plan, &why) != 0) {
    lua_pushnil(L);
    lua_pushinteger(L, why.err);
    lua_pushstring(L, lcp__stage_name(why.stage));
    lua_pushstring(L, plan->failed);
    return 4;
  }
  lua_newtable(L);
  lua_pushinteger(L, s->pid);
  lua_setfield(L, -2, "pid");
  push_output(L, s, plan->spawn.nfds);
  lua_setfield(L, -2, "output");
  report_end(L, s);
  report_limits(L, &s->pump);
  if (s->pump.truncated) {
    lcp__holders_push(L, &s->pump.holders);
    lua_setfield(L, -2, "heldBy");
  }
  report_broken(L, s);
  return 1;
}

static int l_gc(lua_State *L) {
  struct sync *s = luaL_checkudata(L, 1, SYNC_CLASS);
  for (int i = 0; i < s->pump.npipes; i++)
    lcp__buf_free(&s->pump.pipes[i].out);
  return 0;
}

static const luaL_Reg functions[] = {{"spawn_sync", l_spawn_sync}, {NULL, NULL}};

int lcp__sync_open(lua_State *L) {
  luaL_newmetatable(L, SYNC_CLASS);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
