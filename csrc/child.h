/* child.h - ChildProcess, as Lua sees it.  SPDX-License-Identifier: MIT */
#ifndef LCP_CHILD_H
#define LCP_CHILD_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__child_open(lua_State *L);

#endif
