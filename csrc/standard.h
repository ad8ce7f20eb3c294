/* standard.h - streams over the host's standard descriptors.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_STANDARD_H
#define LCP_STANDARD_H

#include <lua.h>

/* Adds core.standard_stream to the core table on top of the stack. */
int lcp__standard_open(lua_State *L);

#endif
