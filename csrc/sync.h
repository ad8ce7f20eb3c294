/* sync.h - starting a process and waiting for it in one call, as Lua sees it.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SYNC_H
#define LCP_SYNC_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__sync_open(lua_State *L);

#endif
