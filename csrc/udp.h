/* udp.h - datagrams.  SPDX-License-Identifier: MIT */
#ifndef LCP_UDP_H
#define LCP_UDP_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__udp_open(lua_State *L);

#endif
