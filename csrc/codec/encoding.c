/* encoding.c - Node's encodings for Lua: names, decoders, encode.
 * Owns: nothing outside its userdata; the work is done in transcode.c.
 * SPDX-License-Identifier: MIT */
#include "codec/encoding.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/transcode.h"

#define DECODER_CLASS "child_process.Decoder"

struct name {
  const char *name;
  const char *canonical; /* Node's name */
  enum lcp__encoding encoding;
};

static const struct name names[] = {
    {"utf8", "utf8", LCP__UTF8},           {"utf-8", "utf8", LCP__UTF8},
    {"latin1", "latin1", LCP__LATIN1},     {"binary", "latin1", LCP__LATIN1},
    {"ascii", "ascii", LCP__ASCII},        {"utf16le", "utf16le", LCP__UTF16LE},
    {"utf-16le", "utf16le", LCP__UTF16LE}, {"ucs2", "utf16le", LCP__UTF16LE},
    {"ucs-2", "utf16le", LCP__UTF16LE},    {"hex", "hex", LCP__HEX},
    {"base64", "base64", LCP__BASE64},     {"base64url", "base64url", LCP__BASE64URL},
    {"buffer", "buffer", LCP__BYTES},      {NULL, NULL, LCP__BYTES},
};

/* Not tolower: a host's locale must not change the meaning of a name. */
static int same_letters(const char *name, const char *given, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char c = given[i];
    if (c >= 'A' && c <= 'Z')
      c = (char)(c - 'A' + 'a');
    if (c != name[i])
      return 0;
  }
  return 1;
}

/* NULL if the value does not name an encoding. */
static const struct name *name_find(lua_State *L, int index) {
  size_t size;
  if (lua_type(L, index) != LUA_TSTRING)
    return NULL;
  const char *given = lua_tolstring(L, index, &size);
  for (const struct name *row = names; row->name != NULL; row++) {
    if (strlen(row->name) == size && same_letters(row->name, given, size))
      return row;
  }
  return NULL;
}

static enum lcp__encoding check_encoding(lua_State *L, int index) {
  const struct name *row = name_find(L, index);
  luaL_argcheck(L, row != NULL, index, "unknown encoding");
  return row->encoding;
}

/* core.encoding_name(name) -> canonical name | nil; case does not matter */
static int l_encoding_name(lua_State *L) {
  const struct name *row = name_find(L, 1);
  lua_pushstring(L, row != NULL ? row->canonical : NULL);
  return 1;
}

/* core.encode(text, encoding) -> bytes */
static int l_encode(lua_State *L) {
  size_t size;
  luaL_Buffer buffer;
  const char *text = luaL_checklstring(L, 1, &size);
  enum lcp__encoding encoding = check_encoding(L, 2);
  if (encoding == LCP__BYTES || encoding == LCP__UTF8) {
    lua_settop(L, 1);
    return 1;
  }
  char *out = luaL_buffinitsize(L, &buffer, lcp__encode_bound(encoding, size));
  luaL_pushresultsize(&buffer, lcp__encode(encoding, text, size, out));
  return 1;
}

/* core.decoder(encoding) -> decoder */
static int l_decoder(lua_State *L) {
  enum lcp__encoding encoding = check_encoding(L, 1);
  struct lcp__decoder *d = lua_newuserdatauv(L, sizeof *d, 0);
  memset(d, 0, sizeof *d);
  d->encoding = encoding;
  luaL_setmetatable(L, DECODER_CLASS);
  return 1;
}

/* Input that needs no decoding is its own result. */
static int is_plain(const struct lcp__decoder *d, const char *bytes, size_t size) {
  if (d->encoding == LCP__UTF8)
    return d->kept == 0 && lcp__utf8_prefix(bytes, size) == size;
  return d->encoding == LCP__BYTES;
}

/* decoder:write(bytes) -> text; an incomplete character at the end waits for the next
 * call */
static int l_decoder_write(lua_State *L) {
  size_t size;
  luaL_Buffer buffer;
  struct lcp__decoder *d = luaL_checkudata(L, 1, DECODER_CLASS);
  const char *bytes = luaL_checklstring(L, 2, &size);
  if (is_plain(d, bytes, size)) {
    lua_settop(L, 2);
    return 1;
  }
  /* the state changes last: making the string may raise */
  struct lcp__decoder next = *d;
  char *out = luaL_buffinitsize(L, &buffer, lcp__decode_bound(d, size));
  luaL_pushresultsize(&buffer, lcp__decode(&next, bytes, size, out));
  *d = next;
  return 1;
}

/* decoder:finish() -> text: U+FFFD, or the digits, for an incomplete character at the
 * end */
static int l_decoder_finish(lua_State *L) {
  char out[8];
  struct lcp__decoder *d = luaL_checkudata(L, 1, DECODER_CLASS);
  struct lcp__decoder next = *d;
  lua_pushlstring(L, out, lcp__decode_finish(&next, out));
  *d = next;
  return 1;
}

void lcp__encoding_push_utf8(lua_State *L, const char *bytes, size_t size) {
  struct lcp__decoder d = {.encoding = LCP__UTF8};
  luaL_Buffer buffer;
  if (is_plain(&d, bytes, size)) {
    lua_pushlstring(L, bytes, size);
    return;
  }
  char *out = luaL_buffinitsize(L, &buffer, lcp__decode_bound(&d, size));
  size_t n = lcp__decode(&d, bytes, size, out);
  n += lcp__decode_finish(&d, out + n);
  luaL_pushresultsize(&buffer, n);
}

static const luaL_Reg decoder_methods[] = {
    {"write", l_decoder_write},
    {"finish", l_decoder_finish},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"encoding_name", l_encoding_name},
    {"encode", l_encode},
    {"decoder", l_decoder},
    {NULL, NULL},
};

/* stack: the core table */
int lcp__encoding_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, DECODER_CLASS);
  luaL_newlib(L, decoder_methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  return 0;
}
