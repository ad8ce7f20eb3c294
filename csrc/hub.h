/* hub.h - the handles that the loop itself has in libuv.  No Lua.
 *
 * A block of its own: on a host's loop its close callbacks come when the state is gone.
 */
#ifndef LCP_HUB_H
#define LCP_HUB_H

#include <uv.h>

struct lcp__hub {
  uv_idle_t wake; /* brings a turn when there are only ticks to run */
  uv_idle_t spin; /* keeps the loop awake while immediates wait */
  uv_check_t check;
  uv_async_t changed; /* tells another loop, which polls this one, to look again */
  int open;           /* of these, not yet closed by libuv */
  uv_timer_t *spare;  /* timers that are stopped; `data` is the next one */
  int spares;
};

/* Opens the handles; their `data` is `owner`.  NULL without memory. */
struct lcp__hub *lcp__hub_open(uv_loop_t *loop, void *owner);

/* A stopped timer, referenced, or NULL without memory.  Timers are lent and taken back,
 * since libuv frees a closed one only in the next turn of the loop: a program that starts
 * and clears timers between two turns would grow without limit. */
uv_timer_t *lcp__hub_timer(struct lcp__hub *hub);

/* Stops the timer and takes it back. */
void lcp__hub_timer_back(struct lcp__hub *hub, uv_timer_t *timer);

/* Has the hub freed when libuv has closed the handles.  All timers are back by now. */
void lcp__hub_close(struct lcp__hub *hub);

#endif
