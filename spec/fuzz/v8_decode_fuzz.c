/* v8_decode_fuzz.c - hostile payloads for the codec 'advanced'.
 * Whatever is decoded must be encoded again unless that is refused, and come out the same
 * a second time.  The allocator ends the run when a payload takes more memory than a
 * fixed multiple of its length.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>

#include "codec/codec.h"

#if LUA_VERSION_NUM < 505
#define lua_newstate(allocate, ud, seed) lua_newstate(allocate, ud)
#endif

enum {
  MEMORY_PER_BYTE = 256, /* an empty object takes three bytes of payload */
  MEMORY_ALWAYS = 256 * 1024
};

struct memory {
  size_t used, limit; /* limit 0: none */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  struct memory *memory = ud;
  if (block == NULL)
    osize = 0;
  memory->used += nsize - osize;
  if (nsize > osize && memory->limit && memory->used > memory->limit) {
    fprintf(stderr, "%zu bytes of memory in use\n", memory->used);
    abort();
  }
  if (nsize == 0) {
    free(block);
    return NULL;
  }
  return realloc(block, nsize);
}

/* stack: core, function's argument -> the first result */
static void call(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_insert(L, -2);
  lua_pushliteral(L, "advanced");
  lua_insert(L, -2);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    fprintf(stderr, "%s raised: %s\n", name, lua_tostring(L, -1));
    abort();
  }
}

/* stack: core, value.  Two encodings of a decoded value cannot be compared as bytes,
 * since Lua's tables have no order, but their length is the same. */
static void check_again(lua_State *L) {
  call(L, "codec_encode");
  if (lua_isnil(L, -1))
    return;
  size_t first = lua_rawlen(L, -1), second;
  call(L, "codec_decode");
  call(L, "codec_encode");
  second = lua_rawlen(L, -1);
  if (lua_isnil(L, -1) || first != second) {
    fprintf(stderr, "encoded as %zu bytes, then as %zu\n", first, second);
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct memory memory;
  static lua_State *L;
  if (L == NULL) {
    L = lua_newstate(allocate, &memory, 0);
    lua_newtable(L);
    lcp__codec_open(L);
  }
  lua_gc(L, LUA_GCCOLLECT);
  memory.limit = memory.used + size * MEMORY_PER_BYTE + MEMORY_ALWAYS;
  lua_pushlstring(L, (const char *)data, size);
  call(L, "codec_decode");
  memory.limit = 0;
  if (!lua_isnil(L, -1))
    check_again(L);
  lua_settop(L, 1);
  return 0;
}
