/* sigwatch.h - reports signals of this process to Lua.  SPDX-License-Identifier: MIT */
#ifndef LCP_SIGWATCH_H
#define LCP_SIGWATCH_H

#include <lua.h>

/* Whether a state in this process listens for the signal. */
int lcp__sigwatch_listens(int signo);

/* Adds its functions to the core table on top of the stack. */
int lcp__sigwatch_open(lua_State *L);

#endif
