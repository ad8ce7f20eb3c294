/* log.h - what the library itself writes, see log.c.  SPDX-License-Identifier: MIT */
#ifndef LCP_LOG_H
#define LCP_LOG_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__log_open(lua_State *L);

#endif
