/* v8out.c - see v8out.h.  Owns: nothing outside the userdata. */
#include "codec/v8out.h"

enum { FIRST = 1024 };

static void use(struct out *out, size_t size, size_t used) {
  out->bytes = lua_touserdata(out->L, out->slot);
  out->at = out->bytes + used;
  out->end = out->bytes + size;
}

void lcp__out_take(struct out *out, lua_State *L, int slot) {
  out->L = L;
  out->slot = slot;
  if (lua_type(L, slot) != LUA_TUSERDATA) {
    lua_newuserdatauv(L, FIRST, 0);
    lua_replace(L, slot);
  }
  use(out, lua_rawlen(L, slot), 0);
}

void lcp__out_grow(struct out *out, size_t n) {
  size_t used = lcp__out_size(out), size = 2 * (size_t)(out->end - out->bytes);
  if (size < used + n)
    size = used + n;
  memcpy(lua_newuserdatauv(out->L, size, 0), out->bytes, used);
  lua_replace(out->L, out->slot);
  use(out, size, used);
}

size_t lcp__out_size(const struct out *out) { return (size_t)(out->at - out->bytes); }
