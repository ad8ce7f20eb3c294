/* v8out.c - see v8out.h.  Owns nothing.  SPDX-License-Identifier: MIT */
#include "codec/v8out.h"

#include <lauxlib.h>

#include "codec/scan.h"
#include "codec/transcode.h"

enum { BIGINT_MAX = 1 << 27 /* bytes: a length has 30 bits, of bits */ };

/* ---- texts ---- */

void lcp__out_name(struct lcp__out *out, const char *name) {
  size_t size = strlen(name);
  lcp__out_tag(out, V8_ONE_BYTE, (uint32_t)size);
  lcp__out_put(out, name, size);
}

/* The string at `index` behind its tag. */
static void put_bytes(struct lcp__out *out, int index, const char *bytes, size_t size) {
  lcp__out_varint(out, (uint32_t)size);
  if (lcp__out_can_borrow(out, size))
    lcp__out_borrow(out, index);
  else
    lcp__out_put(out, bytes, size);
}

/* A string that is not UTF-8: as Node's channel writes a Buffer
 * (lib/internal/child_process/serialization.js). */
static void put_buffer(struct lcp__out *out) {
  lcp__out_tag(out, V8_HOST, V8_HOST_VIEW);
  lcp__out_varint(out, V8_KIND_BUFFER);
}

/* A long text goes as UTF-8, even if it is ASCII: a peer that is Lua takes that as it is,
 * but has to look through Latin-1. */
uint32_t lcp__out_string(lua_State *L, struct lcp__out *out, int index) {
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (size > LCP__OUT_LIMIT) {
    out->too_long = 1;
    return 0;
  }
  uint32_t objects = 0;
  if (size < LCP__OUT_LONG && lcp__scan_ascii(text, size) == size) {
    lcp__out_byte(out, V8_ONE_BYTE);
  } else if (lcp__utf8_prefix(text, size) == size) {
    lcp__out_byte(out, V8_UTF8);
  } else {
    put_buffer(out);
    objects = 1;
  }
  put_bytes(out, index, text, size);
  return objects;
}

/* ---- tables that stand for something else ---- */

/* stack: -> table[name], raw; returns its type */
static int push_field(lua_State *L, int table, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, table);
}

/* The same; 0 unless it is a string that JavaScript can represent: UTF-8. */
static int push_text(lua_State *L, int table, const char *name) {
  size_t size;
  if (push_field(L, table, name) != LUA_TSTRING)
    return 0;
  const char *text = lua_tolstring(L, -1, &size);
  return size <= LCP__OUT_LIMIT && lcp__utf8_prefix(text, size) == size;
}

int lcp__out_date(lua_State *L, struct lcp__out *out, int table) {
  int fits = push_field(L, table, "time") == LUA_TNUMBER;
  if (fits)
    lcp__out_double(out, V8_DATE, lua_tonumber(L, -1));
  lua_pop(L, 1);
  return fits;
}

/* stack: flags; -1: not flags of a RegExp */
static int64_t regexp_bits(lua_State *L) {
  int64_t bits = 0;
  if (lua_type(L, -1) != LUA_TSTRING)
    return -1;
  for (const char *c = lua_tostring(L, -1); *c; c++) {
    const struct lcp__v8_flag *flag = lcp__v8_flags;
    while (flag->letter && flag->letter != *c)
      flag++;
    if (!flag->letter)
      return -1;
    bits |= flag->bit;
  }
  return bits;
}

int lcp__out_regexp(lua_State *L, struct lcp__out *out, int table) {
  int top = lua_gettop(L);
  int fits = push_text(L, table, "source");
  push_field(L, table, "flags");
  int64_t bits = regexp_bits(L);
  fits = fits && bits >= 0;
  if (fits) {
    lcp__out_byte(out, V8_REGEXP);
    lcp__out_string(L, out, top + 1);
    lcp__out_varint(out, (uint32_t)bits);
  }
  lua_settop(L, top);
  return fits;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `size` digits as bytes, the lowest first, in whole words of 64 bits, as V8 writes
 * them.  0 if they are not digits. */
static int put_hex(struct lcp__out *out, const char *digits, size_t size, int negative) {
  size_t bytes = (size + 15) / 16 * 8;
  if (size == 0 || bytes > BIGINT_MAX)
    return 0;
  for (size_t i = 0; i < size; i++) {
    if (hex_digit(digits[i]) < 0)
      return 0;
  }
  lcp__out_tag(out, V8_BIGINT, (uint32_t)bytes << 1 | (uint32_t)negative);
  lcp__out_reserve(out, bytes);
  memset(out->at, 0, bytes);
  for (size_t i = 0; i < size; i++) {
    int digit = hex_digit(digits[size - 1 - i]);
    out->at[i / 2] = (char)(out->at[i / 2] | (i % 2 ? digit << 4 : digit));
  }
  out->at += bytes;
  return 1;
}

int lcp__out_bigint(lua_State *L, struct lcp__out *out, int table) {
  size_t size;
  int fits = 0;
  if (push_text(L, table, "value")) {
    const char *text = lua_tolstring(L, -1, &size);
    size_t negative = text[0] == '-';
    text += negative;
    size -= negative;
    if (size > 2 && text[0] == '0' && text[1] == 'x')
      fits = put_hex(out, text + 2, size - 2, (int)negative);
  }
  lua_pop(L, 1);
  return fits;
}

const struct lcp__v8_error_class *lcp__error_class(lua_State *L, int table) {
  static const char *const texts[] = {"name", "message", "stack", NULL};
  const struct lcp__v8_error_class *row = lcp__v8_error_classes;
  int top = lua_gettop(L), fields = 0, fits = 1;
  for (int i = 0; texts[i] != NULL; i++) {
    fits &= push_text(L, table, texts[i]) || (i > 0 && lua_isnil(L, -1));
    fields += !lua_isnil(L, -1);
  }
  while (fits && row->name && strcmp(row->name, lua_tostring(L, top + 1)) != 0)
    row++;
  fields += push_field(L, table, "cause") != LUA_TNIL;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    fields--;
  }
  lua_settop(L, top);
  return fits && row->name && fields == 0 ? row : NULL;
}

static void put_error_text(lua_State *L, struct lcp__out *out, int table,
                           const char *name, int tag) {
  if (push_field(L, table, name) != LUA_TNIL) {
    lcp__out_byte(out, tag);
    lcp__out_string(L, out, lua_gettop(L));
  }
  lua_pop(L, 1);
}

/* The cause comes last: the V8 of newer Node versions does not accept a stack after
 * it. */
void lcp__out_error(lua_State *L, struct lcp__out *out, int table,
                    const struct lcp__v8_error_class *class) {
  lcp__out_byte(out, V8_ERROR);
  if (class->tag)
    lcp__out_byte(out, class->tag);
  put_error_text(L, out, table, "message", V8_ERROR_MESSAGE);
  put_error_text(L, out, table, "stack", V8_ERROR_STACK);
}
