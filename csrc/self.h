/* self.h - facts and acts of this process. */
#ifndef LCP_SELF_H
#define LCP_SELF_H

#include <lua.h>

/* The registry's key of core.environment: the empty table behind cp.process.env, which
 * Lua makes a live view of the environment. */
#define LCP_ENVIRONMENT "child_process.environment"

/* Adds its functions to the core table on top of the stack. */
int lcp__self_open(lua_State *L);

#endif
