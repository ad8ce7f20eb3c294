/* v8out.c - see v8out.h.  Owns: nothing outside the userdata. */
#include "v8out.h"

enum {
  FIRST = 1024,
  KEPT = 256 * 1024 /* a greater one is left to the collector */
};

struct out_buffer {
  size_t size;
  int busy; /* a finalizer may encode in the middle of an encoding: it gets its own */
  unsigned char bytes[];
};

static struct out_buffer *buffer_new(lua_State *L, size_t size) {
  struct out_buffer *b = lua_newuserdatauv(L, sizeof *b + size, 0);
  b->size = size;
  b->busy = 1;
  return b;
}

static void buffer_use(struct out *out, struct out_buffer *b, size_t used) {
  out->buffer = b;
  out->at = b->bytes + used;
  out->end = b->bytes + b->size;
}

/* An encoding that memory ended leaves its buffer busy: the next one replaces it. */
void lcp__out_take(struct out *out, lua_State *L, int upvalue) {
  struct out_buffer *b = lua_touserdata(L, upvalue);
  out->L = L;
  out->upvalue = upvalue;
  out->slot = lua_gettop(L) + 1;
  if (b == NULL || b->busy) {
    b = buffer_new(L, FIRST);
    lua_copy(L, -1, upvalue);
  } else {
    lua_pushvalue(L, upvalue);
  }
  b->busy = 1;
  buffer_use(out, b, 0);
}

void lcp__out_release(struct out *out) {
  out->buffer->busy = 0;
  if (out->buffer->size > KEPT) {
    lua_pushnil(out->L);
    lua_replace(out->L, out->upvalue);
  }
}

void lcp__out_grow(struct out *out, size_t n) {
  size_t used = lcp__out_size(out), size = 2 * out->buffer->size;
  if (size < used + n)
    size = used + n;
  struct out_buffer *b = buffer_new(out->L, size);
  memcpy(b->bytes, out->buffer->bytes, used);
  lua_copy(out->L, -1, out->upvalue);
  lua_replace(out->L, out->slot);
  buffer_use(out, b, used);
}

const char *lcp__out_bytes(const struct out *out) {
  return (const char *)out->buffer->bytes;
}

size_t lcp__out_size(const struct out *out) {
  return (size_t)(out->at - out->buffer->bytes);
}
