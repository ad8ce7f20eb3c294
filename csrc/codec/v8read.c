/* v8read.c - see v8read.h.
 * Owns: nothing outside Lua.  The bytes may come from anybody: what is made before the
 * bytes for it have been seen is bounded by `budget`, the nesting by V8_DEPTH.
 * A read_ function pushes one value and returns 1, or returns 0 with in.problem set.
 * stack: 1 the bytes, 2 the objects by id + 1, or nil when nothing refers to one */
#include "codec/v8read.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/v8class.h"
#include "codec/v8format.h"
#include "codec/v8in.h"
#include "codec/v8keys.h"
#include "codec/v8scalar.h"
#include "view.h"

enum {
  STACK_USE = 12,    /* slots that a level and its helpers take */
  OBJECT_FIELDS = 4, /* room made for an object, whose size comes last */
  PAIR_MIN = 3       /* bytes of an entry whose key is an integer */
};

enum { SLOT_BYTES = 1, SLOT_OBJECTS };

#define UPVALUE_CLASSES lua_upvalueindex(1)

struct reader {
  lua_State *L;
  struct in in;
  uint32_t version;
  uint32_t next_id;
  size_t budget;  /* slots of arrays that may still be made in advance */
  uint64_t spare; /* comparisons of keys, see v8keys.h */
  int keeps_objects;
  int level;
};

static int read_value(struct reader *r);

/* Objects -------------------------------------------------------------------------- */

static void keep(struct reader *r, uint32_t id) {
  if (r->keeps_objects) {
    lua_pushvalue(r->L, -1);
    lua_rawseti(r->L, SLOT_OBJECTS, (lua_Integer)id + 1);
  }
}

static void set_class(struct reader *r, enum v8_class class) {
  lcp__v8_set_class(r->L, class, UPVALUE_CLASSES);
}

/* stack: -> the table for an object that begins here.  Returns the room of its array. */
static int push_object(struct reader *r, size_t positions, int fields) {
  size_t room = positions < r->budget ? positions : r->budget;
  if (room > INT32_MAX)
    room = INT32_MAX;
  r->budget -= room;
  lua_createtable(r->L, (int)room, fields);
  keep(r, r->next_id++);
  return (int)room;
}

static int enter(struct reader *r) {
  if (r->level >= V8_DEPTH || !lua_checkstack(r->L, STACK_USE))
    return in_fail(&r->in, "objects nested too deeply");
  r->level++;
  return 1;
}

static int read_reference(struct reader *r) {
  uint32_t id;
  if (!take_varint(&r->in, &id))
    return 0;
  if (id >= r->next_id)
    return in_fail(&r->in, "a reference to an object that has not begun");
  /* nil: one that is no table and has not ended */
  if (lua_rawgeti(r->L, SLOT_OBJECTS, (lua_Integer)id + 1) == LUA_TNIL)
    return in_fail(&r->in, "a reference to an object that has not ended");
  return 1;
}

/* stack: key -> the name of a property: always a string, as JavaScript has it */
static int turn_name(struct reader *r) {
  if (lua_tostring(r->L, -1) == NULL)
    return in_fail(&r->in, "a property without a name");
  return 1;
}

/* stack: table.  Up to the end tag and the count behind it. */
static int fill_properties(struct reader *r, enum v8_tag end) {
  uint32_t count = 0;
  for (; !take_if(&r->in, end); count++) {
    if (!read_value(r) || !turn_name(r) || !read_value(r))
      return 0;
    lua_rawset(r->L, -3);
  }
  return take_count(&r->in, count);
}

static int read_object(struct reader *r) {
  int is_empty = r->in.at < r->in.end && *r->in.at == TAG_OBJECT_END;
  push_object(r, 0, is_empty ? 0 : OBJECT_FIELDS);
  return fill_properties(r, TAG_OBJECT_END);
}

/* stack: table.  One with undefined in it is a packed list, and says its length. */
static void set_packed(lua_State *L, uint32_t length) {
  lua_pushinteger(L, length);
  lua_setfield(L, -2, "n");
}

/* stack: table */
static int fill_elements(struct reader *r, uint32_t length) {
  int packed = 0;
  for (uint32_t i = 1; i <= length; i++) {
    if (take_if(&r->in, TAG_HOLE))
      continue;
    if (!read_value(r))
      return 0;
    packed |= lua_isnil(r->L, -1);
    lua_rawseti(r->L, -2, i);
  }
  if (packed)
    set_packed(r->L, length);
  return 1;
}

static int read_dense(struct reader *r) {
  uint32_t length;
  if (!take_varint(&r->in, &length))
    return 0;
  if (length > in_left(&r->in))
    return in_fail(&r->in, "an array longer than the data");
  push_object(r, length, 0);
  if (length == 0)
    set_class(r, CLASS_ARRAY);
  return fill_elements(r, length) && fill_properties(r, TAG_DENSE_END) &&
         take_count(&r->in, length);
}

static int fail_crowded(struct reader *r) {
  return in_fail(&r->in, "numbers as keys that would crowd a table");
}

/* stack: key of a sparse array -> key of the table.  An index counts from 0, anything
 * else is a name. */
static int turn_key(struct reader *r, uint32_t length) {
  if (!lua_isinteger(r->L, -1))
    return turn_name(r);
  lua_Integer position = lua_tointeger(r->L, -1) + 1;
  if (position < 1 || position > length)
    return in_fail(&r->in, "an index beyond the array");
  lua_pushinteger(r->L, position);
  lua_replace(r->L, -2);
  return 1;
}

/* Node writes so whatever has had a hole once, also what is full by now. */
static int read_sparse(struct reader *r) {
  uint32_t length, count = 0;
  int packed = 0;
  struct lcp__v8_keys keys;
  if (!take_varint(&r->in, &length))
    return 0;
  int room = push_object(r, length <= in_left(&r->in) / PAIR_MIN ? length : 0, 0);
  if (length == 0)
    set_class(r, CLASS_ARRAY);
  lcp__v8_keys_begin(r->L, &keys, room);
  for (; !take_if(&r->in, TAG_SPARSE_END); count++) {
    if (!read_value(r) || !turn_key(r, length) || !read_value(r))
      return 0;
    packed |= lua_isnil(r->L, -1) && lua_isinteger(r->L, -2);
    if (!lcp__v8_keys_put(r->L, &keys, in_left(&r->in) / PAIR_MIN, &r->spare))
      return fail_crowded(r);
  }
  if (!lcp__v8_keys_end(r->L, &keys, &r->spare))
    return fail_crowded(r);
  if (packed)
    set_packed(r->L, length);
  return take_count(&r->in, count) && take_count(&r->in, length);
}

/* stack: key, value.  A Lua table has no entry for nil and NaN. */
static int is_entry(lua_State *L) {
  int type = lua_type(L, -2);
  return type == LUA_TNUMBER ? lua_tonumber(L, -2) == lua_tonumber(L, -2)
                             : type != LUA_TNIL;
}

static int read_map(struct reader *r) {
  uint32_t count = 0;
  struct lcp__v8_keys keys;
  push_object(r, 0, 0);
  lcp__v8_keys_begin(r->L, &keys, 0);
  for (; !take_if(&r->in, TAG_MAP_END); count += 2) {
    if (!read_value(r) || !read_value(r))
      return 0;
    if (!is_entry(r->L))
      lua_pop(r->L, 2);
    else if (!lcp__v8_keys_put(r->L, &keys, in_left(&r->in) / PAIR_MIN, &r->spare))
      return fail_crowded(r);
  }
  if (!lcp__v8_keys_end(r->L, &keys, &r->spare))
    return fail_crowded(r);
  /* one that would not go back as a Map by itself */
  if (lcp__v8_layout(r->L, lua_gettop(r->L)).shape != SHAPE_MAP)
    set_class(r, CLASS_MAP);
  return take_count(&r->in, count);
}

static int read_set(struct reader *r) {
  uint32_t count = 0;
  lua_Integer position = 0;
  push_object(r, 0, 0);
  set_class(r, CLASS_SET);
  for (; !take_if(&r->in, TAG_SET_END); count++) {
    if (!read_value(r))
      return 0;
    if (lua_isnil(r->L, -1))
      lua_pop(r->L, 1);
    else
      lua_rawseti(r->L, -2, ++position);
  }
  return take_count(&r->in, count);
}

/* stack: the buffer's bytes -> the bytes that a view behind it shows */
static int read_view(struct reader *r) {
  size_t size;
  uint32_t kind, offset, length, flags;
  const char *bytes = lua_tolstring(r->L, -1, &size);
  if (!take_varint(&r->in, &kind) || !take_varint(&r->in, &offset) ||
      !take_varint(&r->in, &length))
    return 0;
  if (r->version >= 14 && !take_varint(&r->in, &flags))
    return 0;
  if (offset > size || length > size - offset)
    return in_fail(&r->in, "a view beyond its buffer");
  lua_pushlstring(r->L, bytes + offset, length);
  lua_remove(r->L, -2);
  keep(r, r->next_id++);
  return 1;
}

/* A view may stand only right behind the buffer: one buffer and many references to it,
 * each with a view, would come to more than the data.  Node's channel writes none. */
static int read_array_buffer(struct reader *r, int grows) {
  uint32_t size, greatest, id = r->next_id++;
  if (grows) {
    if (!take_varint(&r->in, &size) || !take_varint(&r->in, &greatest))
      return 0;
    const unsigned char *bytes = take_bytes(&r->in, size);
    if (!bytes)
      return 0;
    lua_pushlstring(r->L, (const char *)bytes, size);
  } else if (!lcp__v8_read_bytes(r->L, &r->in)) {
    return 0;
  }
  keep(r, id);
  return !take_if(&r->in, TAG_VIEW) || read_view(r);
}

/* Other classes -------------------------------------------------------------------- */

static int read_host(struct reader *r) {
  uint32_t what, kind, id = r->next_id++;
  if (!take_varint(&r->in, &what))
    return 0;
  if (what == HOST_VIEW) {
    if (!take_varint(&r->in, &kind) || !lcp__v8_read_bytes(r->L, &r->in))
      return 0;
  } else if (what != HOST_OBJECT) {
    return in_fail(&r->in, "an unknown kind of object");
  } else if (!read_value(r)) {
    return 0;
  }
  keep(r, id);
  return 1;
}

static int read_date(struct reader *r) {
  push_object(r, 0, 1);
  set_class(r, CLASS_DATE);
  if (!lcp__v8_read_double(r->L, &r->in, 0))
    return 0;
  lua_setfield(r->L, -2, "time");
  return 1;
}

static void push_flags(lua_State *L, uint32_t bits) {
  char letters[16];
  size_t n = 0;
  for (const struct v8_flag *flag = lcp__v8_flags; flag->letter; flag++) {
    if (bits & flag->bit)
      letters[n++] = flag->letter;
  }
  lua_pushlstring(L, letters, n);
}

static int read_regexp(struct reader *r) {
  uint32_t bits;
  push_object(r, 0, 2);
  set_class(r, CLASS_REGEXP);
  if (!lcp__v8_read_any_text(r->L, &r->in))
    return 0;
  lua_setfield(r->L, -2, "source");
  if (!take_varint(&r->in, &bits))
    return 0;
  push_flags(r->L, bits);
  lua_setfield(r->L, -2, "flags");
  return 1;
}

static const char *error_name(int tag) {
  const struct v8_error_class *row = lcp__v8_error_classes;
  while (row->tag && row->tag != tag)
    row++;
  return row->name;
}

/* stack: table.  One part of an error; a tag that is none of them names its class. */
static int fill_error(struct reader *r, int tag) {
  const char *name;
  switch (tag) {
  case ERROR_MESSAGE:
  case ERROR_STACK:
    if (!lcp__v8_read_any_text(r->L, &r->in))
      return 0;
    lua_setfield(r->L, -2, tag == ERROR_MESSAGE ? "message" : "stack");
    return 1;
  case ERROR_CAUSE:
    if (!read_value(r))
      return 0;
    lua_setfield(r->L, -2, "cause");
    return 1;
  }
  name = error_name(tag);
  if (strcmp(name, "Error") == 0)
    return in_fail(&r->in, "an unknown part of an error");
  lua_pushstring(r->L, name);
  lua_setfield(r->L, -2, "name");
  return 1;
}

static int read_error(struct reader *r) {
  push_object(r, 0, OBJECT_FIELDS);
  lua_pushliteral(r->L, "Error");
  lua_setfield(r->L, -2, "name");
  lua_pushliteral(r->L, "");
  lua_setfield(r->L, -2, "message");
  for (;;) {
    const unsigned char *tag = take_bytes(&r->in, 1);
    if (!tag || (*tag != ERROR_END && !fill_error(r, *tag)))
      return 0;
    if (*tag == ERROR_END)
      break;
  }
  set_class(r, CLASS_ERROR);
  return 1;
}

/* An object around a scalar comes as the scalar. */
static int read_boxed(struct reader *r, int tag) {
  uint32_t id = r->next_id++;
  int done = 1;
  switch (tag) {
  case TAG_BOXED_TRUE:
  case TAG_BOXED_FALSE:
    lua_pushboolean(r->L, tag == TAG_BOXED_TRUE);
    break;
  case TAG_BOXED_NUMBER:
    done = lcp__v8_read_double(r->L, &r->in, 0);
    break;
  case TAG_BOXED_BIGINT:
    done = lcp__v8_read_bigint(r->L, &r->in, UPVALUE_CLASSES);
    break;
  default:
    done = lcp__v8_read_any_text(r->L, &r->in);
  }
  if (done)
    keep(r, id);
  return done;
}

/* Objects that have values in them, and so nest. */
static int read_nest(struct reader *r, int tag) {
  int done;
  if (!enter(r))
    return 0;
  switch (tag) {
  case TAG_OBJECT:
    done = read_object(r);
    break;
  case TAG_DENSE:
    done = read_dense(r);
    break;
  case TAG_SPARSE:
    done = read_sparse(r);
    break;
  case TAG_MAP:
    done = read_map(r);
    break;
  case TAG_SET:
    done = read_set(r);
    break;
  case TAG_ERROR:
    done = read_error(r);
    break;
  default:
    done = read_host(r);
  }
  r->level--;
  return done;
}

static int read_constant(struct reader *r, int tag) {
  switch (tag) {
  case TAG_HOLE:
  case TAG_UNDEFINED:
    lua_pushnil(r->L);
    return 1;
  case TAG_NULL:
    lua_pushlightuserdata(r->L, NULL);
    return 1;
  case TAG_TRUE:
  case TAG_FALSE:
    lua_pushboolean(r->L, tag == TAG_TRUE);
    return 1;
  }
  return in_fail(&r->in, "an unknown kind of value");
}

static int read_value(struct reader *r) {
  int tag, padded;
  if (!take_tag(&r->in, &tag, &padded))
    return 0;
  switch (tag) {
  case TAG_INT32:
    return lcp__v8_read_int32(r->L, &r->in);
  case TAG_ONE_BYTE:
  case TAG_TWO_BYTE:
  case TAG_UTF8:
    return lcp__v8_read_text(r->L, &r->in, tag);
  case TAG_OBJECT:
  case TAG_DENSE:
  case TAG_SPARSE:
  case TAG_MAP:
  case TAG_SET:
  case TAG_ERROR:
  case TAG_HOST:
    return read_nest(r, tag);
  case TAG_DOUBLE:
    return lcp__v8_read_double(r->L, &r->in, padded);
  case TAG_UINT32:
    return lcp__v8_read_uint32(r->L, &r->in);
  case TAG_BIGINT:
    return lcp__v8_read_bigint(r->L, &r->in, UPVALUE_CLASSES);
  case TAG_REFERENCE:
    return read_reference(r);
  case TAG_DATE:
    return read_date(r);
  case TAG_REGEXP:
    return read_regexp(r);
  case TAG_ARRAY_BUFFER:
  case TAG_GROWING_BUFFER:
    return read_array_buffer(r, tag == TAG_GROWING_BUFFER);
  case TAG_BOXED_TRUE:
  case TAG_BOXED_FALSE:
  case TAG_BOXED_NUMBER:
  case TAG_BOXED_BIGINT:
  case TAG_BOXED_STRING:
    return read_boxed(r, tag);
  }
  return read_constant(r, tag);
}

static int take_header(struct reader *r) {
  if (in_left(&r->in) < 2 || r->in.at[0] != TAG_VERSION)
    return in_fail(&r->in, "no header");
  r->in.at++;
  if (!take_varint(&r->in, &r->version))
    return 0;
  return (r->version >= V8_OLDEST && r->version <= V8_VERSION) ||
         in_fail(&r->in, "a version that is not known");
}

static int read_message(struct reader *r) {
  if (!take_header(r) || !read_value(r))
    return 0;
  return r->in.at == r->in.end || in_fail(&r->in, "more than one value");
}

int lcp__v8_decode(lua_State *L) {
  size_t size;
  struct reader r;
  const char *bytes = lcp__view_check(L, 1, &size);
  memset(&r, 0, sizeof r);
  lua_settop(L, SLOT_BYTES);
  r.L = L;
  r.in.begin = r.in.at = (const unsigned char *)bytes;
  r.in.end = r.in.begin + size;
  r.spare = LCP__V8_KEYS_SPARE;
  r.budget = size; /* no element takes less than a byte */
  r.keeps_objects = memchr(bytes, TAG_REFERENCE, size) != NULL;
  if (r.keeps_objects)
    lua_newtable(L);
  else
    lua_pushnil(L);
  if (read_message(&r))
    return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "%s at byte %I", r.in.problem, (LUAI_UACINT)(r.in.at - r.in.begin));
  return 2;
}
