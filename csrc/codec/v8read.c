/* v8read.c - V8's format as a Lua value.
 * Owns: nothing outside Lua.  No recursion: see walk.h.  The bytes may be hostile: room
 * made for elements before they have been seen is bounded by `budget`, nesting by
 * LCP__DEPTH, colliding keys by `spare`.
 *
 * A function that reads pushes one value, or returns 0 with in.problem set.
 *
 * stack, from `base` on: the objects by id + 1, or nil when nothing refers to one; the
 * memory of the levels; of each open object its table, for a Map or an array with holes
 * a slot for v8keys.c, and the key whose value comes next
 * SPDX-License-Identifier: MIT */
#include "codec/v8.h"

#include <lauxlib.h>

#include "codec/class.h"
#include "codec/v8in.h"
#include "codec/v8keys.h"
#include "codec/walk.h"

enum {
  STACK_USE = 16,    /* slots that a level and its helpers take */
  OBJECT_FIELDS = 4, /* room made for an object, whose size comes last */
  PAIR_MIN = 3       /* bytes of an entry whose key is an integer */
};

enum { SLOT_OBJECTS = 1, SLOT_LEVELS }; /* above `base` */

enum kind {
  OBJECT,
  DENSE,        /* the elements of an array */
  DENSE_FIELDS, /* its properties, which come behind them */
  SPARSE,
  MAP,
  SET,
  ERROR, /* its cause */
  HOST   /* not a table: the next value is the value of the object */
};

struct level {
  int table; /* its slot */
  unsigned char kind;
  unsigned char has_key;   /* a key is on the stack, or the value of a HOST */
  unsigned char is_packed; /* there was undefined in an array */
  uint32_t length;         /* of an array; the id of a HOST */
  uint32_t count;          /* entries so far */
  struct lcp__v8_keys keys;
};

struct reader {
  lua_State *L;
  struct lcp__in in;
  size_t budget;  /* slots of arrays that may still be made in advance */
  uint64_t spare; /* comparisons of keys, see v8keys.h */
  int base, depth, room;
  struct level *levels;
  struct level first[LCP__LEVELS];
};

enum progress {
  FAILED,
  VALUE, /* a whole value is on top of the stack */
  OPENED /* a level has been opened */
};

static enum progress fail(struct reader *r, const char *problem) {
  r->in.problem = problem;
  return FAILED;
}

/* ---- opening ---- */

/* stack: -> the table of an object.  Returns the room of its array. */
static uint32_t push_array(struct reader *r, uint32_t positions) {
  size_t room = positions < r->budget ? positions : r->budget;
  if (room > INT32_MAX)
    room = INT32_MAX;
  r->budget -= room;
  lcp__in_object(&r->in, (int)room, 0);
  return (uint32_t)room;
}

/* stack: table */
static struct level *open_level(struct reader *r, enum kind kind, uint32_t length) {
  if (r->depth == r->room)
    r->levels = lcp__levels_double(r->L, r->base + SLOT_LEVELS, r->levels, &r->room,
                                   sizeof *r->levels);
  struct level *level = &r->levels[r->depth++];
  level->table = lua_gettop(r->L);
  level->kind = (unsigned char)kind;
  level->has_key = level->is_packed = 0;
  level->length = length;
  level->count = 0;
  return level;
}

/* stack: table -> table, the slot for v8keys.c */
static void open_keys(struct reader *r, enum kind kind, uint32_t length, uint32_t room) {
  open_level(r, kind, length)->keys = (struct lcp__v8_keys){.room = room};
  lua_pushnil(r->L);
}

static enum progress open_object(struct reader *r) {
  int is_empty = r->in.at < r->in.end && *r->in.at == V8_OBJECT_END;
  lcp__in_object(&r->in, 0, is_empty ? 0 : OBJECT_FIELDS);
  open_level(r, OBJECT, 0);
  return OPENED;
}

static enum progress open_dense(struct reader *r) {
  uint32_t length;
  if (!lcp__in_varint(&r->in, &length))
    return FAILED;
  if (length > lcp__in_left(&r->in))
    return fail(r, "an array longer than the data");
  push_array(r, length);
  if (length == 0)
    lcp__class_set(r->L, LCP__CLASS_ARRAY);
  open_level(r, DENSE, length);
  return OPENED;
}

/* V8 writes an array in this form if it ever had a hole, even if it is full by now. */
static enum progress open_sparse(struct reader *r) {
  uint32_t length;
  if (!lcp__in_varint(&r->in, &length))
    return FAILED;
  uint32_t room = push_array(r, length <= lcp__in_left(&r->in) / PAIR_MIN ? length : 0);
  if (length == 0)
    lcp__class_set(r->L, LCP__CLASS_ARRAY);
  open_keys(r, SPARSE, length, room);
  return OPENED;
}

static enum progress open_map(struct reader *r) {
  lcp__in_object(&r->in, 0, 0);
  open_keys(r, MAP, 0, 0);
  return OPENED;
}

static enum progress open_set(struct reader *r) {
  lcp__in_object(&r->in, 0, 0);
  lcp__class_set(r->L, LCP__CLASS_SET);
  open_level(r, SET, 0);
  return OPENED;
}

static enum progress open_error(struct reader *r) {
  lcp__in_object(&r->in, 0, OBJECT_FIELDS);
  lua_pushliteral(r->L, "Error");
  lua_setfield(r->L, -2, "name");
  lua_pushliteral(r->L, "");
  lua_setfield(r->L, -2, "message");
  open_level(r, ERROR, 0);
  return OPENED;
}

static enum progress read_host_view(struct reader *r, uint32_t id) {
  uint32_t kind;
  if (!lcp__in_varint(&r->in, &kind) || !lcp__in_push_bytes(&r->in))
    return FAILED;
  lcp__in_keep(&r->in, id);
  return VALUE;
}

/* An object that Node's channel writes itself. */
static enum progress open_host(struct reader *r) {
  uint32_t what, id = r->in.next_id++;
  if (!lcp__in_varint(&r->in, &what))
    return FAILED;
  if (what == V8_HOST_VIEW)
    return read_host_view(r, id);
  if (what != V8_HOST_OBJECT)
    return fail(r, "an unknown kind of object");
  open_level(r, HOST, id);
  return OPENED;
}

/* Objects that contain values. */
static enum progress open_nest(struct reader *r, int tag) {
  if (r->depth == LCP__DEPTH || !lua_checkstack(r->L, STACK_USE))
    return fail(r, "objects nested deeper than " LCP__DEPTH_TEXT " levels");
  switch (tag) {
  case V8_OBJECT:
    return open_object(r);
  case V8_DENSE:
    return open_dense(r);
  case V8_SPARSE:
    return open_sparse(r);
  case V8_MAP:
    return open_map(r);
  case V8_SET:
    return open_set(r);
  case V8_ERROR:
    return open_error(r);
  case V8_HOST:
    return open_host(r);
  default:
    return fail(r, "an unknown kind of value");
  }
}

/* ---- values ---- */

static enum progress read_value(struct reader *r) {
  int tag, padded;
  if (!lcp__in_tag(&r->in, &tag, &padded))
    return FAILED;
  int done = lcp__in_push_plain(&r->in, tag, padded);
  if (done >= 0)
    return done ? VALUE : FAILED;
  return open_nest(r, tag);
}

/* ---- a value of the innermost object is on top of the stack ---- */

/* stack: key -> the name of a property: always a string, as JavaScript has it */
static int turn_name(struct reader *r) {
  if (lua_tostring(r->L, -1) == NULL)
    return lcp__in_fail(&r->in, "a property without a name");
  return 1;
}

/* stack: key of a sparse array -> key of the table.  An index counts from 0, anything
 * else is a name. */
static int turn_key(struct reader *r, const struct level *level) {
  if (!lua_isinteger(r->L, -1))
    return turn_name(r);
  lua_Integer position = lua_tointeger(r->L, -1) + 1;
  if (position < 1 || position > level->length)
    return lcp__in_fail(&r->in, "an index beyond the array");
  lua_pushinteger(r->L, position);
  lua_replace(r->L, -2);
  return 1;
}

/* stack: key, value.  A Lua table has no entry for nil and NaN. */
static int is_entry(lua_State *L) {
  int type = lua_type(L, -2);
  return type == LUA_TNUMBER ? lua_tonumber(L, -2) == lua_tonumber(L, -2)
                             : type != LUA_TNIL;
}

static int fail_crowded(struct reader *r) {
  return lcp__in_fail(&r->in, "numbers as keys that would crowd a table");
}

/* stack: key, value */
static int put_pair(struct reader *r, struct level *level) {
  level->has_key = 0;
  level->count++;
  if (level->kind == OBJECT || level->kind == DENSE_FIELDS) {
    lua_rawset(r->L, level->table);
    return 1;
  }
  if (!is_entry(r->L)) {
    lua_pop(r->L, 2);
    return 1;
  }
  if (level->kind == SPARSE && lua_isnil(r->L, -1) && lua_isinteger(r->L, -2))
    level->is_packed = 1;
  size_t left = lcp__in_left(&r->in) / PAIR_MIN;
  return lcp__v8_keys_put(r->L, &level->keys, level->table, left, &r->spare) ||
         fail_crowded(r);
}

static int put_key(struct reader *r, struct level *level) {
  level->has_key = 1;
  if (level->kind == MAP)
    return 1;
  return level->kind == SPARSE ? turn_key(r, level) : turn_name(r);
}

static void put_element(struct reader *r, struct level *level) {
  level->is_packed |= (unsigned char)lua_isnil(r->L, -1);
  lua_rawseti(r->L, level->table, ++level->count);
}

static void put_member(struct reader *r, struct level *level) {
  if (lua_isnil(r->L, -1))
    lua_pop(r->L, 1);
  else
    lua_rawseti(r->L, level->table, (lua_Integer)++level->length);
  level->count++;
}

/* The value is an object that has just ended. */
static int put(struct reader *r) {
  struct level *level = &r->levels[r->depth - 1];
  switch (level->kind) {
  case DENSE:
    put_element(r, level);
    return 1;
  case SET:
    put_member(r, level);
    return 1;
  case ERROR:
    lua_setfield(r->L, level->table, "cause");
    return 1;
  case HOST:
    level->has_key = 1;
    return 1;
  default:
    return level->has_key ? put_pair(r, level) : put_key(r, level);
  }
}

/* ---- going on with the innermost object ---- */

/* An array with undefined in it is a packed list, which states its length. */
static void set_packed(struct reader *r, const struct level *level) {
  if (level->is_packed) {
    lua_pushinteger(r->L, level->length);
    lua_setfield(r->L, level->table, "n");
  }
}

static int end_keys(struct reader *r, struct level *level) {
  int done = lcp__v8_keys_end(r->L, &level->keys, level->table, &r->spare);
  lua_settop(r->L, level->table);
  return done || fail_crowded(r);
}

/* stack: table, ... */
static int end_map(struct reader *r, struct level *level) {
  if (!end_keys(r, level))
    return 0;
  /* marked only if its keys alone would not make it a Map again */
  if (lcp__v8_layout(r->L, level->table).shape != V8_SHAPE_MAP)
    lcp__class_set(r->L, LCP__CLASS_MAP);
  return lcp__in_count(&r->in, 2 * level->count);
}

/* The counts after the end. stack: table, perhaps more -> table */
static int end(struct reader *r, struct level *level) {
  switch (level->kind) {
  case DENSE_FIELDS:
    return lcp__in_count(&r->in, level->count) && lcp__in_count(&r->in, level->length);
  case SPARSE:
    set_packed(r, level);
    return end_keys(r, level) && lcp__in_count(&r->in, level->count) &&
           lcp__in_count(&r->in, level->length);
  case MAP:
    return end_map(r, level);
  case ERROR:
    lcp__class_set(r->L, LCP__CLASS_ERROR);
    return 1;
  case HOST:
    lcp__in_keep(&r->in, level->length);
    return 1;
  default:
    return lcp__in_count(&r->in, level->count);
  }
}

static enum progress leave(struct reader *r, struct level *level) {
  r->depth--;
  return end(r, level) ? VALUE : FAILED;
}

/* The functions below continue until the object has ended, or another has been opened in
 * it. */

static enum progress go_on_pairs(struct reader *r, struct level *level,
                                 enum lcp__v8_tag end_tag) {
  for (;;) {
    if (!level->has_key && lcp__in_if(&r->in, end_tag))
      return leave(r, level);
    enum progress progress = read_value(r);
    if (progress != VALUE)
      return progress;
    if (!(level->has_key ? put_pair(r, level) : put_key(r, level)))
      return FAILED;
  }
}

static enum progress go_on_elements(struct reader *r, struct level *level) {
  while (level->count < level->length) {
    if (lcp__in_if(&r->in, V8_HOLE)) {
      level->count++;
      continue;
    }
    enum progress progress = read_value(r);
    if (progress != VALUE)
      return progress;
    put_element(r, level);
  }
  set_packed(r, level);
  level->kind = DENSE_FIELDS;
  level->count = 0;
  return go_on_pairs(r, level, V8_DENSE_END);
}

static enum progress go_on_members(struct reader *r, struct level *level) {
  while (!lcp__in_if(&r->in, V8_SET_END)) {
    enum progress progress = read_value(r);
    if (progress != VALUE)
      return progress;
    put_member(r, level);
  }
  return leave(r, level);
}

static enum progress go_on_error(struct reader *r, struct level *level) {
  for (;;) {
    const unsigned char *tag = lcp__in_bytes(&r->in, 1);
    if (!tag)
      return FAILED;
    if (*tag == V8_ERROR_END)
      return leave(r, level);
    if (*tag != V8_ERROR_CAUSE) {
      if (!lcp__in_error_part(&r->in, level->table, *tag))
        return FAILED;
      continue;
    }
    enum progress progress = read_value(r);
    if (progress != VALUE)
      return progress;
    lua_setfield(r->L, level->table, "cause");
  }
}

static enum progress go_on_host(struct reader *r, struct level *level) {
  enum progress progress = level->has_key ? VALUE : read_value(r);
  return progress == VALUE ? leave(r, level) : progress;
}

static enum progress go_on(struct reader *r) {
  struct level *level = &r->levels[r->depth - 1];
  switch (level->kind) {
  case OBJECT:
    return go_on_pairs(r, level, V8_OBJECT_END);
  case DENSE:
    return go_on_elements(r, level);
  case DENSE_FIELDS:
    return go_on_pairs(r, level, V8_DENSE_END);
  case SPARSE:
    return go_on_pairs(r, level, V8_SPARSE_END);
  case MAP:
    return go_on_pairs(r, level, V8_MAP_END);
  case SET:
    return go_on_members(r, level);
  case ERROR:
    return go_on_error(r, level);
  default:
    return go_on_host(r, level);
  }
}

/* ---- the message ---- */

static int read_message(struct reader *r) {
  if (!lcp__in_header(&r->in))
    return 0;
  enum progress progress = read_value(r);
  while (progress != FAILED && r->depth > 0)
    progress = progress == VALUE && !put(r) ? FAILED : go_on(r);
  if (progress == FAILED)
    return 0;
  return r->in.at == r->in.end || lcp__in_fail(&r->in, "more than one value");
}

static void push_failure(struct reader *r) {
  lua_pushfstring(r->L, "%s at byte %I", r->in.problem,
                  (LUAI_UACINT)(r->in.at - r->in.begin));
}

int lcp__v8_decode(lua_State *L, const char *bytes, size_t size) {
  struct reader r;
  memset(&r, 0, offsetof(struct reader, first));
  r.L = r.in.L = L;
  r.in.begin = r.in.at = (const unsigned char *)bytes;
  r.in.end = r.in.begin + size;
  r.budget = size; /* no element takes less than a byte */
  r.spare = LCP__V8_KEYS_SPARE;
  r.base = lua_gettop(L);
  r.levels = r.first;
  r.room = LCP__LEVELS;
  luaL_checkstack(L, STACK_USE, "message");
  if (memchr(bytes, V8_REFERENCE, size) != NULL) {
    r.in.objects = r.base + SLOT_OBJECTS;
    lua_newtable(L);
  } else {
    lua_pushnil(L);
  }
  lua_pushnil(L);
  int done = read_message(&r);
  if (!done)
    push_failure(&r);
  lua_replace(L, r.base + 1);
  lua_settop(L, r.base + 1);
  return done;
}
