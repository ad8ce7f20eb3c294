/* v8read.h - V8's structured-clone format as a Lua value. */
#ifndef LCP_V8READ_H
#define LCP_V8READ_H

#include <lua.h>

/* core.v8_decode(string | view) -> value | nil, text: what is wrong, and at which byte.
 * Upvalue: the metatables by class name (see v8format.h). */
int lcp__v8_decode(lua_State *L);

#endif
