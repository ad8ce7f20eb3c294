/* state_host.c - a host that outlives its Lua states.
 * state_host ROUNDS SCRIPT ARGUMENT...: runs the script ROUNDS times, each time in a
 * state of its own that is closed afterwards, and says what was left over then.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "left_over.h"

static int run_script(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int failed;
  if (L == NULL)
    return 1;
  luaL_openlibs(L);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
  failed = luaL_dofile(L, argv[0]);
  if (failed)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}

int main(int argc, char **argv) {
  int before, after, children;
  if (argc < 3)
    return 2;
  if (run_script(argc - 2, argv + 2)) /* what is made once a process */
    return 1;
  children = children_left();
  before = open_descriptors(0);
  for (int i = 1; i < atoi(argv[1]); i++)
    if (run_script(argc - 2, argv + 2))
      return 1;
  children += children_left();
  after = open_descriptors(before);
  printf("children %d, descriptors +%d\n", children, after - before);
  return children > 0 || after != before;
}
