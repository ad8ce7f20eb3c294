/* net.h - stream sockets: listening and connecting; both produce streams.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_NET_H
#define LCP_NET_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__net_open(lua_State *L);

#endif
