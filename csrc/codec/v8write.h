/* v8write.h - a Lua value as V8's structured-clone format. */
#ifndef LCP_V8WRITE_H
#define LCP_V8WRITE_H

#include <lua.h>

/* core.v8_encode(value) -> payload | nil, text: what cannot be sent, and where it is.
 * core.v8_encode(value, userdata | true) -> userdata with the payload, its size: the
 * memory of the one before, if there is one, is used again.
 * Upvalue: the metatables by class name (see v8format.h). */
int lcp__v8_encode(lua_State *L);

#endif
