/* busypoll.c - see busypoll.h. */
#include "busypoll.h"

#include <poll.h>
#include <string.h>

enum { FEWEST_WAITS = 4, MOST_WAITS = 4096, HITS_TO_EASE = 64 };

/* A wait short enough that spinning would have paid off; to be woken takes as long again.
 */
enum { SHORT_NS = 2 * LCP_BUSYPOLL_NS };

static void hit(struct lcp_busypoll *b) {
  if (++b->hits < HITS_TO_EASE)
    return;
  b->hits = 0;
  if (b->needed > FEWEST_WAITS)
    b->needed /= 2;
}

static void miss(struct lcp_busypoll *b) {
  b->hits = b->short_waits = 0;
  if (b->needed < MOST_WAITS)
    b->needed *= 2;
}

/* poll(2) on the epoll descriptor says whether there are events and leaves them for
 * uv_run.  An error, like EINTR, ends the spinning as well. */
static void before_cb(uv_prepare_t *uv) {
  struct lcp_busypoll *b = uv->data;
  struct pollfd p = {.fd = uv_backend_fd(uv->loop), .events = POLLIN};
  int found;
  b->from = uv_hrtime();
  if (!b->may_wait || b->short_waits < b->needed || uv_backend_timeout(uv->loop) == 0)
    return;
  do {
    found = poll(&p, 1, 0) != 0;
    if (uv_hrtime() - b->from > LCP_BUSYPOLL_NS) {
      miss(b);
      return;
    }
  } while (!found);
  hit(b);
}

static void after_cb(uv_check_t *uv) {
  struct lcp_busypoll *b = uv->data;
  if (uv_hrtime() - b->from > SHORT_NS)
    b->short_waits /= 2;
  else if (b->short_waits < b->needed)
    b->short_waits++;
}

/* Prepare handles run right before libuv polls, check handles right after (uv_run). */
void lcp__busypoll_init(struct lcp_busypoll *b, uv_loop_t *loop) {
  memset(b, 0, sizeof *b);
  b->needed = FEWEST_WAITS;
  uv_prepare_init(loop, &b->before);
  uv_check_init(loop, &b->after);
  b->before.data = b->after.data = b;
  uv_prepare_start(&b->before, before_cb);
  uv_check_start(&b->after, after_cb);
  uv_unref((uv_handle_t *)&b->before);
  uv_unref((uv_handle_t *)&b->after);
}

void lcp__busypoll_mode(struct lcp_busypoll *b, uv_run_mode mode) {
  b->may_wait = mode != UV_RUN_NOWAIT;
}

/* Without callbacks: the struct lives in the loop's userdata, which runs uv_run once more
 * before it goes. */
void lcp__busypoll_close(struct lcp_busypoll *b) {
  uv_close((uv_handle_t *)&b->before, NULL);
  uv_close((uv_handle_t *)&b->after, NULL);
}
