/* hub.c - see hub.h.  SPDX-License-Identifier: MIT */
#include "hub.h"

#include <stdlib.h>

#include "uvloop.h"

/* How many stopped timers are kept for reuse; more would help only in another burst. */
enum { MOST_SPARES = 64 };

/* Its only purpose is to wake the loop. */
static void changed_cb(uv_async_t *uv) { (void)uv; }

/* Only uv_async_init can fail, since it needs a descriptor (eventfd(2) or a pipe).  It
 * and `check` must not keep alive a loop that has nothing else to do. */
struct lcp__hub *lcp__hub_open(uv_loop_t *loop, void *owner) {
  struct lcp__hub *hub = malloc(sizeof *hub);
  if (hub == NULL)
    return NULL;
  if (uv_async_init(loop, &hub->changed, changed_cb) != 0) {
    free(hub);
    return NULL;
  }
  uv_idle_init(loop, &hub->wake);
  uv_idle_init(loop, &hub->spin);
  uv_check_init(loop, &hub->check);
  uv_unref((uv_handle_t *)&hub->check);
  uv_unref((uv_handle_t *)&hub->changed);
  hub->wake.data = hub->spin.data = hub->check.data = hub->changed.data = owner;
  hub->open = 4;
  hub->spare = NULL;
  hub->spares = 0;
  return hub;
}

/* A lent timer is referenced again: its last user may have called unref(). */
uv_timer_t *lcp__hub_timer(struct lcp__hub *hub) {
  uv_timer_t *timer = hub->spare;
  if (timer != NULL) {
    hub->spare = timer->data;
    hub->spares--;
  } else {
    timer = malloc(sizeof *timer);
    if (timer == NULL)
      return NULL;
    uv_timer_init(hub->check.loop, timer);
  }
  uv_ref((uv_handle_t *)timer);
  return timer;
}

static void free_cb(uv_handle_t *uv) { free(uv); }

/* A closing timer was closed by the host, see lcp__uvloop_close. */
void lcp__hub_timer_back(struct lcp__hub *hub, uv_timer_t *timer) {
  uv_timer_stop(timer);
  if (hub->spares == MOST_SPARES || uv_is_closing((uv_handle_t *)timer)) {
    lcp__uvloop_close((uv_handle_t *)timer, free_cb);
    return;
  }
  timer->data = hub->spare;
  hub->spare = timer;
  hub->spares++;
}

static void closed_cb(uv_handle_t *uv) {
  struct lcp__hub *hub = uv->data;
  if (--hub->open == 0)
    free(hub);
}

/* From here on `data` is the hub, for closed_cb: no other callback comes any more. */
void lcp__hub_close(struct lcp__hub *hub) {
  for (uv_timer_t *timer = hub->spare, *next; timer != NULL; timer = next) {
    next = timer->data;
    lcp__uvloop_close((uv_handle_t *)timer, free_cb);
  }
  hub->wake.data = hub->spin.data = hub->check.data = hub->changed.data = hub;
  lcp__uvloop_close((uv_handle_t *)&hub->wake, closed_cb);
  lcp__uvloop_close((uv_handle_t *)&hub->spin, closed_cb);
  lcp__uvloop_close((uv_handle_t *)&hub->check, closed_cb);
  lcp__uvloop_close((uv_handle_t *)&hub->changed, closed_cb);
}
