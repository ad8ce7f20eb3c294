/* sink.h - bytes into a descriptor that others have, too, without blocking the loop.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SINK_H
#define LCP_SINK_H

#include <lua.h>

#include "os/fd.h"

struct lcp__sink;

/* Pushes a new sink that has nothing to write to, for lcp__sink_adopt, which cannot
 * raise. */
struct lcp__sink *lcp__sink_new(lua_State *L);

/* Hands `fd` over to the sink; the description behind it stays as it is.  Without one,
 * -1, it takes what it gets as /dev/null does. */
void lcp__sink_adopt(struct lcp__sink *s, int fd, enum lcp__fd_kind kind);

/* Adds core.sink to the core table on top of the stack. */
int lcp__sink_open(lua_State *L);

#endif
