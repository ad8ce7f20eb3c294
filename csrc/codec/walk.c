/* walk.c - see walk.h.  Owns nothing outside Lua.  SPDX-License-Identifier: MIT */
#include "codec/walk.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/transcode.h"

enum {
  STACK_USE = 16,    /* slots that a level and the encoder's helpers take */
  LEVELS_SHOWN = 24, /* of a longer path the beginning and the end */
  TEXT_SHOWN = 48    /* bytes of a key, of a text */
};

void *lcp__levels_double(lua_State *L, int slot, const void *levels, int *room,
                         size_t level_size) {
  size_t size = (size_t)*room * level_size;
  void *more = lua_newuserdatauv(L, 2 * size, 0);
  memcpy(more, levels, size);
  lua_replace(L, slot);
  *room *= 2;
  return more;
}

void lcp__walk_begin(struct lcp__walk *walk, lua_State *L) {
  walk->L = L;
  walk->levels = walk->first;
  walk->depth = 0;
  walk->room = LCP__LEVELS;
  luaL_checkstack(L, STACK_USE, "message");
  lua_pushnil(L);
  walk->slot = lua_gettop(L);
}

struct lcp__level *lcp__walk_open(struct lcp__walk *walk) {
  lua_State *L = walk->L;
  if (walk->depth == LCP__DEPTH || !lua_checkstack(L, STACK_USE)) {
    lcp__walk_refuse(walk, walk->depth,
                     "tables nested deeper than " LCP__DEPTH_TEXT
                     " levels cannot be sent");
    return NULL;
  }
  if (walk->depth == walk->room)
    walk->levels = lcp__levels_double(L, walk->slot, walk->levels, &walk->room,
                                      sizeof *walk->levels);
  struct lcp__level *level = &walk->levels[walk->depth++];
  *level = (struct lcp__level){.table = lua_topointer(L, -1), .slot = lua_gettop(L)};
  lua_pushnil(L);
  return level;
}

void lcp__walk_close(struct lcp__walk *walk) {
  walk->depth--;
  lua_pop(walk->L, 2);
}

/* ---- the path ---- */

static int is_name(const char *text, size_t size) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  if (size == 0 || size > TEXT_SHOWN || strchr(letters, text[0]) == NULL)
    return 0;
  size_t run = strspn(text, letters);
  while (run < size && text[run] >= '0' && text[run] <= '9')
    run += 1 + strspn(text + run + 1, letters);
  return run == size;
}

/* Control characters and broken UTF-8 are escaped by errors.lua. */
void lcp__walk_quote(lua_State *L) {
  luaL_Buffer b;
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  size_t shown = size;
  if (size > TEXT_SHOWN) {
    size_t whole = lcp__utf8_prefix(text, TEXT_SHOWN);
    shown = TEXT_SHOWN - whole < LCP__UTF8_MAX ? whole : TEXT_SHOWN;
  }
  luaL_buffinit(L, &b);
  luaL_addchar(&b, '\'');
  for (size_t i = 0; i < shown; i++) {
    if (text[i] == '\'' || text[i] == '\\')
      luaL_addchar(&b, '\\');
    luaL_addchar(&b, text[i]);
  }
  luaL_addstring(&b, shown < size ? "...'" : "'");
  luaL_pushresult(&b);
  lua_remove(L, -2);
}

/* stack: key -> its step of a path, such as `.name` or `[3]` */
static void show_key(lua_State *L) {
  size_t size;
  const char *text;
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    text = lua_tolstring(L, -1, &size);
    if (is_name(text, size)) {
      lua_pushfstring(L, ".%s", text);
    } else {
      lua_pushliteral(L, "[");
      lua_pushvalue(L, -2);
      lcp__walk_quote(L);
      lua_pushliteral(L, "]");
      lua_concat(L, 3); /* lua_pushfstring would end it at a NUL */
    }
    break;
  case LUA_TNUMBER:
    lua_pushfstring(L, "[%s]", lua_tostring(L, -1));
    break;
  case LUA_TBOOLEAN:
    lua_pushstring(L, lua_toboolean(L, -1) ? "[true]" : "[false]");
    break;
  default:
    lua_pushfstring(L, "[a %s]", luaL_typename(L, -1));
  }
  lua_remove(L, -2);
}

/* stack: -> the step to the level's current value */
static void show_step(const struct lcp__walk *walk, const struct lcp__level *level) {
  lua_pushvalue(walk->L, level->slot + 1);
  if (lua_isnil(walk->L, -1)) {
    lua_pushinteger(walk->L, level->at);
    lua_replace(walk->L, -2);
  }
  show_key(walk->L);
}

int lcp__walk_refuse(struct lcp__walk *walk, int depth, const char *reason) {
  luaL_Buffer b;
  luaL_buffinit(walk->L, &b);
  luaL_addstring(&b, "message");
  for (int i = 0; i < depth; i++) {
    if (depth > LEVELS_SHOWN && i == LEVELS_SHOWN / 2) {
      luaL_addstring(&b, " ... ");
      i = depth - LEVELS_SHOWN / 2;
    }
    show_step(walk, &walk->levels[i]);
    luaL_addvalue(&b);
  }
  luaL_addstring(&b, ": ");
  luaL_addstring(&b, reason);
  luaL_pushresult(&b);
  return 0;
}
