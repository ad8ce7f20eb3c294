/* channel_in.h - the receiving half of a channel: bytes -> frames -> messages, each a
 * callback.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CHANNEL_IN_H
#define LCP_CHANNEL_IN_H

#include <lauxlib.h>

#include "channel.h"

/* To be called with the events of its wire: reads, and reports what has come. */
void lcp__channel_in_ready(struct lcp__channel *c, int events);

extern const luaL_Reg lcp__channel_in_methods[];
extern const luaL_Reg lcp__channel_in_functions[]; /* of the core */

#endif
