/* process.c - what malloc and the kernel say of this process: a module for Lua, which
 * bench/many_children.lua compiles.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <malloc.h>
#include <sys/resource.h>

#include <lauxlib.h>
#include <lua.h>

/* process.used() -> bytes that malloc has handed out, on its heap and by mmap.  What it
 * keeps for later is not counted: that depends on the order of what was given back. */
static int l_used(lua_State *L) {
  struct mallinfo2 info = mallinfo2();
  lua_pushinteger(L, (lua_Integer)(info.uordblks + info.hblkhd));
  return 1;
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* process.times() -> seconds spent in the program, seconds spent in the kernel. */
static int l_times(lua_State *L) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  lua_pushnumber(L, seconds(usage.ru_utime));
  lua_pushnumber(L, seconds(usage.ru_stime));
  return 2;
}

static const luaL_Reg functions[] = {
    {"used", l_used},
    {"times", l_times},
    {NULL, NULL},
};

int luaopen_process(lua_State *L);

int luaopen_process(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
