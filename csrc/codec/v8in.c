/* v8in.c - see v8in.h.  Owns nothing outside Lua.  SPDX-License-Identifier: MIT */
#include "codec/v8in.h"

#include <lauxlib.h>

#include "codec/class.h"
#include "codec/scan.h"
#include "codec/transcode.h"

int lcp__in_header(struct lcp__in *in) {
  if (lcp__in_left(in) < 2 || in->at[0] != V8_HEADER)
    return lcp__in_fail(in, "no header");
  in->at++;
  if (!lcp__in_varint(in, &in->version))
    return 0;
  return (in->version >= V8_OLDEST && in->version <= V8_VERSION) ||
         lcp__in_fail(in, "a version that is not known");
}

/* ---- numbers ---- */

/* JavaScript has one kind of number: a whole one is an integer as long as a double can
 * hold each of its neighbours.  -0 is not, since an integer would lose the sign. */
static int is_integer(double d) {
  return d >= -V8_MAX_SAFE && d <= V8_MAX_SAFE && (double)(int64_t)d == d &&
         !(d == 0 && 1 / d < 0);
}

static int push_double(struct lcp__in *in, int as_float) {
  double d;
  if (!lcp__in_double(in, &d))
    return 0;
  if (!as_float && is_integer(d))
    lua_pushinteger(in->L, (lua_Integer)d);
  else
    lua_pushnumber(in->L, d);
  return 1;
}

/* Zigzag: 0, -1, 1, -2 ... */
static int push_int32(struct lcp__in *in) {
  uint32_t bits;
  if (!lcp__in_varint(in, &bits))
    return 0;
  lua_pushinteger(in->L, (lua_Integer)(bits >> 1) ^ -(lua_Integer)(bits & 1));
  return 1;
}

static int push_uint32(struct lcp__in *in) {
  uint32_t value;
  if (!lcp__in_varint(in, &value))
    return 0;
  lua_pushinteger(in->L, value);
  return 1;
}

/* A BigInt that no Lua integer holds: hexadecimal digits, which take time in proportion
 * to their length only. */
static void push_long(lua_State *L, const unsigned char *bytes, size_t size,
                      int negative) {
  static const char digits[] = "0123456789abcdef";
  luaL_Buffer b;
  lua_createtable(L, 0, 1);
  lcp__class_set(L, LCP__CLASS_BIGINT);
  char *text = luaL_buffinitsize(L, &b, 2 * size + 3), *at = text;
  if (negative)
    *at++ = '-';
  *at++ = '0';
  *at++ = 'x';
  if (bytes[size - 1] >> 4)
    *at++ = digits[bytes[size - 1] >> 4];
  *at++ = digits[bytes[size - 1] & 15];
  for (size_t i = size - 1; i > 0; i--) {
    *at++ = digits[bytes[i - 1] >> 4];
    *at++ = digits[bytes[i - 1] & 15];
  }
  luaL_pushresultsize(&b, (size_t)(at - text));
  lua_setfield(L, -2, "value");
}

/* A field with the sign in bit 0 and the number of bytes, then the magnitude, the lowest
 * byte first.  V8 writes whole words of 64 bits, with or without zeros at the end. */
static int push_bigint(struct lcp__in *in) {
  uint32_t field;
  uint64_t magnitude = 0;
  if (!lcp__in_varint(in, &field))
    return 0;
  int negative = field & 1;
  size_t size = field >> 1;
  const unsigned char *bytes = lcp__in_bytes(in, size);
  if (!bytes)
    return 0;
  while (size > 0 && bytes[size - 1] == 0)
    size--;
  for (size_t i = 0; i < size && i < sizeof magnitude; i++)
    magnitude |= (uint64_t)bytes[i] << 8 * i;
  if (size > sizeof magnitude || magnitude > (uint64_t)INT64_MAX + (unsigned)negative)
    push_long(in->L, bytes, size, negative);
  else
    lua_pushinteger(in->L, (lua_Integer)(negative ? 0 - magnitude : magnitude));
  return 1;
}

/* ---- texts ---- */

static void push_latin1(lua_State *L, const char *bytes, size_t size) {
  luaL_Buffer b;
  char *text = luaL_buffinitsize(L, &b, 2 * size), *out = text;
  for (size_t i = 0; i < size; i++)
    out = lcp__utf8_put(out, (unsigned char)bytes[i]);
  luaL_pushresultsize(&b, (size_t)(out - text));
}

static uint32_t unit_at(const char *bytes) {
  uint16_t unit;
  memcpy(&unit, bytes, sizeof unit);
  return unit;
}

/* `size` is even.  Half of a surrogate pair becomes U+FFFD: it has no UTF-8. */
static void push_utf16(lua_State *L, const char *bytes, size_t size) {
  luaL_Buffer b;
  char *text = luaL_buffinitsize(L, &b, size / 2 * 3), *out = text;
  for (size_t i = 0; i < size; i += 2) {
    uint32_t code = unit_at(bytes + i);
    if ((code & 0xF800) == 0xD800) {
      uint32_t low = i + 4 <= size ? unit_at(bytes + i + 2) : 0;
      if (code < 0xDC00 && (low & 0xFC00) == 0xDC00) {
        code = lcp__utf16_pair(code, low);
        i += 2;
      } else {
        code = LCP__REPLACEMENT;
      }
    }
    out = lcp__utf8_put(out, code);
  }
  luaL_pushresultsize(&b, (size_t)(out - text));
}

/* V8 writes Latin-1 or UTF-16, as it has the string in memory; UTF-8 comes from a Lua
 * peer, and is taken as it is. */
static int push_text(struct lcp__in *in, int tag) {
  uint32_t size;
  if (!lcp__in_varint(in, &size))
    return 0;
  const char *bytes = (const char *)lcp__in_bytes(in, size);
  if (!bytes)
    return 0;
  if (tag == V8_UTF8 || (tag == V8_ONE_BYTE && lcp__scan_ascii(bytes, size) == size))
    lua_pushlstring(in->L, bytes, size);
  else if (tag == V8_ONE_BYTE)
    push_latin1(in->L, bytes, size);
  else if (size % 2 != 0)
    return lcp__in_fail(in, "half a character");
  else
    push_utf16(in->L, bytes, size);
  return 1;
}

int lcp__in_push_text(struct lcp__in *in) {
  int tag, padded;
  if (!lcp__in_tag(in, &tag, &padded))
    return 0;
  if (tag != V8_ONE_BYTE && tag != V8_TWO_BYTE && tag != V8_UTF8)
    return lcp__in_fail(in, "no text where one must be");
  return push_text(in, tag);
}

/* ---- objects ---- */

void lcp__in_keep(struct lcp__in *in, uint32_t id) {
  if (in->objects != 0) {
    lua_pushvalue(in->L, -1);
    lua_rawseti(in->L, in->objects, (lua_Integer)id + 1);
  }
}

void lcp__in_object(struct lcp__in *in, int positions, int fields) {
  lua_createtable(in->L, positions, fields);
  lcp__in_keep(in, in->next_id++);
}

/* Nothing is copied, so the result cannot be larger than the payload. */
static int push_reference(struct lcp__in *in) {
  uint32_t id;
  if (!lcp__in_varint(in, &id))
    return 0;
  if (id >= in->next_id)
    return lcp__in_fail(in, "a reference to an object that has not begun");
  /* nil: it is not a table, and has not ended */
  if (lua_rawgeti(in->L, in->objects, (lua_Integer)id + 1) == LUA_TNIL)
    return lcp__in_fail(in, "a reference to an object that has not ended");
  return 1;
}

int lcp__in_push_bytes(struct lcp__in *in) {
  uint32_t size;
  if (!lcp__in_varint(in, &size))
    return 0;
  const unsigned char *bytes = lcp__in_bytes(in, size);
  if (bytes)
    lua_pushlstring(in->L, (const char *)bytes, size);
  return bytes != NULL;
}

/* A resizable ArrayBuffer: its greatest length comes between the length and the bytes. */
static int push_growing(struct lcp__in *in) {
  uint32_t size, greatest;
  if (!lcp__in_varint(in, &size) || !lcp__in_varint(in, &greatest))
    return 0;
  const unsigned char *bytes = lcp__in_bytes(in, size);
  if (bytes)
    lua_pushlstring(in->L, (const char *)bytes, size);
  return bytes != NULL;
}

/* stack: the buffer's bytes -> the bytes shown by the view that follows */
static int push_view(struct lcp__in *in) {
  size_t size;
  uint32_t kind, offset, length, flags;
  const char *bytes = lua_tolstring(in->L, -1, &size);
  if (!lcp__in_varint(in, &kind) || !lcp__in_varint(in, &offset) ||
      !lcp__in_varint(in, &length))
    return 0;
  if (in->version >= 14 && !lcp__in_varint(in, &flags))
    return 0;
  if (offset > size || length > size - offset)
    return lcp__in_fail(in, "a view beyond its buffer");
  lua_pushlstring(in->L, bytes + offset, length);
  lua_remove(in->L, -2);
  lcp__in_keep(in, in->next_id++);
  return 1;
}

/* A view is allowed only right after its buffer: many references to one buffer, each with
 * a view, would make the result larger than the data.  Node's channel writes neither. */
static int push_array_buffer(struct lcp__in *in, int tag) {
  uint32_t id = in->next_id++;
  if (!(tag == V8_GROWING_BUFFER ? push_growing(in) : lcp__in_push_bytes(in)))
    return 0;
  lcp__in_keep(in, id);
  return !lcp__in_if(in, V8_VIEW) || push_view(in);
}

/* Milliseconds since 1970; NaN for an invalid Date. */
static int push_date(struct lcp__in *in) {
  lcp__in_object(in, 0, 1);
  lcp__class_set(in->L, LCP__CLASS_DATE);
  if (!push_double(in, 0))
    return 0;
  lua_setfield(in->L, -2, "time");
  return 1;
}

static void push_flags(lua_State *L, uint32_t bits) {
  char letters[16];
  size_t n = 0;
  for (const struct lcp__v8_flag *flag = lcp__v8_flags; flag->letter; flag++) {
    if (bits & flag->bit)
      letters[n++] = flag->letter;
  }
  lua_pushlstring(L, letters, n);
}

static int push_regexp(struct lcp__in *in) {
  uint32_t bits;
  lcp__in_object(in, 0, 2);
  lcp__class_set(in->L, LCP__CLASS_REGEXP);
  if (!lcp__in_push_text(in))
    return 0;
  lua_setfield(in->L, -2, "source");
  if (!lcp__in_varint(in, &bits))
    return 0;
  push_flags(in->L, bits);
  lua_setfield(in->L, -2, "flags");
  return 1;
}

static int push_in_box(struct lcp__in *in, int tag) {
  switch (tag) {
  case V8_BOXED_NUMBER:
    return push_double(in, 0);
  case V8_BOXED_BIGINT:
    return push_bigint(in);
  case V8_BOXED_STRING:
    return lcp__in_push_text(in);
  default:
    lua_pushboolean(in->L, tag == V8_BOXED_TRUE);
    return 1;
  }
}

/* `new Number(1)`, `new String('x')` and such: Lua gets the value inside. */
static int push_boxed(struct lcp__in *in, int tag) {
  uint32_t id = in->next_id++;
  if (!push_in_box(in, tag))
    return 0;
  lcp__in_keep(in, id);
  return 1;
}

static const char *error_name(int tag) {
  const struct lcp__v8_error_class *row = lcp__v8_error_classes;
  while (row->tag && row->tag != tag)
    row++;
  return row->name;
}

int lcp__in_error_part(struct lcp__in *in, int table, int tag) {
  const char *name = error_name(tag);
  if (tag == V8_ERROR_MESSAGE || tag == V8_ERROR_STACK) {
    if (!lcp__in_push_text(in))
      return 0;
    lua_setfield(in->L, table, tag == V8_ERROR_MESSAGE ? "message" : "stack");
    return 1;
  }
  if (strcmp(name, "Error") == 0)
    return lcp__in_fail(in, "an unknown part of an error");
  lua_pushstring(in->L, name);
  lua_setfield(in->L, table, "name");
  return 1;
}

/* ---- any of them ---- */

static int push_constant(struct lcp__in *in, int tag) {
  switch (tag) {
  case V8_HOLE:
  case V8_UNDEFINED:
    lua_pushnil(in->L);
    return 1;
  case V8_NULL:
    lua_pushlightuserdata(in->L, NULL);
    return 1;
  case V8_TRUE:
  case V8_FALSE:
    lua_pushboolean(in->L, tag == V8_TRUE);
    return 1;
  default:
    return -1;
  }
}

int lcp__in_push_plain(struct lcp__in *in, int tag, int padded) {
  switch (tag) {
  case V8_INT32:
    return push_int32(in);
  case V8_ONE_BYTE:
  case V8_TWO_BYTE:
  case V8_UTF8:
    return push_text(in, tag);
  case V8_DOUBLE:
    return push_double(in, padded);
  case V8_UINT32:
    return push_uint32(in);
  case V8_BIGINT:
    return push_bigint(in);
  case V8_REFERENCE:
    return push_reference(in);
  case V8_DATE:
    return push_date(in);
  case V8_REGEXP:
    return push_regexp(in);
  case V8_ARRAY_BUFFER:
  case V8_GROWING_BUFFER:
    return push_array_buffer(in, tag);
  case V8_BOXED_TRUE:
  case V8_BOXED_FALSE:
  case V8_BOXED_NUMBER:
  case V8_BOXED_BIGINT:
  case V8_BOXED_STRING:
    return push_boxed(in, tag);
  }
  return push_constant(in, tag);
}
