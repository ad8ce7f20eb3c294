/* held.h - the processes that hold pipes of a child that has ended.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_HELD_H
#define LCP_HELD_H

#include <lua.h>

#include "os/procfs.h"

/* Pushes an array of { pid =, command =, fd = }. */
void lcp__holders_push(lua_State *L, const struct lcp__holders *found);

/* Adds core.holders to the core table on top of the stack. */
int lcp__held_open(lua_State *L);

#endif
