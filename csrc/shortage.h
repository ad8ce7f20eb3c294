/* shortage.h - descriptors that only garbage holds are no shortage.
 *
 * Dropped streams, sockets, files and passed handles close when they are collected, and
 * the collector looks at memory alone: a program may be at its limit of descriptors with
 * none of them in use. */
#ifndef LCP_SHORTAGE_H
#define LCP_SHORTAGE_H

#include <lua.h>

#include "loop.h"

/* Whether `rc` says that there are no descriptors left, and it is worth another try now:
 * garbage has been collected.  Finalizers have run. */
int lcp__shortage_collect(lua_State *L, int rc);

/* The same when it is another process that asks for descriptors of ours, again and again
 * maybe: a collection costs what the heap is large, and asking next to nothing. */
int lcp__shortage_collect_for_peer(lua_State *L, struct lcp__loop *loop, int rc);

/* To be called for each descriptor that another process has brought us. */
void lcp__shortage_gained(struct lcp__loop *loop);

/* Adds its function to the core table on top of the stack. */
int lcp__shortage_open(lua_State *L);

#endif
