/* v8write.c - see v8write.h.
 * Owns: nothing outside userdata.  No Lua code runs in between but finalizers, so the
 * only errors raised are those of memory; what cannot be sent is told by returning 0 with
 * the text on top of the stack. stack: 1 the message, 2 the bytes, 3 the objects already
 * written once they are many */
#include "codec/v8write.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/transcode.h"
#include "codec/v8class.h"
#include "codec/v8format.h"
#include "codec/v8out.h"
#include "codec/v8path.h"

enum {
  FEW = 16,      /* objects looked up one by one */
  STACK_USE = 12 /* slots that a level and its helpers take */
};

enum { SLOT_MESSAGE = 1, SLOT_MEMORY, SLOT_SEEN };

#define UPVALUE_CLASSES lua_upvalueindex(1)

struct seen {
  const void *table;
  uint32_t id;
};

struct writer {
  lua_State *L;
  struct out out;
  uint32_t next_id; /* of the next object, also one that is no table */
  uint32_t seen_count;
  uint32_t seen_mask; /* slots - 1 of the hash table in `rows`, 0: `few` is a list */
  struct seen *rows;
  struct seen few[FEW];
};

/* Scalars -------------------------------------------------------------------------- */

static void write_bigint(struct writer *w, uint64_t magnitude, int negative) {
  put_tag(&w->out, TAG_BIGINT, (uint32_t)sizeof magnitude << 1 | (uint32_t)negative);
  put_bytes(&w->out, &magnitude, sizeof magnitude);
}

static void write_integer(struct writer *w, lua_Integer i) {
  if (i >= INT32_MIN && i <= INT32_MAX)
    put_tag(&w->out, TAG_INT32, (uint32_t)i << 1 ^ (i < 0 ? UINT32_MAX : 0));
  else if (i >= -V8_MAX_SAFE && i <= V8_MAX_SAFE)
    put_double(&w->out, TAG_DOUBLE, (double)i);
  else
    write_bigint(w, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, i < 0);
}

/* A whole number gets a padding byte: V8 skips it, a Lua peer knows the float by it. */
static void write_float(struct writer *w, lua_Number d) {
  if (d >= -V8_MAX_SAFE && d <= V8_MAX_SAFE && (lua_Number)(int64_t)d == d)
    put_byte(&w->out, TAG_PADDING);
  put_double(&w->out, TAG_DOUBLE, d);
}

static void put_text(struct writer *w, enum v8_tag tag, const char *text, size_t size) {
  put_tag(&w->out, tag, (uint32_t)size);
  put_bytes(&w->out, text, size);
}

/* As Node's channel tags a Buffer; it counts as an object. */
static void put_buffer(struct writer *w, const char *bytes, size_t size) {
  put_tag(&w->out, TAG_HOST, HOST_VIEW);
  put_varint(&w->out, V8_BUFFER);
  put_varint(&w->out, (uint32_t)size);
  put_bytes(&w->out, bytes, size);
  w->next_id++;
}

static int write_string(struct writer *w, int index, const struct step *at) {
  size_t size;
  const char *text = lua_tolstring(w->L, index, &size);
  if (size > UINT32_MAX) {
    lua_pushliteral(w->L, "a string of 4 GiB or more cannot be sent");
    return lcp__v8_refuse(w->L, at);
  }
  if (lcp__v8_is_ascii(text, size))
    put_text(w, TAG_ONE_BYTE, text, size);
  else if (lcp__utf8_prefix(text, size) == size)
    put_text(w, TAG_UTF8, text, size);
  else
    put_buffer(w, text, size);
  return 1;
}

/* Objects -------------------------------------------------------------------------- */

static struct seen *seen_slot(struct seen *rows, uint32_t mask, const void *table) {
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
      *seen_slot(rows, slots - 1, w->rows[i].table) = w->rows[i];
  }
  lua_replace(w->L, SLOT_SEEN);
  w->rows = rows;
  w->seen_mask = slots - 1;
}

static struct seen *seen_find(struct writer *w, const void *table) {
  if (w->seen_mask) {
    struct seen *row = seen_slot(w->rows, w->seen_mask, table);
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
      w->seen_mask ? seen_slot(w->rows, w->seen_mask, table) : &w->few[w->seen_count];
  row->table = table;
  row->id = w->next_id++;
  w->seen_count++;
}

static int write_value(struct writer *w, int index, const struct step *at);

static int write_array(struct writer *w, int table, struct v8_layout layout,
                       const struct step *at) {
  struct step inner = {at, 0, at->level + 1, 0};
  int gap = layout.shape == SHAPE_PACKED ? TAG_UNDEFINED : TAG_HOLE;
  int value = lua_gettop(w->L) + 1;
  put_tag(&w->out, TAG_DENSE, layout.length);
  for (uint32_t i = 1; i <= layout.length; i++) {
    inner.position = i;
    if (lua_rawgeti(w->L, table, i) == LUA_TNIL)
      put_byte(&w->out, gap);
    else if (!write_value(w, value, &inner))
      return 0;
    lua_pop(w->L, 1);
  }
  /* with undefined in it the array says by itself that it is a packed list */
  int named = layout.shape == SHAPE_PACKED && layout.count == layout.length;
  if (named) {
    put_text(w, TAG_ONE_BYTE, "n", 1);
    write_integer(w, layout.length);
  }
  put_tag(&w->out, TAG_DENSE_END, (uint32_t)named);
  put_varint(&w->out, layout.length);
  return 1;
}

static int write_key(struct writer *w, int key, const struct step *inner) {
  int kind = lua_type(w->L, key);
  if (kind == LUA_TFUNCTION || kind == LUA_TUSERDATA || kind == LUA_TTHREAD) {
    lua_pushfstring(w->L, "a %s cannot be a key", lua_typename(w->L, kind));
    return lcp__v8_refuse(w->L, inner->outer);
  }
  return write_value(w, key, inner);
}

/* An object's pairs or a Map's: a string key is written the same way in both. */
static int write_pairs(struct writer *w, int table, enum v8_tag tag,
                       const struct step *at) {
  uint32_t count = 0;
  int key = lua_gettop(w->L) + 1;
  struct step inner = {at, key, at->level + 1, 0};
  put_byte(&w->out, (int)tag);
  lua_pushnil(w->L);
  while (lua_next(w->L, table)) {
    if (!write_key(w, key, &inner) || !write_value(w, key + 1, &inner))
      return 0;
    lua_pop(w->L, 1);
    count++;
  }
  if (tag == TAG_MAP)
    put_tag(&w->out, TAG_MAP_END, 2 * count);
  else
    put_tag(&w->out, TAG_OBJECT_END, count);
  return 1;
}

static int write_set(struct writer *w, int table, const struct step *at) {
  lua_Unsigned size = lua_rawlen(w->L, table);
  struct step inner = {at, 0, at->level + 1, 0};
  int value = lua_gettop(w->L) + 1;
  put_byte(&w->out, TAG_SET);
  for (lua_Unsigned i = 1; i <= size; i++) {
    inner.position = (lua_Integer)i;
    lua_rawgeti(w->L, table, inner.position);
    if (!write_value(w, value, &inner))
      return 0;
    lua_pop(w->L, 1);
  }
  put_tag(&w->out, TAG_SET_END, (uint32_t)size);
  return 1;
}

/* Tables that stand for something else -------------------------------------------- */

static int write_date(struct writer *w, int table) {
  int fits = lcp__v8_push_field(w->L, table, "time") == LUA_TNUMBER;
  if (fits)
    put_double(&w->out, TAG_DATE, lua_tonumber(w->L, -1));
  lua_pop(w->L, 1);
  return fits;
}

/* stack: flags; -1: not flags of a RegExp */
static int64_t regexp_bits(lua_State *L) {
  int64_t bits = 0;
  if (lua_type(L, -1) != LUA_TSTRING)
    return -1;
  for (const char *c = lua_tostring(L, -1); *c; c++) {
    const struct v8_flag *flag = lcp__v8_flags;
    while (flag->letter && flag->letter != *c)
      flag++;
    if (!flag->letter)
      return -1;
    bits |= flag->bit;
  }
  return bits;
}

static int write_regexp(struct writer *w, int table, const struct step *at) {
  int top = lua_gettop(w->L);
  int fits = lcp__v8_push_text(w->L, table, "source");
  lcp__v8_push_field(w->L, table, "flags");
  int64_t bits = regexp_bits(w->L);
  fits = fits && bits >= 0;
  if (fits) {
    put_byte(&w->out, TAG_REGEXP);
    write_string(w, top + 1, at);
    put_varint(&w->out, (uint32_t)bits);
  }
  lua_settop(w->L, top);
  return fits;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `size` digits as bytes, the lowest first, in whole words of 64 bits; 0: no digits. */
static int put_hex(struct writer *w, const char *digits, size_t size, int negative) {
  size_t bytes = (size + 15) / 16 * 8;
  if (size == 0 || bytes > 1u << 27)
    return 0;
  for (size_t i = 0; i < size; i++) {
    if (hex_digit(digits[i]) < 0)
      return 0;
  }
  put_tag(&w->out, TAG_BIGINT, (uint32_t)bytes << 1 | (uint32_t)negative);
  reserve(&w->out, bytes);
  memset(w->out.at, 0, bytes);
  for (size_t i = 0; i < size; i++) {
    int digit = hex_digit(digits[size - 1 - i]);
    w->out.at[i / 2] |= (unsigned char)(i % 2 ? digit << 4 : digit);
  }
  w->out.at += bytes;
  return 1;
}

static int write_long(struct writer *w, int table) {
  size_t size;
  int fits = 0;
  if (lcp__v8_push_text(w->L, table, "value")) {
    const char *text = lua_tolstring(w->L, -1, &size);
    int negative = text[0] == '-';
    text += negative, size -= (size_t)negative;
    if (size > 2 && text[0] == '0' && text[1] == 'x')
      fits = put_hex(w, text + 2, size - 2, negative);
  }
  lua_pop(w->L, 1);
  return fits;
}

/* The class of an error value that is nothing but a name, a message, a stack and a cause;
 * NULL for any other, which goes as the table it is. */
static const struct v8_error_class *error_class(lua_State *L, int table) {
  static const char *const texts[] = {"name", "message", "stack", NULL};
  const struct v8_error_class *row = lcp__v8_error_classes;
  int top = lua_gettop(L), fields = 0, fits = 1;
  for (int i = 0; texts[i] != NULL; i++) {
    fits &= lcp__v8_push_text(L, table, texts[i]) || (i > 0 && lua_isnil(L, -1));
    fields += !lua_isnil(L, -1);
  }
  while (fits && row->name && strcmp(row->name, lua_tostring(L, top + 1)))
    row++;
  fields += lcp__v8_push_field(L, table, "cause") != LUA_TNIL;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    fields--;
  }
  lua_settop(L, top);
  return fits && row->name && fields == 0 ? row : NULL;
}

static void write_error_text(struct writer *w, int table, const char *name, int tag,
                             const struct step *at) {
  if (lcp__v8_push_field(w->L, table, name) != LUA_TNIL) {
    put_byte(&w->out, tag);
    write_string(w, lua_gettop(w->L), at);
  }
  lua_pop(w->L, 1);
}

/* The cause comes last: the V8 of newer Nodes takes no stack behind it. */
static int write_error(struct writer *w, int table, const struct v8_error_class *class,
                       const struct step *at) {
  int field = lua_gettop(w->L) + 1;
  struct step inner = {at, field + 1, at->level + 1, 0};
  put_byte(&w->out, TAG_ERROR);
  if (class->tag)
    put_byte(&w->out, class->tag);
  write_error_text(w, table, "message", ERROR_MESSAGE, at);
  write_error_text(w, table, "stack", ERROR_STACK, at);
  if (lcp__v8_push_field(w->L, table, "cause") != LUA_TNIL) {
    put_byte(&w->out, ERROR_CAUSE);
    lua_pushliteral(w->L, "cause");
    if (!write_value(w, field, &inner))
      return 0;
    lua_pop(w->L, 1);
  }
  lua_pop(w->L, 1);
  put_byte(&w->out, ERROR_END);
  return 1;
}

/* A table without a class, or one that lacks what its class needs. */
static int write_plain(struct writer *w, int table, const struct step *at) {
  struct v8_layout layout = lcp__v8_layout(w->L, table);
  switch (layout.shape) {
  case SHAPE_ARRAY:
  case SHAPE_PACKED:
    return write_array(w, table, layout, at);
  case SHAPE_MAP:
    return write_pairs(w, table, TAG_MAP, at);
  case SHAPE_EMPTY:
    if (lcp__v8_is_array(w->L, table))
      return write_array(w, table, layout, at);
    return write_pairs(w, table, TAG_OBJECT, at);
  default:
    return write_pairs(w, table, TAG_OBJECT, at);
  }
}

static int write_content(struct writer *w, int table, enum v8_class class,
                         const struct step *at) {
  const struct v8_error_class *error;
  switch (class) {
  case CLASS_MAP:
    return write_pairs(w, table, TAG_MAP, at);
  case CLASS_SET:
    return write_set(w, table, at);
  case CLASS_DATE:
    return write_date(w, table) || write_plain(w, table, at);
  case CLASS_REGEXP:
    return write_regexp(w, table, at) || write_plain(w, table, at);
  case CLASS_ERROR:
    error = error_class(w->L, table);
    return error ? write_error(w, table, error, at) : write_plain(w, table, at);
  default:
    return write_plain(w, table, at);
  }
}

static int write_table(struct writer *w, int table, const struct step *at) {
  const void *self = lua_topointer(w->L, table);
  const struct seen *before = seen_find(w, self);
  if (before) {
    put_tag(&w->out, TAG_REFERENCE, before->id);
    return 1;
  }
  if (at->level >= V8_DEPTH || !lua_checkstack(w->L, STACK_USE)) {
    lua_pushfstring(w->L, "tables nested deeper than %d levels cannot be sent", V8_DEPTH);
    return lcp__v8_refuse(w->L, at);
  }
  enum v8_class class = lcp__v8_class_of(w->L, table, UPVALUE_CLASSES);
  if (class == CLASS_BIGINT && write_long(w, table))
    return 1; /* no object: it has no id */
  seen_add(w, self);
  return write_content(w, table, class, at);
}

static int write_value(struct writer *w, int index, const struct step *at) {
  switch (lua_type(w->L, index)) {
  case LUA_TNIL:
    put_byte(&w->out, TAG_UNDEFINED);
    return 1;
  case LUA_TBOOLEAN:
    put_byte(&w->out, lua_toboolean(w->L, index) ? TAG_TRUE : TAG_FALSE);
    return 1;
  case LUA_TNUMBER:
    if (lua_isinteger(w->L, index))
      write_integer(w, lua_tointeger(w->L, index));
    else
      write_float(w, lua_tonumber(w->L, index));
    return 1;
  case LUA_TSTRING:
    return write_string(w, index, at);
  case LUA_TTABLE:
    return write_table(w, index, at);
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(w->L, index) == NULL) {
      put_byte(&w->out, TAG_NULL);
      return 1;
    }
  }
  lua_pushfstring(w->L, "a %s cannot be sent", luaL_typename(w->L, index));
  return lcp__v8_refuse(w->L, at);
}

int lcp__v8_encode(lua_State *L) {
  struct step root = {NULL, 0, 0, 0};
  struct writer w;
  lua_settop(L, SLOT_MEMORY);
  int as_memory = !lua_isnil(L, SLOT_MEMORY);
  w.L = L;
  w.next_id = w.seen_count = w.seen_mask = 0;
  w.rows = w.few;
  lcp__out_take(&w.out, L, SLOT_MEMORY);
  lua_pushnil(L); /* SLOT_SEEN */
  put_byte(&w.out, TAG_VERSION);
  put_byte(&w.out, V8_VERSION);
  if (!write_value(&w, SLOT_MESSAGE, &root)) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (!as_memory) {
    lua_pushlstring(L, (const char *)w.out.bytes, lcp__out_size(&w.out));
    return 1;
  }
  lua_pushvalue(L, SLOT_MEMORY);
  lua_pushinteger(L, (lua_Integer)lcp__out_size(&w.out));
  return 2;
}
