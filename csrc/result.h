/* result.h - what a function that Lua calls returns when a call of the system has failed.
 */
#ifndef LCP_RESULT_H
#define LCP_RESULT_H

#include <lua.h>

/* Pushes true, or nil and `rc` if that is a negative errno.  How many values these are.
 */
int lcp__push_errno(lua_State *L, int rc);

#endif
