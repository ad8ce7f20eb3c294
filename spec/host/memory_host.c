/* memory_host.c - a host whose memory ends at every possible point.
 * memory_host [--sample] SCRIPT ARGUMENT...: the script defines the global function
 * `body`. Runs it in a new state where the first allocation fails and all after it, in
 * another where the second does, and so on until it gets through.  In every other round
 * memory is back after two (Lua itself tries twice), so that what was begun goes on.  The
 * error is Lua's own or one of ours, and no round may leave anything.
 * --sample: not at every point, but at ever fewer, for bodies that take their time.
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "left_over.h"

#if LUA_VERSION_NUM < 505
#define lua_newstate(allocate, ud, seed) lua_newstate(allocate, ud)
#endif

enum { BURST = 2 };

struct memory {
  long left; /* allocations to go; negative: without end */
  int most;  /* how many are refused then */
  int refused;
};

static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  struct memory *memory = ud;
  if (nsize == 0) {
    free(block);
    return NULL;
  }
  if (block == NULL || nsize > osize) {
    if (memory->left == 0 && memory->refused < memory->most) {
      memory->refused++;
      return NULL;
    }
    memory->left -= memory->left > 0;
  }
  return realloc(block, nsize);
}

/* A large buffer is made beforehand: Lua 5.4 leaves half of its metatable when memory is
 * short at that moment only. */
static int prepare(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_Buffer buffer;
  luaL_openlibs(L);
  luaL_buffinitsize(L, &buffer, 1 << 16);
  luaL_pushresultsize(&buffer, 0);
  lua_pop(L, 1);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
  if (luaL_dofile(L, argv[0]))
    return lua_error(L);
  return 0;
}

/* An error with a code, or for want of memory, and not one by mistake. */
static int is_clear(lua_State *L) {
  if (lua_istable(L, -1))
    return lua_getfield(L, -1, "code") == LUA_TSTRING;
  return lua_isstring(L, -1) && strstr(lua_tostring(L, -1), "not enough memory") != NULL;
}

/* One round: 1 when `body` got through, 0 when it did not, -1 when it never ran, or by
 * mistake. */
static int run_round(long allocations, int argc, char **argv) {
  struct memory memory = {-1, allocations % 2 ? BURST : INT_MAX, 0};
  lua_State *L = lua_newstate(allocate, &memory, 0);
  int ok;
  lua_pushcfunction(L, prepare);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return -1;
  }
  lua_getglobal(L, "body");
  memory.left = allocations;
  ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
  memory.left = -1;
  if (!ok && !(memory.refused && is_clear(L))) {
    fprintf(stderr, "after %ld: %s\n", allocations, luaL_tolstring(L, -1, NULL));
    memory.refused = 0;
  }
  lua_close(L);
  return ok && !memory.refused ? 1 : !memory.refused ? -1 : 0;
}

int main(int argc, char **argv) {
  int before, status = 0, samples = argc > 1 && strcmp(argv[1], "--sample") == 0;
  long n;
  argc -= samples;
  argv += samples;
  run_round(-1, argc - 1, argv + 1); /* what is made once a process */
  children_left();
  before = open_descriptors(0);
  for (n = 0; status == 0; n += samples ? 1 + n / 40 : 1) {
    int after;
    status = run_round(n, argc - 1, argv + 1);
    if (children_left()) {
      printf("a child is left after %ld allocations\n", n);
      return 1;
    }
    after = open_descriptors(before);
    if (after != before) {
      printf("descriptors +%d after %ld allocations\n", after - before, n);
      return 1;
    }
  }
  printf("%s\n", status == 1 ? "done" : "failed");
  return status != 1;
}
