/* v8text.c - see v8text.h.  Owns nothing. */
#include "codec/v8text.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu

static char *put_trail(char *out, uint32_t code, unsigned shift) {
  *out = (char)(0x80 | (code >> shift & 0x3F));
  return out + 1;
}

/* At most three bytes for a UTF-16 unit, four for a pair. */
static char *put_utf8(char *out, uint32_t code) {
  if (code < 0x80) {
    *out = (char)code;
    return out + 1;
  }
  if (code < 0x800) {
    *out = (char)(0xC0 | code >> 6);
    return put_trail(out + 1, code, 0);
  }
  if (code < 0x10000) {
    *out = (char)(0xE0 | code >> 12);
    return put_trail(put_trail(out + 1, code, 6), code, 0);
  }
  *out = (char)(0xF0 | code >> 18);
  out = put_trail(put_trail(out + 1, code, 12), code, 6);
  return put_trail(out, code, 0);
}

void lcp__v8_push_latin1(lua_State *L, const char *bytes, size_t size) {
  luaL_Buffer b;
  char *text = luaL_buffinitsize(L, &b, 2 * size), *out = text;
  for (size_t i = 0; i < size; i++)
    out = put_utf8(out, (unsigned char)bytes[i]);
  luaL_pushresultsize(&b, (size_t)(out - text));
}

static uint32_t unit_at(const char *bytes) {
  uint16_t unit;
  memcpy(&unit, bytes, sizeof unit);
  return unit;
}

void lcp__v8_push_utf16(lua_State *L, const char *bytes, size_t size) {
  luaL_Buffer b;
  char *text = luaL_buffinitsize(L, &b, size / 2 * 3), *out = text;
  for (size_t i = 0; i < size; i += 2) {
    uint32_t code = unit_at(bytes + i);
    if ((code & 0xF800) == 0xD800) {
      uint32_t low = i + 4 <= size ? unit_at(bytes + i + 2) : 0;
      if (code < 0xDC00 && (low & 0xFC00) == 0xDC00) {
        code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
        i += 2;
      } else {
        code = REPLACEMENT;
      }
    }
    out = put_utf8(out, code);
  }
  luaL_pushresultsize(&b, (size_t)(out - text));
}
