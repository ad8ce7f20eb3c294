/* chunks.h - a queue of strings, for Lua.  SPDX-License-Identifier: MIT */
#ifndef LCP_CHUNKS_H
#define LCP_CHUNKS_H

#include <lua.h>

/* Adds the functions of queues to the core table on top of the stack. */
int lcp__chunks_open(lua_State *L);

#endif
