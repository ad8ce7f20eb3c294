/* arg.h - integers from Lua, which has 64 bits for each, as C's narrower types.  A cast
 * alone would make descriptor 4 of 4294967300. */
#ifndef LCP_ARG_H
#define LCP_ARG_H

#include <lua.h>

/* The integer at `arg`; raises for any that an int does not hold. */
int lcp__arg_int(lua_State *L, int arg);

/* The same, -1 for one that can be no descriptor: the system says EBADF to it. */
int lcp__arg_fd(lua_State *L, int arg);

/* The descriptor that the value at `index` is; -1 for any other value. */
int lcp__arg_to_fd(lua_State *L, int index);

#endif
