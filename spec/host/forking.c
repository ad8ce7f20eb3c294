/* forking.c - fork(2), as a host program or luaposix calls it.
 * A Lua module for the specs.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

/* forking.fork([raw]) -> pid, 0 in the copy.  raw: by the system call, past what the C
 * library does around it. */
static int l_fork(lua_State *L) {
  pid_t pid;
#ifdef __linux__
  if (lua_toboolean(L, 1))
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  else
#endif
    pid = fork();
  if (pid < 0)
    return luaL_error(L, "fork failed");
  lua_pushinteger(L, pid);
  return 1;
}

/* forking.wait(pid) -> exit code | 128 + signal */
static int l_wait(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 1;
}

/* forking.exit(code): at once, by _exit(2) */
static int l_exit(lua_State *L) { _exit((int)luaL_optinteger(L, 1, 0)); }

static const luaL_Reg functions[] = {
    {"fork", l_fork}, {"wait", l_wait}, {"exit", l_exit}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_forking(lua_State *L);

int luaopen_forking(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
