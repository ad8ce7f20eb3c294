/* v8write.h - a Lua value as V8's structured-clone format. */
#ifndef LCP_V8WRITE_H
#define LCP_V8WRITE_H

#include <lua.h>

/* core.v8_encode(value) -> bytes | nil, text: what cannot be sent, and where it is.
 * Upvalues: the metatables by class name (see v8format.h), a buffer to write in or nil.
 */
int lcp__v8_encode(lua_State *L);

#endif
