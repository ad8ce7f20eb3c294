/* ipc.h - channels as Lua gets them.  SPDX-License-Identifier: MIT */
#ifndef LCP_IPC_H
#define LCP_IPC_H

#include <lua.h>

/* Adds its functions to the core table on top of the stack. */
int lcp__ipc_open(lua_State *L);

#endif
