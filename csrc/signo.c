/* signo.c - see signo.h.  SPDX-License-Identifier: MIT */
#include "signo.h"

#include <lauxlib.h>
#include <signal.h>
#include <stddef.h>
#include <uv.h>

#include "arg.h"

/* Where two names share a number, the one to report comes first. */
static const struct {
  const char *name;
  int number;
} signals[] = {
    {"SIGHUP", SIGHUP},       {"SIGINT", SIGINT},       {"SIGQUIT", SIGQUIT},
    {"SIGILL", SIGILL},       {"SIGTRAP", SIGTRAP},     {"SIGABRT", SIGABRT},
    {"SIGIOT", SIGABRT},      {"SIGBUS", SIGBUS},       {"SIGFPE", SIGFPE},
    {"SIGKILL", SIGKILL},     {"SIGUSR1", SIGUSR1},     {"SIGSEGV", SIGSEGV},
    {"SIGUSR2", SIGUSR2},     {"SIGPIPE", SIGPIPE},     {"SIGALRM", SIGALRM},
    {"SIGTERM", SIGTERM},     {"SIGCHLD", SIGCHLD},     {"SIGCONT", SIGCONT},
    {"SIGSTOP", SIGSTOP},     {"SIGTSTP", SIGTSTP},     {"SIGTTIN", SIGTTIN},
    {"SIGTTOU", SIGTTOU},     {"SIGURG", SIGURG},       {"SIGXCPU", SIGXCPU},
    {"SIGXFSZ", SIGXFSZ},     {"SIGVTALRM", SIGVTALRM}, {"SIGPROF", SIGPROF},
    {"SIGWINCH", SIGWINCH},   {"SIGIO", SIGIO},         {"SIGSYS", SIGSYS},
#ifdef SIGPOLL
    {"SIGPOLL", SIGPOLL},
#endif
#ifdef SIGSTKFLT
    {"SIGSTKFLT", SIGSTKFLT},
#endif
#ifdef SIGPWR
    {"SIGPWR", SIGPWR},
#endif
#ifdef SIGINFO
    {"SIGINFO", SIGINFO},
#endif
};

enum { COUNT = sizeof signals / sizeof signals[0] };

/* NULL for a number without a name. */
static const char *signal_name(int signo) {
  size_t i;
  for (i = 0; i < COUNT; i++)
    if (signals[i].number == signo)
      return signals[i].name;
  return NULL;
}

void lcp__exit_push(lua_State *L, const struct lcp__exit *how) {
  const char *name = how->signalled ? signal_name(how->sig) : NULL;
  if (how->exited)
    lua_pushinteger(L, how->code);
  else
    lua_pushnil(L);
  if (how->signalled && name == NULL)
    lua_pushinteger(L, how->sig);
  else
    lua_pushstring(L, name);
}

/* core.errname(errno) -> 'ENOENT'; negative or positive */
static int l_errname(lua_State *L) {
  char name[32];
  int err = lcp__arg_int(L, 1);
  lua_pushstring(L, uv_err_name_r(err < 0 ? err : -err, name, sizeof name));
  return 1;
}

int lcp__signo_open(lua_State *L) {
  lua_createtable(L, 0, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    lua_pushinteger(L, signals[i].number);
    lua_setfield(L, -2, signals[i].name);
  }
  lua_setfield(L, -2, "signals");
  lua_pushcfunction(L, l_errname);
  lua_setfield(L, -2, "errname");
  return 0;
}
