/* cost.h - the cost of a child: its duration and the resources it used.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_COST_H
#define LCP_COST_H

#include <lua.h>
#include <stdint.h>

#include "os/reap.h"

struct lcp__cost {
  uint64_t started, ended; /* ns */
  int64_t own_rss;         /* KiB: the peak size of this process */
};

/* To be called right before the start, and when the end has been seen. */
void lcp__cost_begin(struct lcp__cost *c);
void lcp__cost_end(struct lcp__cost *c);

/* Pushes the time in milliseconds. */
void lcp__cost_push_duration(lua_State *L, const struct lcp__cost *c);

/* Pushes a table of the resources used, or nil if unknown.  Its fields are those of
 * Node's process.resourceUsage() that Linux fills in. */
void lcp__cost_push_usage(lua_State *L, const struct lcp__cost *c,
                          const struct lcp__exit *how);

#endif
