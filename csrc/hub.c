/* hub.c - see hub.h. */
#include "hub.h"

#include <stdlib.h>

#include "uvloop.h"

static void changed_cb(uv_async_t *uv) { (void)uv; }

struct lcp_hub *lcp__hub_open(uv_loop_t *loop, void *owner) {
  struct lcp_hub *hub = malloc(sizeof *hub);
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
  return hub;
}

static void closed_cb(uv_handle_t *uv) {
  struct lcp_hub *hub = uv->data;
  if (--hub->open == 0)
    free(hub);
}

void lcp__hub_close(struct lcp_hub *hub) {
  hub->wake.data = hub->spin.data = hub->check.data = hub->changed.data = hub;
  lcp__uvloop_close((uv_handle_t *)&hub->wake, closed_cb);
  lcp__uvloop_close((uv_handle_t *)&hub->spin, closed_cb);
  lcp__uvloop_close((uv_handle_t *)&hub->check, closed_cb);
  lcp__uvloop_close((uv_handle_t *)&hub->changed, closed_cb);
}
