/* v8path.c - see v8path.h.  Owns nothing. */
#include "codec/v8path.h"

#include <lauxlib.h>

enum {
  LEVELS_SHOWN = 12,
  TEXT_SHOWN = 40 /* bytes of a key */
};

static int is_name(const char *text, size_t size) {
  if (size == 0 || size > TEXT_SHOWN || (text[0] >= '0' && text[0] <= '9'))
    return 0;
  for (size_t i = 0; i < size; i++) {
    char c = text[i], lower = (char)(c | 0x20);
    if (c != '_' && !(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z'))
      return 0;
  }
  return 1;
}

static void add_text_key(luaL_Buffer *b, const char *text, size_t size) {
  if (is_name(text, size)) {
    luaL_addchar(b, '.');
    luaL_addlstring(b, text, size);
    return;
  }
  luaL_addstring(b, "[\"");
  for (size_t i = 0; i < size && i < TEXT_SHOWN; i++)
    luaL_addchar(b, text[i] >= ' ' && text[i] < 0x7F ? text[i] : '?');
  luaL_addstring(b, size > TEXT_SHOWN ? "...\"]" : "\"]");
}

static void add_step(lua_State *L, luaL_Buffer *b, const struct step *step) {
  size_t size;
  const char *text;
  switch (step->key == 0 ? LUA_TNIL : lua_type(L, step->key)) {
  case LUA_TSTRING:
    text = lua_tolstring(L, step->key, &size);
    add_text_key(b, text, size);
    return;
  case LUA_TNIL:
    lua_pushfstring(L, "[%I]", (LUAI_UACINT)step->position);
    break;
  case LUA_TNUMBER:
    lua_pushvalue(L, step->key); /* lua_tolstring would change the key */
    lua_pushfstring(L, "[%s]", lua_tostring(L, -1));
    lua_remove(L, -2);
    break;
  case LUA_TBOOLEAN:
    lua_pushstring(L, lua_toboolean(L, step->key) ? "[true]" : "[false]");
    break;
  default:
    lua_pushfstring(L, "[a %s]", luaL_typename(L, step->key));
  }
  luaL_addvalue(b);
}

static void add_path(lua_State *L, luaL_Buffer *b, const struct step *step) {
  if (step->outer == NULL) {
    luaL_addstring(b, "message");
    return;
  }
  add_path(L, b, step->outer);
  if (step->level <= LEVELS_SHOWN)
    add_step(L, b, step);
  else if (step->level == LEVELS_SHOWN + 1)
    luaL_addstring(b, "...");
}

int lcp__v8_refuse(lua_State *L, const struct step *at) {
  luaL_Buffer b;
  const char *reason = lua_tostring(L, -1);
  luaL_buffinit(L, &b);
  add_path(L, &b, at);
  luaL_addstring(&b, ": ");
  luaL_addstring(&b, reason);
  luaL_pushresult(&b);
  return 0;
}
