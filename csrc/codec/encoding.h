/* encoding.h - Node's encodings for Lua. */
#ifndef LCP_ENCODING_H
#define LCP_ENCODING_H

#include <lua.h>

/* Adds encoding_name, decoder and encode to the table on top of the stack. */
int lcp__encoding_open(lua_State *L);

#endif
