/* timer.h - timers for Lua.  SPDX-License-Identifier: MIT */
#ifndef LCP_TIMER_H
#define LCP_TIMER_H

#include <lua.h>

/* Adds the functions of timers to the core table on top of the stack. */
int lcp__timer_open(lua_State *L);

#endif
