/* embedded.c - opens the whole module from the static library: see embedded.h.  Not part
 * of the module that an interpreter loads. */
#include "embedded.h"

#include <lauxlib.h>
#include <string.h>

#include "child_process.h"

/* Runs the file; leaves its one result. */
static int run_file(lua_State *L, const char *name) {
  const struct lcp_embedded *file = lcp__embedded;
  while (file->name != NULL && strcmp(file->name, name) != 0)
    file++;
  if (file->name == NULL)
    return luaL_error(L, "child_process has no file for '%s'", name);
  if (luaL_loadbufferx(L, (const char *)file->text, file->size, file->chunk, "t"))
    return lua_error(L);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  return 1;
}

/* The loader of all in package.preload: require tells it the name. */
static int l_load(lua_State *L) { return run_file(L, luaL_checkstring(L, 1)); }

static void preload(lua_State *L, const char *name, lua_CFunction load) {
  lua_pushcfunction(L, load);
  lua_setfield(L, -2, name);
}

int luaopen_child_process(lua_State *L) {
  const struct lcp_embedded *file;
  luaL_checkversion(L);
  if (lua_getglobal(L, "require") != LUA_TFUNCTION)
    return luaL_error(L, "child_process needs the standard libraries (luaL_openlibs)");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  preload(L, "child_process.core", luaopen_child_process_core);
  for (file = lcp__embedded; file->name != NULL; file++)
    preload(L, file->name, l_load);
  lua_pop(L, 2);
  return run_file(L, "child_process");
}
