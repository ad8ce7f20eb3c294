/* host.c - a program with child_process inside, on an event loop of its own.
 *   host FILE ARGUMENT...   runs a Lua file, which finds nothing but the program needed
 *
 * Build it with CMake (CMakeLists.txt), or
 *   cc host.c -o host $(pkg-config --cflags --libs child_process lua5.4)
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <child_process.h>
#include <lauxlib.h>
#include <lualib.h>

/* An error in a callback has its traceback already. */
static void report(lua_State *L, void *failed) {
  fprintf(stderr, "host: %s\n", luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  *(int *)failed = 1;
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

static void tick_cb(uv_timer_t *timer) { ++*(int *)timer->data; }

int main(int argc, char **argv) {
  int failed = 0, ticks = 0;
  uv_loop_t loop;
  uv_timer_t timer;
  lua_State *L;
  if (argc < 2)
    return 2;

  uv_loop_init(&loop); /* the host's loop, and something of its own on it */
  uv_timer_init(&loop, &timer);
  timer.data = &ticks;
  uv_timer_start(&timer, tick_cb, 0, 5); /* at once, and every 5 ms */
  uv_unref((uv_handle_t *)&timer);

  L = luaL_newstate();
  luaL_openlibs(L);
  lcp_set_loop(L, &loop);
  lcp_on_error(L, report, &failed);
  be_forkable(L);
  luaL_requiref(L, "child_process", luaopen_child_process, 0);

  set_arg(L, argc, argv);
  if (luaL_dofile(L, argv[1]))
    report(L, &failed);
  uv_run(&loop, UV_RUN_DEFAULT);
  printf("host: %s while the children ran\n", ticks > 0 ? "ticked" : "slept");

  lua_close(L); /* begins to close what the module has open */
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) != 0 || failed;
}
