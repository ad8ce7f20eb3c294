/* live.h - tables that show something else when they are read, and have no fields to
 * send: a copy made at that moment is sent.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_LIVE_H
#define LCP_LIVE_H

#include <lua.h>

/* stack: table, function ->.  Messages get the function's result instead of the table,
 * which must have a metatable. */
void lcp__live_add(lua_State *L);

/* stack: table -> the same, or the copy of one that was added.  A copy may get the
 * address of an earlier one of the same message: then both have the same content. */
void lcp__live_copy(lua_State *L);

#endif
