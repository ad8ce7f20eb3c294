/* pending.h - a write of Lua strings, and the rest of it that waits.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PENDING_H
#define LCP_PENDING_H

#include <lua.h>

#include "os/pieces.h"

/* Writes the string or the array of strings at index `data`.  1: everything is written;
 * 0: `rest` has what is left, parts of the strings, which the caller keeps alive; or a
 * negative errno.  `whole`: returns only when everything is written, which may block. */
int lcp__pending_write(lua_State *L, int data, struct lcp__pieces *rest, int fd,
                       enum lcp__fd_kind kind, int whole);

#endif
