/* busypoll.c - see busypoll.h.  SPDX-License-Identifier: MIT */
#include "busypoll.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "os/nap.h"

enum { FEWEST_WAITS = 4, MOST_WAITS = 4096, HITS_TO_EASE = 64 };

/* The first part of a wait is left to libuv, which does not notice signals: so this is
 * the longest that one can go unnoticed. */
enum { LIMIT_MS = 20, LIMIT_NS = (LIMIT_MS - 1) * 1000 * 1000 };

/* A wait short enough that spinning would have paid off; waking up takes as long
 * again. */
enum { SHORT_NS = 2 * LCP__BUSYPOLL_NS };

static void hit(struct lcp__busypoll *b) {
  if (++b->hits < HITS_TO_EASE)
    return;
  b->hits = 0;
  if (b->needed > FEWEST_WAITS)
    b->needed /= 2;
}

static void miss(struct lcp__busypoll *b) {
  b->hits = b->short_waits = 0;
  if (b->needed < MOST_WAITS)
    b->needed *= 2;
}

/* poll(2) on the epoll descriptor tells whether there are events, and leaves them for
 * uv_run.  An error such as EINTR ends the spinning as well.  1, or 0 if no event
 * came. */
static int spin(struct lcp__busypoll *b, int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  int found;
  do {
    found = poll(&p, 1, 0) != 0;
    if (uv_hrtime() - b->from > LCP__BUSYPOLL_NS) {
      miss(b);
      return 0;
    }
  } while (!found);
  hit(b);
  return 1;
}

/* Sleeps instead of uv_run, which goes back to sleep after a signal handler has run
 * (EINTR).  Before and after, it checks whether a handler has left something behind. */
static int sleep_once(struct lcp__busypoll *b, int fd, int ms) {
  sigset_t before;
  int rc = -EINTR;
  lcp__nap_begin(&before);
  if (b->looked || !b->is_interrupted(b->owner))
    rc = lcp__nap(fd, ms, &before);
  lcp__nap_end(&before);
  b->looked = rc == -EINTR;
  if (b->looked)
    b->interrupted(b->owner);
  return rc;
}

/* uv_run then finds the event, or a timer that is due, so the loop's time is updated. */
static void sleep_until_event(struct lcp__busypoll *b, uv_loop_t *loop) {
  int ms, rc = -EINTR;
  b->looked = 0;
  while (rc == -EINTR && (ms = uv_backend_timeout(loop)) != 0) {
    rc = sleep_once(b, uv_backend_fd(loop), ms);
    uv_update_time(loop);
  }
}

static void limit_cb(uv_timer_t *uv) { (void)uv; }

/* libuv has the first part of a wait: that costs less, and most waits are short. */
static void before_cb(uv_prepare_t *uv) {
  struct lcp__busypoll *b = uv->data;
  int waits = b->may_wait && uv_backend_timeout(uv->loop) != 0;
  b->from = uv_hrtime();
  b->asleep = b->idle && waits;
  if (b->asleep)
    sleep_until_event(b, uv->loop);
  else if (!waits || b->short_waits < b->needed || !spin(b, uv_backend_fd(uv->loop)))
    uv_timer_start(&b->limit, limit_cb, LIMIT_MS, 0);
}

static void after_cb(uv_check_t *uv) {
  struct lcp__busypoll *b = uv->data;
  uint64_t waited = uv_hrtime() - b->from;
  uv_timer_stop(&b->limit);
  b->idle = waited >= LIMIT_NS;
  if (waited > SHORT_NS)
    b->short_waits /= 2;
  else if (b->short_waits < b->needed)
    b->short_waits++;
}

/* Prepare handles run right before libuv polls, check handles right after (uv_run). */
void lcp__busypoll_init(struct lcp__busypoll *b, uv_loop_t *loop) {
  memset(b, 0, sizeof *b);
  b->needed = FEWEST_WAITS;
  uv_prepare_init(loop, &b->before);
  uv_timer_init(loop, &b->limit);
  uv_check_init(loop, &b->after);
  b->before.data = b->after.data = b;
  uv_prepare_start(&b->before, before_cb);
  uv_check_start(&b->after, after_cb);
  uv_unref((uv_handle_t *)&b->before);
  uv_unref((uv_handle_t *)&b->limit);
  uv_unref((uv_handle_t *)&b->after);
}

void lcp__busypoll_mode(struct lcp__busypoll *b, uv_run_mode mode) {
  b->may_wait = mode != UV_RUN_NOWAIT;
}

int lcp__busypoll_again(const struct lcp__busypoll *b) { return b->idle && !b->asleep; }

/* No close callbacks are needed: the struct is part of the loop's userdata, which calls
 * uv_run once more before it is freed. */
void lcp__busypoll_close(struct lcp__busypoll *b) {
  uv_close((uv_handle_t *)&b->limit, NULL);
  uv_close((uv_handle_t *)&b->before, NULL);
  uv_close((uv_handle_t *)&b->after, NULL);
}
