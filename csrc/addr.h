/* addr.h - converts addresses between Lua and the system, and has the socket functions
 * that need only a descriptor.  No loop.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_ADDR_H
#define LCP_ADDR_H

#include <lua.h>

#include "os/sock.h"

/* Reads an address: a numeric one at `arg` with its port at `arg` + 1, or the path of a
 * local socket (no port follows).  0 or a negative errno; raises on wrong types. */
int lcp__addr_check(lua_State *L, int arg, struct lcp__addr *a);

/* Pushes address, port, 'IPv4' or 'IPv6'; for a local socket its path (or nil), nil, nil.
 * Returns 3. */
int lcp__addr_push(lua_State *L, const struct lcp__addr *a);

/* Adds its functions to the core table on top of the stack. */
int lcp__addr_open(lua_State *L);

#endif
