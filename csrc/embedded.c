/* embedded.c - opens the whole module from the static library: see embedded.h.  Not part
 * of the module that an interpreter loads.
 * SPDX-License-Identifier: MIT */
#include "embedded.h"

#include <lauxlib.h>
#include <string.h>

#include "child_process.h"
#include "compiled.h"

/* Leaves the file as a function. */
static void load_file(lua_State *L, const char *name) {
  const struct lcp__embedded *file = lcp__embedded;
  while (file->name != NULL && strcmp(file->name, name) != 0)
    file++;
  if (file->name == NULL)
    luaL_error(L, "child_process has no file for '%s'", name);
  if (lcp__compiled_load(L, name, file->chunk, (const char *)file->text, file->size))
    lua_error(L);
}

/* Runs the file; leaves its one result. */
static int run_file(lua_State *L, const char *name) {
  load_file(L, name);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  return 1;
}

/* The loader of every entry in package.preload: require passes the name. */
static int l_load(lua_State *L) { return run_file(L, luaL_checkstring(L, 1)); }

/* core.embedded(name) -> function */
static int l_embedded(lua_State *L) {
  load_file(L, luaL_checkstring(L, 1));
  return 1;
}

static int l_core(lua_State *L) {
  luaopen_child_process_core(L);
  lua_pushcfunction(L, l_embedded);
  lua_setfield(L, -2, "embedded");
  return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction load) {
  lua_pushcfunction(L, load);
  lua_setfield(L, -2, name);
}

int luaopen_child_process(lua_State *L) {
  luaL_checkversion(L);
  if (lua_getglobal(L, "require") != LUA_TFUNCTION)
    return luaL_error(L, "child_process needs the standard libraries (luaL_openlibs)");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  preload(L, "child_process.core", l_core);
  for (const struct lcp__embedded *file = lcp__embedded; file->name != NULL; file++)
    preload(L, file->name, l_load);
  lua_pop(L, 2);
  return run_file(L, "child_process");
}
