/* channel_out.h - the sending half of a channel: messages -> frames -> the wire.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CHANNEL_OUT_H
#define LCP_CHANNEL_OUT_H

#include <lauxlib.h>

#include "channel.h"

/* To be called with the events of its wire: writes what is unsent. */
void lcp__channel_out_ready(struct lcp__channel *c, int events);

extern const luaL_Reg lcp__channel_out_methods[];

#endif
