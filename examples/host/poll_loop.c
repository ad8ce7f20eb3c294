/* poll_loop.c - a program with child_process inside, whose own loop is poll(2).
 *   poll_loop FILE ARGUMENT...   runs a Lua file, then the loop until its children ended
 *
 * To be built like host.c, which gives child_process a libuv loop instead.
 * SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include <child_process.h>
#include <lauxlib.h>
#include <lualib.h>

enum { CP = 1, LOOP = 2 }; /* stack: the module, cp.loop */

static const double HEARTBEAT = 0.005; /* seconds */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int report(lua_State *L) {
  fprintf(stderr, "host: %s\n", luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
  return 1;
}

/* fork() starts this very program with a FILE in front of the script. */
static void be_forkable(lua_State *L) {
  char path[4096];
  size_t size = sizeof path;
  if (uv_exepath(path, &size) == 0)
    lcp_set_exec_path(L, path);
}

static void set_arg(lua_State *L, int argc, char **argv) {
  lua_createtable(L, argc, 0);
  for (int i = 1; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
}

/* A function of cp.loop: its number, or `none` for nil. */
static double ask(lua_State *L, const char *name, double none) {
  double number;
  lua_getfield(L, LOOP, name);
  lua_call(L, 0, 1);
  number = luaL_optnumber(L, -1, none);
  lua_pop(L, 1);
  return number;
}

/* cp.run('nowait'): whether something is still alive.  An error in a callback comes out
 * here; the next call goes on. */
static int take_what_is_ready(lua_State *L, int *failed) {
  int alive;
  lua_getfield(L, CP, "run");
  lua_pushliteral(L, "nowait");
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    *failed = report(L);
    return 1;
  }
  alive = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return alive;
}

static int run(lua_State *L) {
  struct pollfd children = {.fd = (int)ask(L, "pollfd", -1), .events = POLLIN};
  int turns = 0, heartbeats = 0, failed = 0;
  double next = now() + HEARTBEAT;
  while (take_what_is_ready(L, &failed)) {
    turns++;
    do { /* what else the program has to do: here its heart beats */
      double wait = next - now(), limit = ask(L, "timeout", wait);
      if (limit < wait)
        wait = limit;
      poll(&children, 1, wait > 0 ? (int)(wait * 1000) + 1 : 0);
      if (now() >= next) {
        heartbeats++;
        next += HEARTBEAT;
      }
    } while (!children.revents && ask(L, "timeout", 1) > 0);
  }
  printf("host: %d heartbeats, %d turns for the children\n", heartbeats, turns);
  return failed;
}

int main(int argc, char **argv) {
  lua_State *L;
  int failed;
  if (argc < 2)
    return 2;
  L = luaL_newstate();
  luaL_openlibs(L);
  be_forkable(L);
  luaL_requiref(L, "child_process", luaopen_child_process, 0);
  lua_getfield(L, CP, "loop");
  set_arg(L, argc, argv);
  failed = luaL_dofile(L, argv[1]) ? report(L) : run(L);
  lua_close(L);
  return failed;
}
