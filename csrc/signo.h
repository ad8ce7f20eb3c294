/* signo.h - names and numbers of signals and errnos.  SPDX-License-Identifier: MIT */
#ifndef LCP_SIGNO_H
#define LCP_SIGNO_H

#include <lua.h>

#include "os/proc.h"

/* Pushes how a process ended: its code or nil, its signal (the name; the number if it has
 * none) or nil. */
void lcp__exit_push(lua_State *L, const struct lcp__exit *how);

/* Adds `signals` (name -> number) and `errname` to the core table on top of the stack. */
int lcp__signo_open(lua_State *L);

#endif
