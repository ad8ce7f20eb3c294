/* v8scalar.c - see v8scalar.h.  Owns nothing. */
#include "codec/v8scalar.h"

#include <lauxlib.h>

#include "codec/v8class.h"
#include "codec/v8format.h"
#include "codec/v8text.h"

/* A whole number is an integer as far as a Number can tell two of them apart. */
static void push_number(lua_State *L, double d) {
  if (d >= -V8_MAX_SAFE && d <= V8_MAX_SAFE && (double)(int64_t)d == d &&
      !(d == 0 && 1 / d < 0))
    lua_pushinteger(L, (lua_Integer)d);
  else
    lua_pushnumber(L, d);
}

int lcp__v8_read_double(lua_State *L, struct in *in, int as_float) {
  double d;
  if (!take_double(in, &d))
    return 0;
  if (as_float)
    lua_pushnumber(L, d);
  else
    push_number(L, d);
  return 1;
}

int lcp__v8_read_int32(lua_State *L, struct in *in) {
  uint32_t bits;
  if (!take_varint(in, &bits))
    return 0;
  lua_pushinteger(L, (lua_Integer)(bits >> 1) ^ -(lua_Integer)(bits & 1));
  return 1;
}

int lcp__v8_read_uint32(lua_State *L, struct in *in) {
  uint32_t value;
  if (!take_varint(in, &value))
    return 0;
  lua_pushinteger(L, value);
  return 1;
}

/* A BigInt that no Lua integer holds: hexadecimal digits, since they cost no more time
 * than their length. */
static void push_long(lua_State *L, int classes, const unsigned char *bytes, size_t size,
                      int negative) {
  static const char digits[] = "0123456789abcdef";
  luaL_Buffer b;
  lua_createtable(L, 0, 1);
  lcp__v8_set_class(L, CLASS_BIGINT, classes);
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

int lcp__v8_read_bigint(lua_State *L, struct in *in, int classes) {
  uint32_t field;
  uint64_t magnitude = 0;
  if (!take_varint(in, &field))
    return 0;
  int negative = field & 1;
  size_t size = field >> 1;
  const unsigned char *bytes = take_bytes(in, size);
  if (!bytes)
    return 0;
  while (size > 0 && bytes[size - 1] == 0)
    size--;
  for (size_t i = 0; i < size && i < sizeof magnitude; i++)
    magnitude |= (uint64_t)bytes[i] << 8 * i;
  if (size > sizeof magnitude || magnitude > (uint64_t)INT64_MAX + (unsigned)negative)
    push_long(L, classes, bytes, size, negative);
  else
    lua_pushinteger(L, (lua_Integer)(negative ? 0 - magnitude : magnitude));
  return 1;
}

int lcp__v8_read_text(lua_State *L, struct in *in, int tag) {
  uint32_t size;
  if (!take_varint(in, &size))
    return 0;
  const char *bytes = (const char *)take_bytes(in, size);
  if (!bytes)
    return 0;
  if (tag == TAG_UTF8 || (tag == TAG_ONE_BYTE && lcp__v8_is_ascii(bytes, size)))
    lua_pushlstring(L, bytes, size);
  else if (tag == TAG_ONE_BYTE)
    lcp__v8_push_latin1(L, bytes, size);
  else if (size % 2 != 0)
    return in_fail(in, "half a character");
  else
    lcp__v8_push_utf16(L, bytes, size);
  return 1;
}

int lcp__v8_read_any_text(lua_State *L, struct in *in) {
  int tag, padded;
  if (!take_tag(in, &tag, &padded))
    return 0;
  if (tag != TAG_ONE_BYTE && tag != TAG_TWO_BYTE && tag != TAG_UTF8)
    return in_fail(in, "no text where one must be");
  return lcp__v8_read_text(L, in, tag);
}

int lcp__v8_read_bytes(lua_State *L, struct in *in) {
  uint32_t size;
  if (!take_varint(in, &size))
    return 0;
  const unsigned char *bytes = take_bytes(in, size);
  if (bytes)
    lua_pushlstring(L, (const char *)bytes, size);
  return bytes != NULL;
}
