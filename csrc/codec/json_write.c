/* json_write.c - a Lua value as JSON text.
 * Owns: nothing outside Lua.  No recursion: see walk.h.
 *
 * A table is written in the order of lua_next(): as long as the keys are 1, 2, 3 ... it
 * is a list.  If its integer keys come in another order they are counted first.
 *
 * A put_ function takes the value from the top of the stack, or leaves the reason why it
 * cannot be sent there and returns 0.
 * SPDX-License-Identifier: MIT */
#include "codec/json.h"

#include <lauxlib.h>
#include <math.h>

#include "codec/class.h"
#include "codec/live.h"
#include "codec/numeral.h"
#include "codec/scan.h"
#include "codec/transcode.h"
#include "codec/walk.h"

enum { ESCAPE = 8 /* more than the longest escape and a quotation mark */ };

_Static_assert(sizeof(lua_Integer) == 8 && sizeof(lua_Number) == 8, "Lua's own numbers");

enum kind {
  NEW,    /* not yet looked into */
  OBJECT, /* string keys */
  LIST,   /* the keys 1, 2, 3 ... in this order so far */
  COUNTED /* the keys 1 ... last, in whatever order the table has them */
};

struct writer {
  lua_State *L;
  struct lcp__out *out;
  struct lcp__walk walk;
};

/* The current value cannot be sent. */
static int refuse(struct writer *w, const char *reason) {
  return lcp__walk_refuse(&w->walk, w->walk.depth, reason);
}

/* The innermost table cannot be sent. */
static int refuse_table(struct writer *w, const char *reason) {
  return lcp__walk_refuse(&w->walk, w->walk.depth - 1, reason);
}

/* ---- scalars ---- */

static void put_escape(struct lcp__out *out, char c) {
  static const char hex[] = "0123456789abcdef";
  static const char letters[] = "btn?fr"; /* 8 ... 13 */
  if (c == '"' || c == '\\') {
    *out->at++ = '\\';
    *out->at++ = c;
  } else if (c >= '\b' && c <= '\r' && c != '\v') {
    *out->at++ = '\\';
    *out->at++ = letters[c - '\b'];
  } else {
    lcp__out_add(out, "\\u00", 4);
    *out->at++ = hex[c >> 4 & 15];
    *out->at++ = hex[c & 15];
  }
}

/* 0 when it is not UTF-8. */
static int put_text(struct lcp__out *out, const char *text, size_t size) {
  size_t done = 0;
  unsigned high = 0;
  if (size > LCP__OUT_LIMIT) {
    out->too_long = 1;
    return 1;
  }
  lcp__out_reserve(out, size + ESCAPE);
  *out->at++ = '"';
  for (;;) {
    size_t run = lcp__scan_plain(text + done, size - done, &high);
    lcp__out_add(out, text + done, run);
    done += run;
    if (done == size)
      break;
    put_escape(out, text[done++]);
    lcp__out_reserve(out, size - done + ESCAPE);
  }
  *out->at++ = '"';
  return high == 0 || lcp__utf8_prefix(text, size) == size;
}

/* The same for the string on top of the stack, which is not copied unless something in it
 * has to be escaped. */
static int put_borrowed(struct lcp__out *out, const char *text, size_t size) {
  unsigned high = 0;
  if (lcp__scan_plain(text, size, &high) < size)
    return put_text(out, text, size);
  lcp__out_byte(out, '"');
  lcp__out_borrow(out, -1);
  lcp__out_byte(out, '"');
  return high == 0 || lcp__utf8_prefix(text, size) == size;
}

static int put_string(struct writer *w) {
  size_t size;
  const char *text = lua_tolstring(w->L, -1, &size);
  int is_text = lcp__out_can_borrow(w->out, size) ? put_borrowed(w->out, text, size)
                                                  : put_text(w->out, text, size);
  if (!is_text)
    return refuse(w, "a string that is not UTF-8 cannot be sent as JSON");
  lua_pop(w->L, 1);
  return 1;
}

static int put_number(struct writer *w) {
  struct lcp__out *out = w->out;
  lcp__out_reserve(out, LCP__NUMERAL_MAX);
  if (lua_isinteger(w->L, -1)) {
    out->at += lcp__numeral_integer(lua_tointeger(w->L, -1), out->at);
  } else {
    double x = lua_tonumber(w->L, -1);
    if (isfinite(x))
      out->at += lcp__numeral_double(x, out->at);
    else
      lcp__out_add(out, "null", 4);
  }
  lua_pop(w->L, 1);
  return 1;
}

static int put_word(struct writer *w, const char *word) {
  lcp__out_put(w->out, word, strlen(word));
  lua_pop(w->L, 1);
  return 1;
}

static int refuse_value(struct writer *w) {
  lua_pushfstring(w->L, "a %s cannot be sent", luaL_typename(w->L, -1));
  return refuse(w, lua_tostring(w->L, -1));
}

/* ---- tables ---- */

/* Whether the innermost table contains itself.  It is compared with a single open table,
 * the one at the last power of two (R. Brent's cycle detection, 1980): once that lies on
 * the circle, the next round meets it.  Comparing it with all open tables would make a
 * deep message quadratic. */
static int is_circle(const struct lcp__walk *walk) {
  int anchor = 1;
  while (2 * anchor < walk->depth)
    anchor *= 2;
  return walk->depth > 1 && walk->levels[anchor - 1].table == lcp__walk_top(walk)->table;
}

/* The path in the message ends where a table occurs for the second time. */
static int refuse_circle(struct writer *w) {
  const struct lcp__level *levels = w->walk.levels;
  int first = 0, length = 1, last = w->walk.depth - 1;
  while (levels[last - length].table != levels[last].table)
    length++;
  while (levels[first].table != levels[first + length].table)
    first++;
  return lcp__walk_refuse(&w->walk, first + length,
                          "a table that is part of itself cannot be sent as JSON");
}

static int open_table(struct writer *w) {
  if (lcp__walk_open(&w->walk) == NULL)
    return 0;
  return !is_circle(&w->walk) || refuse_circle(w);
}

/* stack: table, key */
static void close_table(struct writer *w) {
  struct lcp__level *level = lcp__walk_top(&w->walk);
  if (level->kind == NEW)
    lcp__out_put(w->out, lcp__class_is_array(w->L, level->slot) ? "[]" : "{}", 2);
  else
    lcp__out_byte(w->out, level->kind == OBJECT ? '}' : ']');
  lcp__walk_close(&w->walk);
}

/* The first value of a table is preceded by what opens it. */
static void put_separator(struct writer *w, struct lcp__level *level, enum kind kind) {
  lcp__out_byte(w->out, level->kind != NEW ? ',' : kind == OBJECT ? '{' : '[');
  level->kind = (int)kind;
}

/* stack: table, key, value */
static int member_begin(struct writer *w, struct lcp__level *level) {
  size_t size;
  const char *key = lua_tolstring(w->L, -2, &size);
  if (level->kind == LIST)
    return refuse_table(w, "a table with keys of different types cannot be sent as JSON");
  put_separator(w, level, OBJECT);
  if (!put_text(w->out, key, size))
    return refuse(w, "a key that is not UTF-8 cannot be sent as JSON");
  lcp__out_byte(w->out, ':');
  return 1;
}

/* stack: table, key.  Whether the keys are 1 ... n; n is returned, or 0 with the text. */
static lua_Integer list_length(struct writer *w, int table) {
  lua_Integer count = 0, last = 0;
  for (lua_pushnil(w->L); lua_next(w->L, table); lua_pop(w->L, 1)) {
    lua_Integer key = lua_tointeger(w->L, -2);
    if (!lua_isinteger(w->L, -2))
      return refuse_table(w,
                          "a table with keys of different types cannot be sent as JSON");
    if (key < 1)
      return refuse_table(w, "a table with a key below 1 cannot be sent as JSON");
    count++;
    last = key > last ? key : last;
  }
  return count == last ? last
                       : refuse_table(w, "a list with holes cannot be sent as JSON");
}

/* stack: table, nil -> table, nil, its next value; or without all of them at the end */
static int counted_next(struct writer *w, struct lcp__level *level) {
  if (level->at == level->last) {
    close_table(w);
    return 1;
  }
  put_separator(w, level, COUNTED);
  lua_rawgeti(w->L, level->slot, ++level->at);
  return 1;
}

/* From now on by number.  stack: table, key, value -> table, nil, value */
static int list_count(struct writer *w, struct lcp__level *level) {
  lua_pop(w->L, 2);
  lua_pushnil(w->L);
  level->last = list_length(w, level->slot);
  return level->last > 0 && counted_next(w, level);
}

/* stack: table, key, value */
static int item_begin(struct writer *w, struct lcp__level *level) {
  if (level->kind == OBJECT)
    return refuse_table(w, "a table with keys of different types cannot be sent as JSON");
  if (lua_tointeger(w->L, -2) != level->at + 1)
    return list_count(w, level);
  level->at++;
  put_separator(w, level, LIST);
  return 1;
}

/* stack: table, key -> table, key, value; or without all of them at the end */
static int table_next(struct writer *w) {
  struct lcp__level *level = lcp__walk_top(&w->walk);
  if (level->kind == COUNTED)
    return counted_next(w, level);
  if (!lua_next(w->L, level->slot)) {
    lua_pushnil(w->L);
    close_table(w);
    return 1;
  }
  if (lua_type(w->L, -2) == LUA_TSTRING)
    return member_begin(w, level);
  if (lua_isinteger(w->L, -2))
    return item_begin(w, level);
  return refuse_table(
      w, "a table with a key that is neither string nor integer cannot be sent as JSON");
}

/* ---- the message ---- */

static int put_value(struct writer *w) {
  lua_State *L = w->L;
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    return put_string(w);
  case LUA_TNUMBER:
    return put_number(w);
  case LUA_TTABLE:
    lcp__live_copy(L);
    return open_table(w);
  case LUA_TBOOLEAN:
    return put_word(w, lua_toboolean(L, -1) ? "true" : "false");
  case LUA_TLIGHTUSERDATA:
    return lua_touserdata(L, -1) == NULL ? put_word(w, "null") : refuse_value(w);
  default:
    return refuse_value(w);
  }
}

/* stack: message */
static int put_message(struct writer *w) {
  if (!put_value(w))
    return 0;
  while (w->walk.depth > 0) {
    int depth = w->walk.depth;
    if (!table_next(w))
      return 0;
    if (w->walk.depth == depth && !put_value(w))
      return 0;
    if (w->out->too_long)
      break;
  }
  return !lcp__out_is_too_long(w->out) ||
         lcp__walk_refuse(&w->walk, 0, "more than 1 GiB cannot be sent");
}

int lcp__json_encode(lua_State *L, int index, struct lcp__out *out) {
  struct writer w;
  int top = lua_gettop(L);
  w.L = L;
  w.out = out;
  lcp__walk_begin(&w.walk, L);
  lua_pushvalue(L, index);
  int done = put_message(&w);
  if (!done)
    lua_replace(L, top + 1);
  lua_settop(L, done ? top : top + 1);
  return done;
}
