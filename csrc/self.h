/* self.h - queries and changes this process.  SPDX-License-Identifier: MIT */
#ifndef LCP_SELF_H
#define LCP_SELF_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__self_open(lua_State *L);

#endif
