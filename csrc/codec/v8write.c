/* v8write.c - a Lua value in V8's format.
 * Owns: nothing outside Lua.  No recursion: see walk.h.
 *
 * A put_ function takes the value from the top of the stack, or opens it as the innermost
 * table, or leaves the reason why it cannot be sent there and returns 0.
 *
 * stack: the memory of the walk, the objects already written once they are many, and the
 * open tables, each with its key.  Above a key of a Map that is a table and open itself
 * its value waits.
 * SPDX-License-Identifier: MIT */
#include "codec/v8.h"

#include <lauxlib.h>

#include "codec/class.h"
#include "codec/live.h"
#include "codec/out.h"
#include "codec/v8out.h"
#include "codec/walk.h"

enum { FEW = 16 /* objects looked up one by one */ };

enum kind {
  ARRAY,     /* positions 1 ... last; nil is a hole */
  PACKED,    /* the same; nil is undefined */
  NAMED,     /* the same without any nil, and `n` */
  SET,       /* positions 1 ... last */
  OBJECT,    /* pairs; `at` counts them, `last` is where the tag is */
  MAP,       /* the same */
  MAP_VALUE, /* the same; the value for a key that was a table comes next */
  ERROR      /* its cause */
};

struct seen {
  const void *table;
  uint32_t id;
};

struct writer {
  lua_State *L;
  struct lcp__out *out;
  uint32_t next_id; /* of the next object, which may be something other than a table */
  uint32_t seen_count;
  uint32_t seen_mask; /* slots - 1 of the hash table in `rows`, 0: `few` is a list */
  int seen_slot;
  struct seen *rows;
  struct seen few[FEW];
  struct lcp__walk walk;
};

static int put_value(struct writer *w);

static int refuse(struct writer *w, const char *reason) {
  return lcp__walk_refuse(&w->walk, w->walk.depth, reason);
}

/* ---- objects seen ---- */

/* Tables are identified by their address, which an attacker cannot choose. */
static struct seen *seen_row(struct seen *rows, uint32_t mask, const void *table) {
  uint32_t i = (uint32_t)((uintptr_t)table * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
  while (rows[i].table != NULL && rows[i].table != table)
    i = (i + 1) & mask;
  return &rows[i];
}

/* From a list to a hash table, or to one of twice the size. */
static void seen_grow(struct writer *w) {
  uint32_t old = w->seen_mask ? w->seen_mask + 1 : FEW, slots = 4 * old;
  struct seen *rows = lua_newuserdatauv(w->L, slots * sizeof *rows, 0);
  memset(rows, 0, slots * sizeof *rows);
  for (uint32_t i = 0; i < old; i++) {
    if (w->rows[i].table != NULL)
      *seen_row(rows, slots - 1, w->rows[i].table) = w->rows[i];
  }
  lua_replace(w->L, w->seen_slot);
  w->rows = rows;
  w->seen_mask = slots - 1;
}

static struct seen *seen_find(struct writer *w, const void *table) {
  if (w->seen_mask) {
    struct seen *row = seen_row(w->rows, w->seen_mask, table);
    return row->table ? row : NULL;
  }
  for (uint32_t i = 0; i < w->seen_count; i++) {
    if (w->few[i].table == table)
      return &w->few[i];
  }
  return NULL;
}

static void seen_add(struct writer *w, const void *table) {
  if (w->seen_mask ? w->seen_count > w->seen_mask / 2 : w->seen_count == FEW)
    seen_grow(w);
  struct seen *row =
      w->seen_mask ? seen_row(w->rows, w->seen_mask, table) : &w->few[w->seen_count];
  row->table = table;
  row->id = w->next_id++;
  w->seen_count++;
}

/* ---- scalars ---- */

/* 0 for a table, and for values that JavaScript cannot represent. */
static int put_scalar(struct writer *w, int index, int type) {
  lua_State *L = w->L;
  switch (type) {
  case LUA_TSTRING:
    w->next_id += lcp__out_string(L, w->out, index);
    return 1;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      lcp__out_integer(w->out, lua_tointeger(L, index));
    else
      lcp__out_float(w->out, lua_tonumber(L, index));
    return 1;
  case LUA_TBOOLEAN:
    lcp__out_byte(w->out, lua_toboolean(L, index) ? V8_TRUE : V8_FALSE);
    return 1;
  case LUA_TNIL:
    lcp__out_byte(w->out, V8_UNDEFINED);
    return 1;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, index) != NULL)
      return 0;
    lcp__out_byte(w->out, V8_NULL);
    return 1;
  default:
    return 0;
  }
}

/* ---- open tables ---- */

/* stack: table -> table, nil */
static struct lcp__level *open_table(struct writer *w, enum kind kind) {
  struct lcp__level *level = lcp__walk_open(&w->walk);
  if (level != NULL)
    level->kind = (int)kind;
  return level;
}

static int open_array(struct writer *w, enum kind kind, uint32_t length) {
  struct lcp__level *level = open_table(w, kind);
  if (level == NULL)
    return 0;
  level->last = length;
  lcp__out_tag(w->out, V8_DENSE, length);
  return 1;
}

static int open_set(struct writer *w) {
  struct lcp__level *level = open_table(w, SET);
  if (level == NULL)
    return 0;
  level->last = (lua_Integer)lua_rawlen(w->L, level->slot);
  lcp__out_byte(w->out, V8_SET);
  return 1;
}

static int open_pairs(struct writer *w, enum kind kind) {
  struct lcp__level *level = open_table(w, kind);
  if (level == NULL)
    return 0;
  lcp__out_byte(w->out, kind == MAP ? V8_MAP : V8_OBJECT);
  level->last = w->out->at - w->out->bytes - 1;
  return 1;
}

/* A string key is written the same way in an object and in a Map, so an object can become
 * one when a key comes that only a Map can have. */
static void turn_to_map(struct writer *w, struct lcp__level *level) {
  w->out->bytes[level->last] = V8_MAP;
  level->kind = MAP;
}

static int open_error(struct writer *w, const struct lcp__v8_error_class *class) {
  int table = lua_gettop(w->L);
  lcp__out_error(w->L, w->out, table, class);
  if (open_table(w, ERROR) == NULL)
    return 0;
  lua_pushliteral(w->L, "cause");
  lua_replace(w->L, table + 1);
  lua_pushvalue(w->L, table + 1);
  if (lua_rawget(w->L, table) == LUA_TNIL) {
    lua_pop(w->L, 1);
    return 1;
  }
  lcp__out_byte(w->out, V8_ERROR_CAUSE);
  return put_value(w);
}

/* Whether the first key is a string.  Then the table is an object or a Map, and which of
 * them is seen while it is written.  Only the `n` of a packed list may come before
 * positions. */
static int begins_with_name(lua_State *L, int table) {
  lua_pushnil(L);
  if (!lua_next(L, table))
    return 0;
  int is_name = lua_type(L, -2) == LUA_TSTRING &&
                (!lua_isinteger(L, -1) || strcmp(lua_tostring(L, -2), "n") != 0);
  lua_pop(L, 2);
  return is_name;
}

/* A table without a class, or without the fields of its class. */
static int open_plain(struct writer *w) {
  int table = lua_gettop(w->L);
  if (begins_with_name(w->L, table))
    return open_pairs(w, OBJECT);
  struct lcp__v8_layout layout = lcp__v8_layout(w->L, table);
  switch (layout.shape) {
  case V8_SHAPE_ARRAY:
    return open_array(w, ARRAY, layout.length);
  case V8_SHAPE_PACKED:
    /* undefined in it shows the reader that it is a packed list; then `n` is not
     * needed */
    return open_array(w, layout.count == layout.length ? NAMED : PACKED, layout.length);
  case V8_SHAPE_MAP:
    return open_pairs(w, MAP);
  case V8_SHAPE_EMPTY:
    if (lcp__class_is_array(w->L, table))
      return open_array(w, ARRAY, 0);
    return open_pairs(w, OBJECT);
  default:
    return open_pairs(w, OBJECT);
  }
}

/* stack: table.  Whether it is written completely: it contains no other values. */
static int put_special(struct writer *w, enum lcp__class class) {
  int table = lua_gettop(w->L);
  switch (class) {
  case LCP__CLASS_BIGINT:
    return lcp__out_bigint(w->L, w->out, table);
  case LCP__CLASS_DATE:
    return lcp__out_date(w->L, w->out, table);
  case LCP__CLASS_REGEXP:
    return lcp__out_regexp(w->L, w->out, table);
  default:
    return 0;
  }
}

static int put_table(struct writer *w) {
  const void *table = lua_topointer(w->L, -1);
  const struct seen *before = seen_find(w, table);
  if (before) {
    lcp__out_tag(w->out, V8_REFERENCE, before->id);
    lua_pop(w->L, 1);
    return 1;
  }
  enum lcp__class class = lcp__class_of(w->L, lua_gettop(w->L));
  int is_whole = class != LCP__CLASS_NONE && put_special(w, class);
  if (!is_whole || class != LCP__CLASS_BIGINT) /* which is not an object */
    seen_add(w, table);
  if (is_whole) {
    lua_pop(w->L, 1);
    return 1;
  }
  const struct lcp__v8_error_class *error =
      class == LCP__CLASS_ERROR ? lcp__error_class(w->L, lua_gettop(w->L)) : NULL;
  if (error != NULL)
    return open_error(w, error);
  return class == LCP__CLASS_MAP   ? open_pairs(w, MAP)
         : class == LCP__CLASS_SET ? open_set(w)
                                   : open_plain(w);
}

static int put_value(struct writer *w) {
  int type = lua_type(w->L, -1);
  if (type == LUA_TTABLE) {
    lcp__live_copy(w->L);
    return put_table(w);
  }
  if (!put_scalar(w, -1, type)) {
    lua_pushfstring(w->L, "a %s cannot be sent", luaL_typename(w->L, -1));
    return refuse(w, lua_tostring(w->L, -1));
  }
  lua_pop(w->L, 1);
  return 1;
}

/* ---- going on with the innermost table, until another is opened ---- */

static void close_array(struct writer *w, const struct lcp__level *level) {
  uint32_t length = (uint32_t)level->last;
  if (level->kind == NAMED) {
    lcp__out_name(w->out, "n");
    lcp__out_integer(w->out, length);
  }
  lcp__out_tag(w->out, V8_DENSE_END, level->kind == NAMED);
  lcp__out_varint(w->out, length);
}

static int positions_next(struct writer *w, struct lcp__level *level) {
  int depth = w->walk.depth;
  int gap = level->kind == ARRAY ? V8_HOLE : V8_UNDEFINED;
  while (level->at < level->last && !w->out->too_long) {
    if (lua_rawgeti(w->L, level->slot, ++level->at) == LUA_TNIL) {
      lcp__out_byte(w->out, gap);
      lua_pop(w->L, 1);
    } else if (!put_value(w)) {
      return 0;
    } else if (w->walk.depth > depth) {
      return 1;
    }
  }
  if (level->kind == SET)
    lcp__out_tag(w->out, V8_SET_END, (uint32_t)level->last);
  else
    close_array(w, level);
  lcp__walk_close(&w->walk);
  return 1;
}

/* stack: table, key, value -> the same, perhaps with the key as an open table above */
static int put_key(struct writer *w, struct lcp__level *level) {
  int type = lua_type(w->L, -2);
  uint32_t id = w->next_id;
  int done = put_scalar(w, -2, type);
  int is_name = type == LUA_TSTRING && w->next_id == id; /* a Buffer is an object */
  if (level->kind == OBJECT && !is_name)
    turn_to_map(w, level);
  if (done)
    return 1;
  if (type == LUA_TTABLE) {
    level->kind = MAP_VALUE;
    lua_pushvalue(w->L, -2);
    return put_value(w);
  }
  lua_pushfstring(w->L, "a %s cannot be a key", luaL_typename(w->L, -2));
  return lcp__walk_refuse(&w->walk, w->walk.depth - 1, lua_tostring(w->L, -1));
}

static void close_pairs(struct writer *w, const struct lcp__level *level) {
  uint32_t count = (uint32_t)level->at;
  if (level->kind == OBJECT)
    lcp__out_tag(w->out, V8_OBJECT_END, count);
  else
    lcp__out_tag(w->out, V8_MAP_END, 2 * count);
  lua_pushnil(w->L); /* lua_next has taken the key */
  lcp__walk_close(&w->walk);
}

static int pairs_next(struct writer *w, struct lcp__level *level) {
  int depth = w->walk.depth, has_key = level->kind == MAP_VALUE;
  while (has_key || lua_next(w->L, level->slot)) {
    if (!has_key) {
      level->at++;
      if (!put_key(w, level))
        return 0;
      if (w->walk.depth > depth)
        return 1;
    }
    if (level->kind == MAP_VALUE)
      level->kind = MAP;
    has_key = 0;
    if (!put_value(w))
      return 0;
    if (w->walk.depth > depth)
      return 1;
    if (w->out->too_long)
      return 1;
  }
  close_pairs(w, level);
  return 1;
}

static int table_next(struct writer *w) {
  struct lcp__level *level = lcp__walk_top(&w->walk);
  switch (level->kind) {
  case OBJECT:
  case MAP:
  case MAP_VALUE:
    return pairs_next(w, level);
  case ERROR:
    lcp__out_byte(w->out, V8_ERROR_END);
    lcp__walk_close(&w->walk);
    return 1;
  default:
    return positions_next(w, level);
  }
}

/* stack: message */
static int put_message(struct writer *w) {
  if (!put_value(w))
    return 0;
  while (w->walk.depth > 0 && !w->out->too_long) {
    if (!table_next(w))
      return 0;
  }
  return !lcp__out_is_too_long(w->out) ||
         lcp__walk_refuse(&w->walk, 0, "more than 1 GiB cannot be sent");
}

int lcp__v8_encode(lua_State *L, int index, struct lcp__out *out) {
  struct writer w;
  int top = lua_gettop(L);
  w.L = L;
  w.out = out;
  w.next_id = w.seen_count = w.seen_mask = 0;
  w.rows = w.few;
  lcp__walk_begin(&w.walk, L);
  lua_pushnil(L);
  w.seen_slot = lua_gettop(L);
  lua_pushvalue(L, index);
  lcp__out_byte(out, V8_HEADER);
  lcp__out_byte(out, V8_VERSION);
  int done = put_message(&w);
  if (!done)
    lua_replace(L, top + 1);
  lua_settop(L, done ? top : top + 1);
  return done;
}
