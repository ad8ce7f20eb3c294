/* shortage.h - frees descriptors held only by garbage before reporting that none are
 * left.
 *
 * Dropped streams, sockets, files and passed handles close when they are collected, but
 * the collector considers memory alone: a program may reach its limit of descriptors with
 * none of them in use.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SHORTAGE_H
#define LCP_SHORTAGE_H

#include <lua.h>

#include "loop.h"

/* If `rc` means that no descriptors are left (EMFILE, ENFILE), collects garbage; 1: try
 * again.  Finalizers have run then. */
int lcp__shortage_collect(lua_State *L, int rc);

/* The same on behalf of another process, which may ask again and again: asking costs it
 * next to nothing, while a collection takes time in proportion to the heap.  So this
 * limits how often it collects. */
int lcp__shortage_collect_for_peer(lua_State *L, struct lcp__loop *loop, int rc);

/* Called for each descriptor received from another process. */
void lcp__shortage_gained(struct lcp__loop *loop);

/* Adds its function to the core table on top of the stack. */
int lcp__shortage_open(lua_State *L);

#endif
