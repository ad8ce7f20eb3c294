/* v8class.c - see v8class.h.  Owns nothing. */
#include "codec/v8class.h"

#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "codec/transcode.h"

static const char *const class_names[] = {"",    "Array",  "BigInt", "Date", "Error",
                                          "Map", "RegExp", "Set",    NULL};

const char *lcp__v8_class_name(enum v8_class class) { return class_names[class]; }

int lcp__v8_push_field(lua_State *L, int table, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, table);
}

int lcp__v8_push_text(lua_State *L, int table, const char *name) {
  size_t size;
  if (lcp__v8_push_field(L, table, name) != LUA_TSTRING)
    return 0;
  const char *text = lua_tolstring(L, -1, &size);
  return size <= UINT32_MAX && lcp__utf8_prefix(text, size) == size;
}

/* stack: name; which class it names */
static enum v8_class class_named(lua_State *L) {
  int found = CLASS_SET;
  while (found > CLASS_NONE && strcmp(lua_tostring(L, -1), class_names[found]))
    found--;
  return (enum v8_class)found;
}

enum v8_class lcp__v8_class_of(lua_State *L, int table, int classes) {
  int top = lua_gettop(L);
  enum v8_class found = CLASS_NONE;
  if (!lua_getmetatable(L, table))
    return CLASS_NONE;
  lua_pushstring(L, class_names[CLASS_ERROR]);
  lua_rawget(L, classes);
  if (lua_rawequal(L, -1, -2))
    found = CLASS_ERROR;
  else if (lcp__v8_push_field(L, top + 1, "__jstype") == LUA_TSTRING)
    found = class_named(L);
  lua_settop(L, top);
  return found;
}

void lcp__v8_set_class(lua_State *L, enum v8_class class, int classes) {
  lua_pushstring(L, class_names[class]);
  lua_rawget(L, classes);
  lua_setmetatable(L, -2);
}

/* stack: metatable; whether it is one of lua-cjson's.  A cjson that nobody has loaded has
 * given none to anybody. */
static int is_cjson_array(lua_State *L) {
  static const char *const modules[] = {"cjson", "cjson.safe", NULL};
  static const char *const names[] = {"array_mt", "empty_array_mt", NULL};
  int found = 0, metatable = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (int i = 0; modules[i] != NULL; i++) {
    if (lcp__v8_push_field(L, metatable + 1, modules[i]) == LUA_TTABLE) {
      for (int k = 0; names[k] != NULL; k++) {
        lcp__v8_push_field(L, metatable + 2, names[k]);
        found |= lua_rawequal(L, -1, metatable);
        lua_pop(L, 1);
      }
    }
    lua_pop(L, 1);
  }
  lua_settop(L, metatable);
  return found;
}

int lcp__v8_is_array(lua_State *L, int table) {
  int top = lua_gettop(L), found;
  if (!lua_getmetatable(L, table))
    return 0;
  if (lcp__v8_push_field(L, top + 1, "__jsontype") == LUA_TSTRING)
    found = strcmp(lua_tostring(L, -1), "array") == 0;
  else {
    lua_settop(L, top + 1);
    found = is_cjson_array(L);
  }
  lua_settop(L, top);
  return found;
}
