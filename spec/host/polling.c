/* polling.c - poll(2), as a program with a loop of its own calls it.
 * A Lua module for the specs.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <lauxlib.h>
#include <lua.h>

/* polling.readable(fd, seconds) -> boolean: waits until `fd` is readable, or the time is
 * over. */
static int l_readable(lua_State *L) {
  struct pollfd p = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};
  int ms = (int)(luaL_checknumber(L, 2) * 1000), n;
  do
    n = poll(&p, 1, ms);
  while (n < 0 && errno == EINTR);
  lua_pushboolean(L, n > 0);
  return 1;
}

/* polling.default(signal): as for a program without handlers; the interpreter has one for
 * SIGINT. */
static int l_default(lua_State *L) {
  signal((int)luaL_checkinteger(L, 1), SIG_DFL);
  return 0;
}

static const luaL_Reg functions[] = {
    {"readable", l_readable}, {"default", l_default}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_polling(lua_State *L);

int luaopen_polling(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
