/* memory_host.c - a host whose memory ends at every possible point.
 * memory_host SCRIPT ARGUMENT...: the script defines the global function `body`.  Runs it
 * in a new state where the first allocation fails and all after it, in another where the
 * second does, and so on until it gets through.  No round may leave anything.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "left_over.h"

struct memory {
  long left; /* allocations to go; negative: without end */
  int refused;
};

static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  struct memory *memory = ud;
  if (nsize == 0) {
    free(block);
    return NULL;
  }
  if (block == NULL || nsize > osize) {
    if (memory->left == 0) {
      memory->refused = 1;
      return NULL;
    }
    memory->left -= memory->left > 0;
  }
  return realloc(block, nsize);
}

static int prepare(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
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

/* One round: 1 when `body` got through, 0 when it did not, -1 when it never ran. */
static int run_round(long allocations, int argc, char **argv) {
  struct memory memory = {-1, 0};
  lua_State *L = lua_newstate(allocate, &memory);
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
  if (!ok && !memory.refused)
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return ok && !memory.refused ? 1 : !memory.refused ? -1 : 0;
}

int main(int argc, char **argv) {
  int before, status = 0;
  long n;
  run_round(-1, argc - 1, argv + 1); /* what is made once a process */
  children_left();
  before = open_descriptors(0);
  for (n = 0; status == 0; n++) {
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
