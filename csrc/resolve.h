/* resolve.h - resolves host names to addresses.  SPDX-License-Identifier: MIT */
#ifndef LCP_RESOLVE_H
#define LCP_RESOLVE_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__resolve_open(lua_State *L);

#endif
