/* waitall.c - what a host does to us that reaps every child of the process.
 * A Lua module for the specs.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <lauxlib.h>
#include <lua.h>

/* waitall.reap() -> integer: waits until a child has ended, whichever, and returns its
 * pid; 0 when there is none. */
static int l_reap(lua_State *L) {
  pid_t pid;
  do
    pid = waitpid(-1, NULL, 0);
  while (pid < 0 && errno == EINTR);
  lua_pushinteger(L, pid > 0 ? (lua_Integer)pid : 0);
  return 1;
}

/* waitall.ignore(): the kernel reaps at once what ends from now on. */
static int l_ignore(lua_State *L) {
  (void)L;
  signal(SIGCHLD, SIG_IGN);
  return 0;
}

static const luaL_Reg functions[] = {
    {"reap", l_reap}, {"ignore", l_ignore}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_waitall(lua_State *L);

int luaopen_waitall(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
