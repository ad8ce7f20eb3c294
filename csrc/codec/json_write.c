/* json_write.c - a Lua value as JSON text.
 * Owns: nothing outside Lua.  The text grows in a userdata, which may be one that was
 * used before.
 *
 * No recursion: each open table has two slots of the Lua stack, itself and the key of its
 * current value, so that a failure can name the path.  No metamethod is called. */
#include "codec/json.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "codec/numeral.h"
#include "codec/transcode.h"

#define FIRST 1024 /* the size of a userdata */
#define SLACK 256  /* what is added to a string's size, for what follows it */
#define ESCAPE 8   /* more than the longest escape and a quotation mark */

_Static_assert(sizeof(lua_Integer) == 8 && sizeof(lua_Number) == 8, "Lua's own numbers");

enum { SLOT_VALUE = 1, SLOT_MEMORY, SLOT_FIRST /* of the open tables */ };

enum kind {
  NEW,    /* not yet looked into */
  OBJECT, /* string keys */
  LIST,   /* the keys 1, 2, 3 ... in this order so far */
  COUNTED /* the keys 1 ... last, in whatever order the table has them */
};

struct level {
  const void *table;
  lua_Integer count; /* values written of a list */
  lua_Integer last;
  enum kind kind;
};

struct writer {
  lua_State *L;
  char *start, *at, *end;
  int depth;
  const char *reason;
  int keys; /* how many keys lead to the value that cannot be sent */
  struct level levels[LCP__JSON_DEPTH];
};

/* Memory ------------------------------------------------------------------------------
 */

static void memory_use(struct writer *w, size_t used) {
  w->start = lua_touserdata(w->L, SLOT_MEMORY);
  w->at = w->start + used;
  w->end = w->start + lua_rawlen(w->L, SLOT_MEMORY);
}

static void memory_take(struct writer *w) {
  if (lua_type(w->L, SLOT_MEMORY) != LUA_TUSERDATA) {
    lua_newuserdatauv(w->L, FIRST, 0);
    lua_replace(w->L, SLOT_MEMORY);
  }
  memory_use(w, 0);
}

static void memory_grow(struct writer *w, size_t more) {
  size_t used = (size_t)(w->at - w->start), size = 2 * (size_t)(w->end - w->start);
  if (more > (size_t)PTRDIFF_MAX / 2 - used - SLACK)
    luaL_error(w->L, "the message is too large");
  if (size < used + more + SLACK)
    size = used + more + SLACK;
  luaL_checkstack(w->L, 4, "message");
  memcpy(lua_newuserdatauv(w->L, size, 0), w->start, used);
  lua_replace(w->L, SLOT_MEMORY);
  memory_use(w, used);
}

/* Every byte that is put has been asked for here. */
static void reserve(struct writer *w, size_t more) {
  if ((size_t)(w->end - w->at) < more)
    memory_grow(w, more);
}

static void put(struct writer *w, const char *text, size_t n) {
  memcpy(w->at, text, n);
  w->at += n;
}

static void put_word(struct writer *w, const char *word, size_t n) {
  reserve(w, n);
  put(w, word, n);
}

/* Failure -------------------------------------------------------------------------------
 */

static int fail(struct writer *w, const char *reason, int keys) {
  w->reason = reason;
  w->keys = keys;
  return 0;
}

/* stack: whatever it was; the slots of the open tables are still in place */
static int push_failure(struct writer *w) {
  lua_State *L = w->L;
  lua_pushnil(L);
  lua_pushstring(L, w->reason);
  lua_createtable(L, w->keys, 0);
  for (int i = 0; i < w->keys; i++) {
    lua_pushvalue(L, SLOT_FIRST + 2 * i + 1);
    lua_rawseti(L, -2, i + 1);
  }
  return 3;
}

/* Scalars -------------------------------------------------------------------------------
 */

static void put_escape(struct writer *w, char c) {
  static const char hex[] = "0123456789abcdef";
  static const char letters[] = "btn?fr"; /* 8 ... 13 */
  if (c == '"' || c == '\\') {
    *w->at++ = '\\';
    *w->at++ = c;
  } else if (c >= '\b' && c <= '\r' && c != '\v') {
    *w->at++ = '\\';
    *w->at++ = letters[c - '\b'];
  } else {
    put(w, "\\u00", 4);
    *w->at++ = hex[c >> 4 & 15];
    *w->at++ = hex[c & 15];
  }
}

/* 0 when it is not UTF-8. */
static int put_string(struct writer *w, const char *text, size_t size) {
  size_t done = 0;
  unsigned high = 0;
  reserve(w, size + ESCAPE);
  *w->at++ = '"';
  for (;;) {
    size_t run = lcp__json_plain(text + done, size - done, &high);
    put(w, text + done, run);
    done += run;
    if (done == size)
      break;
    put_escape(w, text[done++]);
    reserve(w, size - done + ESCAPE);
  }
  *w->at++ = '"';
  return high == 0 || lcp__utf8_prefix(text, size) == size;
}

static void put_number(struct writer *w) {
  reserve(w, LCP__NUMERAL_MAX);
  if (lua_isinteger(w->L, -1)) {
    w->at += lcp__numeral_integer(lua_tointeger(w->L, -1), w->at);
    return;
  }
  double x = lua_tonumber(w->L, -1);
  if (isfinite(x))
    w->at += lcp__numeral_double(x, w->at);
  else
    put(w, "null", 4);
}

/* Tables --------------------------------------------------------------------------------
 */

/* stack: table.  Its metatable says that it is a list even when it is empty. */
static int is_marked_list(lua_State *L) {
  static const char *const names[] = {"empty_array_mt", "array_mt"};
  int found = 0;
  if (!lua_getmetatable(L, -1))
    return 0;
  lua_pushliteral(L, "__jsontype");
  lua_rawget(L, -2);
  found = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "array") == 0;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushliteral(L, "cjson");
  lua_rawget(L, -2);
  for (size_t i = 0; i < 2 && !found && lua_istable(L, -1); i++) {
    lua_pushstring(L, names[i]);
    lua_rawget(L, -2);
    found = lua_rawequal(L, -1, -5);
    lua_pop(L, 1);
  }
  lua_pop(L, 4);
  return found;
}

/* stack: table; it becomes the innermost open one */
static int open_table(struct writer *w) {
  const void *table = lua_topointer(w->L, -1);
  for (int i = 0; i < w->depth; i++) {
    if (w->levels[i].table == table)
      return fail(w, "is a table that it is itself part of", w->depth);
  }
  if (w->depth == LCP__JSON_DEPTH)
    return fail(w, "is nested too deep", w->depth);
  luaL_checkstack(w->L, 12, "message");
  struct level *level = &w->levels[w->depth++];
  level->table = table;
  level->count = 0;
  level->kind = NEW;
  lua_pushnil(w->L);
  return 1;
}

/* The end of the innermost open table.  stack: table */
static void close_table(struct writer *w) {
  enum kind kind = w->levels[--w->depth].kind;
  if (kind == NEW)
    put_word(w, is_marked_list(w->L) ? "[]" : "{}", 2);
  else
    put_word(w, kind == OBJECT ? "}" : "]", 1);
  lua_pop(w->L, 1);
}

/* The first value of a table is preceded by what opens it. */
static void put_separator(struct writer *w, struct level *level, enum kind kind) {
  reserve(w, 1);
  *w->at++ = level->kind != NEW ? ',' : kind == OBJECT ? '{' : '[';
  level->kind = kind;
}

/* stack: table, key, value */
static int member_begin(struct writer *w, struct level *level) {
  size_t size;
  const char *key = lua_tolstring(w->L, -2, &size);
  if (level->kind == LIST)
    return fail(w, "is a table with keys of different types", w->depth - 1);
  put_separator(w, level, OBJECT);
  if (!put_string(w, key, size))
    return fail(w, "has a key that is not UTF-8", w->depth);
  put_word(w, ":", 1);
  return 1;
}

/* stack: table.  Whether its keys are 1 ... n; n is returned, or 0 after fail(). */
static lua_Integer list_length(struct writer *w) {
  lua_Integer count = 0, last = 0;
  for (lua_pushnil(w->L); lua_next(w->L, -2); lua_pop(w->L, 1)) {
    lua_Integer key = lua_tointeger(w->L, -2);
    if (!lua_isinteger(w->L, -2))
      return fail(w, "is a table with keys of different types", w->depth - 1);
    if (key < 1)
      return fail(w, "is a table with a key below 1", w->depth - 1);
    count++;
    last = key > last ? key : last;
  }
  return count == last ? last : fail(w, "is a list with holes", w->depth - 1);
}

/* From now on by number.  stack: table, key, value */
static int list_count(struct writer *w, struct level *level) {
  lua_pop(w->L, 2);
  level->last = list_length(w);
  if (level->last == 0)
    return 0;
  put_separator(w, level, COUNTED);
  lua_pushinteger(w->L, ++level->count);
  lua_rawgeti(w->L, -2, level->count);
  return 1;
}

/* stack: table, key, value */
static int item_begin(struct writer *w, struct level *level) {
  if (level->kind == OBJECT)
    return fail(w, "is a table with keys of different types", w->depth - 1);
  if (lua_tointeger(w->L, -2) != level->count + 1)
    return list_count(w, level);
  level->count++;
  put_separator(w, level, LIST);
  return 1;
}

/* stack: table, key; after it: table, next key, its value, or none of them at the end */
static int counted_next(struct writer *w, struct level *level) {
  lua_pop(w->L, 1);
  if (level->count == level->last) {
    close_table(w);
    return 1;
  }
  put_separator(w, level, COUNTED);
  lua_pushinteger(w->L, ++level->count);
  lua_rawgeti(w->L, -2, level->count);
  return 1;
}

static int table_next(struct writer *w, int *has_value) {
  struct level *level = &w->levels[w->depth - 1];
  int depth = w->depth, done;
  if (level->kind == COUNTED) {
    done = counted_next(w, level);
  } else if (!lua_next(w->L, -2)) {
    close_table(w);
    done = 1;
  } else if (lua_type(w->L, -2) == LUA_TSTRING) {
    done = member_begin(w, level);
  } else if (lua_isinteger(w->L, -2)) {
    done = item_begin(w, level);
  } else {
    done = fail(w, "is a table with a key that is neither string nor integer", depth - 1);
  }
  *has_value = w->depth == depth;
  return done;
}

/* stack: a value, which is taken from it, or becomes the innermost open table */
static int put_value(struct writer *w) {
  lua_State *L = w->L;
  size_t size;
  const char *text;
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    text = lua_tolstring(L, -1, &size);
    if (!put_string(w, text, size))
      return fail(w, "is a string that is not UTF-8", w->depth);
    break;
  case LUA_TNUMBER:
    put_number(w);
    break;
  case LUA_TTABLE:
    return open_table(w);
  case LUA_TBOOLEAN:
    if (lua_toboolean(L, -1))
      put_word(w, "true", 4);
    else
      put_word(w, "false", 5);
    break;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, -1) != NULL)
      return fail(w, "is a userdata", w->depth);
    put_word(w, "null", 4);
    break;
  default:
    lua_pushfstring(L, "is a %s", luaL_typename(L, -1));
    return fail(w, lua_tostring(L, -1), w->depth);
  }
  lua_pop(L, 1);
  return 1;
}

static int put_message(struct writer *w) {
  int has_value = 1;
  for (;;) {
    if (has_value && !put_value(w))
      return 0;
    if (w->depth == 0)
      return 1;
    if (!table_next(w, &has_value))
      return 0;
  }
}

int lcp__json_encode(lua_State *L) {
  struct writer w;
  luaL_checkany(L, 1);
  lua_settop(L, SLOT_MEMORY);
  int as_memory = !lua_isnil(L, SLOT_MEMORY);
  w.L = L;
  w.depth = 0;
  memory_take(&w);
  lua_pushvalue(L, SLOT_VALUE);
  if (!put_message(&w))
    return push_failure(&w);
  assert(lua_gettop(L) == SLOT_MEMORY);
  if (!as_memory) {
    lua_pushlstring(L, w.start, (size_t)(w.at - w.start));
    return 1;
  }
  lua_pushinteger(L, w.at - w.start);
  return 2;
}
