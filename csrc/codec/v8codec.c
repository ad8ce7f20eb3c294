/* v8codec.c - opens the two halves of the codec over one table of metatables.
 * Owns: that table (core.v8_classes), by which a class of JavaScript is known again. */
#include "codec/v8codec.h"

#include <lauxlib.h>

#include "codec/v8class.h"
#include "codec/v8read.h"
#include "codec/v8write.h"

/* stack: -> a table of metatables by class name; `__jstype` says the class */
static void push_classes(lua_State *L) {
  lua_newtable(L);
  for (enum v8_class i = CLASS_NONE + 1; i <= CLASS_SET; i++) {
    const char *name = lcp__v8_class_name(i);
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushstring(L, i == CLASS_ARRAY ? "array" : name);
    lua_setfield(L, -2, i == CLASS_ARRAY ? "__jsontype" : "__jstype");
    lua_setfield(L, -2, name);
  }
}

int lcp__v8codec_open(lua_State *L) {
  push_classes(L);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, lcp__v8_encode, 1);
  lua_setfield(L, -3, "v8_encode");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, lcp__v8_decode, 1);
  lua_setfield(L, -3, "v8_decode");
  lua_setfield(L, -2, "v8_classes");
  return 0;
}
