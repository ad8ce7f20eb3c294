/* v8.c - see v8.h.  Owns nothing.  SPDX-License-Identifier: MIT */
#include "codec/v8.h"

#include "codec/scan.h"
#include "codec/transcode.h"

const struct lcp__v8_error_class lcp__v8_error_classes[] = {
    {'E', "EvalError"},   {'R', "RangeError"}, {'F', "ReferenceError"},
    {'S', "SyntaxError"}, {'T', "TypeError"},  {'U', "URIError"},
    {0, "Error"},         {0, NULL},
};

const struct lcp__v8_flag lcp__v8_flags[] = {
    {'d', 1u << 7}, {'g', 1u << 0}, {'i', 1u << 1}, {'l', 1u << 6}, {'m', 1u << 2},
    {'s', 1u << 5}, {'u', 1u << 4}, {'v', 1u << 8}, {'y', 1u << 3}, {0, 0},
};

/* The keys of a table that have been seen so far. */
struct census {
  lua_Unsigned positions, highest; /* positive integers */
  lua_Unsigned texts;
  lua_Integer n; /* the value of the key "n" if it is an integer, else 0 */
};

/* stack: key, value.  0 for a key that only a Map can have: the properties of an object
 * are strings, and a JavaScript string cannot represent bytes that are not UTF-8. */
static int census_take(lua_State *L, struct census *c) {
  size_t size;
  const char *text;
  switch (lua_type(L, -2)) {
  case LUA_TNUMBER:
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1)
      return 0;
    c->positions++;
    if ((lua_Unsigned)lua_tointeger(L, -2) > c->highest)
      c->highest = (lua_Unsigned)lua_tointeger(L, -2);
    break;
  case LUA_TSTRING:
    text = lua_tolstring(L, -2, &size);
    c->texts++;
    if (size == 1 && text[0] == 'n' && lua_isinteger(L, -1))
      c->n = lua_tointeger(L, -1);
    if (lcp__scan_ascii(text, size) < size && lcp__utf8_prefix(text, size) != size)
      return 0;
    break;
  default:
    return 0;
  }
  return c->positions == 0 || c->texts <= 1;
}

static struct lcp__v8_layout array_layout(const struct census *c) {
  struct lcp__v8_layout layout = {V8_SHAPE_MAP, 0, (uint32_t)c->positions};
  lua_Unsigned length = c->texts ? (lua_Unsigned)c->n : c->highest;
  /* a packed list states its length, so it may have gaps: as many as a call has
   * arguments */
  lua_Unsigned gaps = c->texts ? 255 : 0;
  if (length < c->highest || length > V8_MAX_LENGTH || length >= 2 * c->positions + gaps)
    return layout;
  layout.shape = c->texts ? V8_SHAPE_PACKED : V8_SHAPE_ARRAY;
  layout.length = (uint32_t)length;
  return layout;
}

struct lcp__v8_layout lcp__v8_layout(lua_State *L, int table) {
  struct lcp__v8_layout layout = {V8_SHAPE_EMPTY, 0, 0};
  struct census c = {0, 0, 0, 0};
  lua_pushnil(L);
  while (lua_next(L, table)) {
    if (!census_take(L, &c)) {
      lua_pop(L, 2);
      layout.shape = V8_SHAPE_MAP;
      return layout;
    }
    lua_pop(L, 1);
  }
  if (c.positions > 0)
    return array_layout(&c);
  if (c.texts > 0)
    layout.shape = V8_SHAPE_OBJECT;
  return layout;
}
