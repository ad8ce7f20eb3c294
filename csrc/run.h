/* run.h - runs the loop, or lets an outer loop poll it.  SPDX-License-Identifier: MIT */
#ifndef LCP_RUN_H
#define LCP_RUN_H

#include <lua.h>

/* Adds the functions that run the loop to the core table on top of the stack. */
int lcp__run_open(lua_State *L);

#endif
