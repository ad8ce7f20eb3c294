/* result.h - the results of a Lua function that made a system call.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_RESULT_H
#define LCP_RESULT_H

#include <lua.h>

/* Pushes true, or nil and `rc` if that is a negative errno.  The number of values
 * pushed. */
int lcp__push_errno(lua_State *L, int rc);

#endif
