/* tickets.h - a pipe of numbers: whoever reads a number has the request with it.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_TICKETS_H
#define LCP_TICKETS_H

#include <lua.h>

/* Adds core.tickets to the core table on top of the stack. */
int lcp__tickets_open(lua_State *L);

#endif
