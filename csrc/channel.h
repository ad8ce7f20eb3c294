/* channel.h - frames and descriptors over one socket between two processes.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CHANNEL_H
#define LCP_CHANNEL_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__channel_open(lua_State *L);

#endif
