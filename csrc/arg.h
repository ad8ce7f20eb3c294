/* arg.h - converts Lua's 64-bit integers to C's narrower types.  A plain cast would turn
 * 4294967300 into descriptor 4.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_ARG_H
#define LCP_ARG_H

#include <lua.h>

/* The integer at `arg`; raises if it does not fit into an int. */
int lcp__arg_int(lua_State *L, int arg);

/* The same, but -1 for a number that cannot be a descriptor; the system then says
 * EBADF. */
int lcp__arg_fd(lua_State *L, int arg);

/* The value at `index` as a descriptor; -1 if it is not one. */
int lcp__arg_to_fd(lua_State *L, int index);

#endif
