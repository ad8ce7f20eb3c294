/* lua_host.c - a stand-in for lua5.4 that is built with the sanitizers.
 * Knows `-e CODE`, `-l MODULE`, `-` and `SCRIPT`, and fills `arg` as lua5.4 does.  A
 * sanitised module needs a sanitised program around it; preloading libasan into lua5.4
 * would also reach every program that the specs start.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

struct command {
  int argc;
  char **argv;
  int script; /* index of the script in argv; argc when there is none */
  int status;
};

/* As in lua.c: a value that has a text of its own shows that alone. */
static int traceback(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (text == NULL && luaL_callmeta(L, 1, "__tostring") && lua_isstring(L, -1))
    return 1;
  if (text == NULL)
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  luaL_traceback(L, L, text, 1);
  return 1;
}

/* stack: ..., chunk or message of the load, as left by luaL_load* */
static int run_chunk(lua_State *L, int load_status, int nargs) {
  int base = lua_gettop(L) - nargs;
  int status = load_status;
  if (status == LUA_OK) {
    lua_pushcfunction(L, traceback);
    lua_insert(L, base);
    status = lua_pcall(L, nargs, 0, base);
  }
  if (status != LUA_OK)
    fprintf(stderr, "lua_host: %s\n", luaL_tolstring(L, -1, NULL));
  lua_settop(L, base - 1);
  return status == LUA_OK;
}

static void set_arg(lua_State *L, const struct command *c) {
  int first = c->script < c->argc ? c->script : 0;
  lua_newtable(L);
  for (int i = 0; i < c->argc; i++) {
    lua_pushstring(L, c->argv[i]);
    lua_rawseti(L, -2, i - first);
  }
  lua_setglobal(L, "arg");
}

static int run_script(lua_State *L, const struct command *c) {
  const char *name = c->argv[c->script];
  int loaded = luaL_loadfile(L, strcmp(name, "-") == 0 ? NULL : name);
  int nargs = 0;
  if (loaded == LUA_OK) {
    nargs = c->argc - c->script - 1;
    luaL_checkstack(L, nargs + 2, "too many arguments");
    for (int i = 1; i <= nargs; i++)
      lua_pushstring(L, c->argv[c->script + i]);
  }
  return run_chunk(L, loaded, nargs);
}

static int is_option(const char *word) {
  return strcmp(word, "-e") == 0 || strcmp(word, "-l") == 0;
}

static int run_option(lua_State *L, const char *option, const char *text) {
  if (option[1] == 'e')
    return run_chunk(L, luaL_loadbuffer(L, text, strlen(text), "=(-e)"), 0);
  lua_getglobal(L, "require");
  lua_pushstring(L, text);
  return run_chunk(L, LUA_OK, 1);
}

/* stack: the command as light userdata; protected, so that a failure is reported */
static int run_command(lua_State *L) {
  struct command *c = lua_touserdata(L, 1);
  luaL_openlibs(L);
  set_arg(L, c);
  for (int i = 1; i < c->script; i += 2)
    if (!run_option(L, c->argv[i], c->argv[i + 1]))
      return 0;
  c->status = c->script >= c->argc || run_script(L, c) ? 0 : 1;
  return 0;
}

int main(int argc, char **argv) {
  struct command c = {argc, argv, 1, 1};
  while (c.script + 1 < argc && is_option(argv[c.script]))
    c.script += 2;
  if (argc < 2 || (argv[1][0] == '-' && argv[1][1] != '\0' && c.script == 1)) {
    fprintf(stderr, "usage: %s [-e CODE | -l MODULE]... [SCRIPT|- [ARGUMENT]...]\n",
            argv[0]);
    return 1;
  }
  lua_State *L = luaL_newstate();
  if (L == NULL)
    return 1;
  lua_pushcfunction(L, run_command);
  lua_pushlightuserdata(L, &c);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    fprintf(stderr, "lua_host: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return c.status;
}
