/* class.c - see class.h.
 * Owns: the metatable of each class, in the registry.
 * SPDX-License-Identifier: MIT */
#include "codec/class.h"

#include <lauxlib.h>
#include <string.h>

/* The address of a name is the key of the class's metatable in the registry. */
static const char *const names[LCP__CLASSES] = {"",      "Array", "BigInt", "Date",
                                                "Error", "Map",   "RegExp", "Set"};

static int push_field(lua_State *L, int table, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, table);
}

static void push_metatable(lua_State *L, enum lcp__class class) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &names[class]);
}

/* stack: metatable -> */
static void set_metatable(lua_State *L, enum lcp__class class) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &names[class]);
}

void lcp__class_set(lua_State *L, enum lcp__class class) {
  push_metatable(L, class);
  lua_setmetatable(L, -2);
}

/* stack: name; which class it names */
static enum lcp__class class_named(lua_State *L) {
  int found = LCP__CLASSES - 1;
  while (found > LCP__CLASS_NONE && strcmp(lua_tostring(L, -1), names[found]) != 0)
    found--;
  return (enum lcp__class)found;
}

enum lcp__class lcp__class_of(lua_State *L, int table) {
  enum lcp__class found = LCP__CLASS_NONE;
  if (!lua_getmetatable(L, table))
    return found;
  int metatable = lua_gettop(L);
  push_metatable(L, LCP__CLASS_ERROR);
  if (lua_rawequal(L, -1, metatable))
    found = LCP__CLASS_ERROR;
  else if (push_field(L, metatable, "__jstype") == LUA_TSTRING)
    found = class_named(L);
  lua_settop(L, metatable - 1);
  return found;
}

/* stack: metatable; whether it is an array metatable of a lua-cjson.  `cjson` and
 * `cjson.safe` are two instances, each with metatables of its own.  They are looked up in
 * package.loaded: as long as neither is loaded no table can have one. */
static int is_cjson_array(lua_State *L) {
  static const char *const modules[] = {"cjson", "cjson.safe", NULL};
  static const char *const fields[] = {"array_mt", "empty_array_mt", NULL};
  int metatable = lua_gettop(L), found = 0;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (int i = 0; modules[i] != NULL && !found; i++) {
    int is_loaded = push_field(L, metatable + 1, modules[i]) == LUA_TTABLE;
    for (int k = 0; is_loaded && fields[k] != NULL; k++) {
      push_field(L, metatable + 2, fields[k]);
      found |= lua_rawequal(L, -1, metatable);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, metatable);
  return found;
}

int lcp__class_is_array(lua_State *L, int table) {
  int top = lua_gettop(L), found;
  if (!lua_getmetatable(L, table))
    return 0;
  if (push_field(L, top + 1, "__jsontype") == LUA_TSTRING) {
    found = strcmp(lua_tostring(L, -1), "array") == 0;
  } else {
    lua_settop(L, top + 1);
    found = is_cjson_array(L);
  }
  lua_settop(L, top);
  return found;
}

/* core.error_class(metatable): that of our error values, which arrive with it, and go
 * back as errors. */
static int l_error_class(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  set_metatable(L, LCP__CLASS_ERROR);
  return 0;
}

int lcp__class_open(lua_State *L) {
  for (enum lcp__class i = LCP__CLASS_NONE + 1; i < LCP__CLASSES; i++) {
    lua_newtable(L);
    lua_pushstring(L, names[i]);
    lua_setfield(L, -2, "__name");
    lua_pushstring(L, i == LCP__CLASS_ARRAY ? "array" : names[i]);
    lua_setfield(L, -2, i == LCP__CLASS_ARRAY ? "__jsontype" : "__jstype");
    set_metatable(L, i);
  }
  lua_pushcfunction(L, l_error_class);
  lua_setfield(L, -2, "error_class");
  return 0;
}
