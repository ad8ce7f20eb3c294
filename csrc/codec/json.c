/* json.c - what encoder and decoder share.  Owns nothing. */
#include "codec/json.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

/* A vector type of gcc and clang; they know what the processor has. */
typedef unsigned char block __attribute__((vector_size(16)));

#define BLOCKS 4 /* looked at in one go */

static block block_at(const char *p) {
  block b;
  memcpy(&b, p, sizeof b);
  return b;
}

static uint64_t block_any(block b) {
  uint64_t halves[2];
  memcpy(halves, &b, sizeof halves);
  return halves[0] | halves[1];
}

/* All ones where a byte is not plain. */
static block block_special(block b) {
  return (block)(b < 0x20) | (block)(b == '"') | (block)(b == '\\');
}

static int is_plain(char c) { return (unsigned char)c >= 0x20 && c != '"' && c != '\\'; }

size_t lcp__json_plain(const char *text, size_t size, unsigned *high) {
  size_t i = 0;
  block all = {0};
  while (size - i >= BLOCKS * sizeof all) {
    block special = {0}, seen = {0};
    for (size_t j = 0; j < BLOCKS; j++) {
      block b = block_at(text + i + j * sizeof b);
      special |= block_special(b);
      seen |= b;
    }
    if (block_any(special))
      break;
    all |= seen;
    i += BLOCKS * sizeof all;
  }
  while (size - i >= sizeof all) {
    block b = block_at(text + i);
    if (block_any(block_special(b)))
      break;
    all |= b;
    i += sizeof b;
  }
  unsigned seen = (block_any(all) & UINT64_C(0x8080808080808080)) != 0 ? 0x80 : 0;
  for (; i < size && is_plain(text[i]); i++)
    seen |= (unsigned char)text[i];
  *high |= seen & 0x80;
  return i;
}

/* stack: the core table */
int lcp__json_open(lua_State *L) {
  lua_pushcfunction(L, lcp__json_encode);
  lua_setfield(L, -2, "json_encode");
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "array");
  lua_setfield(L, -2, "__jsontype");
  lua_pushcclosure(L, lcp__json_decode, 1);
  lua_setfield(L, -2, "json_decode");
  return 0;
}
