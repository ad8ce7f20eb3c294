/* out.c - see out.h.
 * Owns: the userdata that is used again, in the registry.
 * SPDX-License-Identifier: MIT */
#include "codec/out.h"

#include <lauxlib.h>

enum {
  SLACK = 256,       /* added to the size of a long string, for what follows it */
  KEPT = 256 * 1024, /* bytes that are kept for the next message */
  STACK_USE = 4
};

static const char kept_key; /* its address: the userdata in the registry */

void lcp__out_begin(lua_State *L, struct lcp__out *out) {
  lua_pushnil(L);
  out->L = L;
  out->slot = lua_gettop(L);
  lua_pushnil(L);
  out->too_long = out->borrows = 0;
  out->borrowed = (struct iovec){NULL, 0};
  out->bytes = out->at = out->first;
  out->end = out->first + sizeof out->first;
}

void lcp__out_end(struct lcp__out *out) {
  if (out->bytes != out->first && lua_rawlen(out->L, out->slot) <= KEPT) {
    lua_pushvalue(out->L, out->slot);
    lua_rawsetp(out->L, LUA_REGISTRYINDEX, &kept_key);
  }
}

/* stack: -> the userdata that is kept, which is then in use, or nil */
static void push_kept(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
}

/* The bytes go to a userdata with room for `size`. */
static void move(struct lcp__out *out, size_t used, size_t size) {
  lua_State *L = out->L;
  luaL_checkstack(L, STACK_USE, "message");
  if (out->bytes == out->first)
    push_kept(L);
  else
    lua_pushnil(L);
  if (lua_rawlen(L, -1) < size) {
    lua_pop(L, 1);
    lua_newuserdatauv(L, size, 0);
  }
  memcpy(lua_touserdata(L, -1), out->bytes, used);
  lua_replace(L, out->slot);
  out->bytes = lua_touserdata(L, out->slot);
  out->end = out->bytes + lua_rawlen(L, out->slot);
}

/* A message that is too long starts over, so that it takes no more memory until the
 * encoder checks.  A few tables that contain each other can reach any length. */
void lcp__out_grow(struct lcp__out *out, size_t n) {
  size_t used = (size_t)(out->at - out->bytes), size = (size_t)(out->end - out->bytes);
  if (lcp__out_size(out) + n > LCP__OUT_LIMIT + SLACK) {
    out->too_long = 1;
    used = 0;
  }
  if (used + n > size)
    move(out, used, 2 * size > used + n + SLACK ? 2 * size : used + n + SLACK);
  out->at = out->bytes + used;
}

void lcp__out_borrow(struct lcp__out *out, int index) {
  size_t size;
  const char *bytes = lua_tolstring(out->L, index, &size);
  lua_pushvalue(out->L, index);
  lua_replace(out->L, out->slot + 1);
  out->borrowed = (struct iovec){(char *)bytes, size};
  out->borrowed_at = (size_t)(out->at - out->bytes);
}

void lcp__out_parts(const struct lcp__out *out, struct iovec parts[LCP__FRAME_PARTS]) {
  size_t before = out->borrowed.iov_len > 0 ? out->borrowed_at : 0;
  parts[0] = (struct iovec){out->bytes, before};
  parts[1] = out->borrowed;
  parts[2] = (struct iovec){out->bytes + before, (size_t)(out->at - out->bytes) - before};
}
