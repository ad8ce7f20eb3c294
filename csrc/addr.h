/* addr.h - addresses between Lua and the system, and what a descriptor alone is enough
 * for.  No loop. */
#ifndef LCP_ADDR_H
#define LCP_ADDR_H

#include <lua.h>

#include "os/sock.h"

/* Reads an address: a numeric one at `arg` with its port at `arg` + 1, or the path of a
 * local socket without a port.  0 or a negative errno; raises on wrong types. */
int lcp__addr_check(lua_State *L, int arg, struct lcp__addr *a);

/* Pushes address, port, 'IPv4' or 'IPv6'; of a local socket the path (nil if it has
 * none), nil, nil.  Returns 3. */
int lcp__addr_push(lua_State *L, const struct lcp__addr *a);

/* Adds its functions to the core table on top of the stack. */
int lcp__addr_open(lua_State *L);

#endif
