/* hub.h - the libuv handles of the loop itself.  No Lua.
 *
 * It is a separate block, since on a host's loop the close callbacks come after the state
 * is gone.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_HUB_H
#define LCP_HUB_H

#include <uv.h>

struct lcp__hub {
  uv_idle_t wake; /* causes a turn when only ticks are waiting */
  uv_idle_t spin; /* keeps the loop awake while immediates wait */
  uv_check_t check;
  uv_async_t changed; /* makes an outer loop that polls this one look again */
  int open;           /* how many of these libuv has not closed yet */
  uv_timer_t *spare;  /* list of stopped timers, linked by `data` */
  int spares;
};

/* Opens the handles; their `data` is `owner`.  NULL without memory. */
struct lcp__hub *lcp__hub_open(uv_loop_t *loop, void *owner);

/* A stopped timer, referenced, or NULL without memory.  Timers are lent and returned
 * rather than closed, since libuv closes a handle only in the next turn of the loop: a
 * program that starts and clears timers within one turn would grow without limit. */
uv_timer_t *lcp__hub_timer(struct lcp__hub *hub);

/* Stops the timer and takes it back. */
void lcp__hub_timer_back(struct lcp__hub *hub, uv_timer_t *timer);

/* The hub is freed once libuv has closed the handles.  All timers must be back by now. */
void lcp__hub_close(struct lcp__hub *hub);

#endif
