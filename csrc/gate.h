/* gate.h - the way from libuv's callbacks into Lua, and of their errors out of it.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_GATE_H
#define LCP_GATE_H

#include <lua.h>

struct lcp__loop;

/* Calls the function below the `nargs` arguments on top of the stack, and pops them all.
 * Protected, with a traceback; an error is kept for run(), or given to the program's or
 * the host's handler.  1, or 0 after an error.  Never raises. */
int lcp__gate_call(struct lcp__loop *loop, lua_State *L, int nargs);

/* Records that the Lua stack has no room left: run() reports it. */
void lcp__gate_lost(struct lcp__loop *loop);

/* Raises the oldest pending error of a callback, if there is one. */
void lcp__gate_raise(lua_State *L, struct lcp__loop *loop);

/* Adds the functions of the gate to the core table on top of the stack. */
int lcp__gate_open(lua_State *L);

#endif
