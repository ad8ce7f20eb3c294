/* sigwatch.c - see sigwatch.h.
 *
 * Owns, for the whole process: the dispositions that signals had before the first state
 * began to watch them. libuv resets a signal to the default, but the earlier disposition
 * belongs to the host, so it is restored when the last watch stops.
 *
 * The userdata's user values: the signal's number, the function.
 * SPDX-License-Identifier: MIT */
#include "sigwatch.h"

#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "handle.h"
#include "result.h"

#define SIGWATCH_CLASS "child_process.core.SignalWatch"

enum { SLOT_SIGNO = 1, SLOT_FN, SLOTS = SLOT_FN };

#ifndef NSIG
#define NSIG 65
#endif

struct sigwatch {
  struct lcp__handle base;
  int signo; /* 0: not counted */
};

static struct {
  unsigned watches; /* in all states */
  struct sigaction before;
  struct sigaction during; /* libuv's; only used while `suspended` */
  int suspended;           /* in a copy of the process, until it uses the module */
} taken[NSIG];

static pthread_mutex_t taken_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- copies of the process, made by fork(2) ---- */

/* Until uv_loop_fork, libuv's handler in a copy writes to the pipe it shares with its
 * parent, whose loop would take the signal for its own.  The copy may never use this
 * module, so it gets the earlier dispositions back until it does.  This holds the lock
 * and blocks signals: those sent to the copy meanwhile stay pending. */
static sigset_t before_mask;

static void before_fork(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_mutex_lock(&taken_lock);
  before_mask = before;
}

static void after_fork(void) {
  sigset_t before = before_mask;
  pthread_mutex_unlock(&taken_lock);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void after_fork_in_copy(void) {
  for (int signo = 1; signo < NSIG; signo++)
    if (taken[signo].watches > 0 &&
        sigaction(signo, &taken[signo].before, &taken[signo].during) == 0)
      taken[signo].suspended = 1;
  after_fork();
}

static void mind_forks(void) {
  pthread_atfork(before_fork, after_fork, after_fork_in_copy);
}

/* The copy uses the module and has its own pipe by now.  A handler that the host has set
 * since then stays. */
static void adapt(struct lcp__handle *h) {
  const int signo = ((struct sigwatch *)h)->signo;
  struct sigaction now;
  pthread_mutex_lock(&taken_lock);
  if (taken[signo].suspended && sigaction(signo, NULL, &now) == 0 &&
      now.sa_handler == taken[signo].before.sa_handler)
    sigaction(signo, &taken[signo].during, NULL);
  taken[signo].suspended = 0;
  pthread_mutex_unlock(&taken_lock);
}

/* ---- taking and giving back ---- */

/* A handler that the host has set since then stays:
 * libuv leaves SIG_DFL behind (uv__signal_unregister_handler); anything else is the
 * host's. */
static void put_back(int signo) {
  struct sigaction now;
  if (sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
    sigaction(signo, &taken[signo].before, NULL);
}

/* libuv has stopped watching by now. */
static void release(struct lcp__handle *h) {
  struct sigwatch *w = (struct sigwatch *)h;
  if (w->signo == 0)
    return;
  pthread_mutex_lock(&taken_lock);
  if (--taken[w->signo].watches == 0)
    put_back(w->signo);
  pthread_mutex_unlock(&taken_lock);
  w->signo = 0;
}

static int l_fire(lua_State *L) {
  const struct sigwatch *w = lua_touserdata(L, 1);
  lcp__handle_push(L, &w->base);
  lua_getiuservalue(L, 2, SLOT_FN);
  lua_pushinteger(L, w->signo);
  lua_call(L, 1, 0);
  return 0;
}

static void signal_cb(uv_signal_t *uv, int signo) {
  struct sigwatch *w = (struct sigwatch *)uv;
  (void)signo;
  if (!w->base.closing)
    lcp__enter(w->base.loop, l_fire, w);
}

int lcp__sigwatch_listens(int signo) {
  pthread_mutex_lock(&taken_lock);
  int listens = taken[signo].watches > 0 && !taken[signo].suspended;
  pthread_mutex_unlock(&taken_lock);
  return listens;
}

static int start(struct sigwatch *w, int signo) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, mind_forks);
  pthread_mutex_lock(&taken_lock);
  if (taken[signo].watches == 0)
    sigaction(signo, NULL, &taken[signo].before);
  int rc = uv_signal_start(&w->base.uv.signal, signal_cb, signo);
  if (rc == 0) {
    taken[signo].watches++;
    w->signo = signo;
  }
  pthread_mutex_unlock(&taken_lock);
  return rc;
}

/* core.signal(signo, fn) -> watch | nil, errno: calls fn(signo) for each signal, until
 * the watch is closed.  It does not keep the loop alive. */
static int l_signal(lua_State *L) {
  lua_Integer signo = luaL_checkinteger(L, 1);
  struct sigwatch *w;
  luaL_argcheck(L, signo > 0 && signo < NSIG, 1, "no signal");
  luaL_checktype(L, 2, LUA_TFUNCTION);
  w = lcp__handle_new(L, sizeof *w, SIGWATCH_CLASS, SLOTS);
  w->base.release = release;
  w->base.adapt = adapt;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, SLOT_SIGNO);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, SLOT_FN);
  lcp__handle_set_ref(&w->base, 0);
  int rc = lcp__loop_uv(w->base.loop);
  if (rc == 0)
    rc = uv_signal_init(w->base.loop->uv, &w->base.uv.signal);
  if (rc == 0) {
    lcp__handle_init(&w->base);
    lcp__handle_pin(L, &w->base, -1);
    rc = start(w, (int)signo);
  }
  if (rc == 0)
    return 1;
  lcp__handle_close(&w->base);
  return lcp__push_errno(L, rc);
}

static void nothing(int signo) { (void)signo; }

/* core.survive_sigpipe() For a process that this library owns: a broken pipe only makes
 * the write fail.  A handler rather than SIG_IGN, which programs started by other means
 * would inherit (execve(2)). */
static int l_survive_sigpipe(lua_State *L) {
  struct sigaction action, now;
  (void)L;
  memset(&action, 0, sizeof action);
  action.sa_handler = nothing;
  action.sa_flags = SA_RESTART;
  if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
    sigaction(SIGPIPE, &action, NULL);
  return 0;
}

static const luaL_Reg methods[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {
    {"signal", l_signal}, {"survive_sigpipe", l_survive_sigpipe}, {NULL, NULL}};

int lcp__sigwatch_open(lua_State *L) {
  lcp__handle_class(L, SIGWATCH_CLASS, methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
