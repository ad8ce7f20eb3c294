/* splice.h - from pipe to pipe without a copy.  SPDX-License-Identifier: MIT */
#ifndef LCP_SPLICE_H
#define LCP_SPLICE_H

#include <lua.h>

/* Adds core.splice to the core table on top of the stack. */
int lcp__splice_open(lua_State *L);

#endif
