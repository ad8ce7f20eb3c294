/* sender.c - see sender.h.  Owns: the unsent bytes and descriptors.
 * SPDX-License-Identifier: MIT */
#include "sender.h"

#include <errno.h>
#include <time.h>
#include <uv.h>

#include "os/fd.h"

/* Queued frames wait for the end of the callback, but not beyond so many bytes, nor for
 * much longer than so many ns. */
enum { BATCH = 64 * 1024, PROMPT = 1000000 };

/* ns, as exact as the system's ticks: it is asked for each frame, and a better clock
 * takes as long as all the rest of queueing one. */
static uint64_t now(void) {
#ifdef CLOCK_MONOTONIC_COARSE
  struct timespec t = {0, 0};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#else
  return uv_hrtime();
#endif
}

int lcp__sender_waits(const struct lcp__sender *s) {
  return !s->held && !s->collecting && lcp__outbox_pending(&s->out) > 0;
}

int lcp__sender_flush(struct lcp__sender *s, const struct lcp__wire *wire) {
  if (s->held)
    return lcp__outbox_pending(&s->out) == 0;
  s->flushed_at = now();
  return lcp__outbox_flush(&s->out, wire);
}

/* The first frame of a turn, with nothing queued before it, is sent without a copy; and a
 * large one, behind what is queued, unless the wire has just refused that. */
static int goes_at_once(const struct lcp__sender *s, size_t size, unsigned turn) {
  size_t pending = lcp__outbox_pending(&s->out);
  if (s->held || pending >= BATCH)
    return 0;
  return size >= BATCH || (pending == 0 && s->turn != turn);
}

/* After a frame has been queued. */
static enum lcp__sender_next next_step(struct lcp__sender *s, unsigned turn) {
  int first = s->turn != turn;
  s->turn = turn;
  if (first || lcp__outbox_pending(&s->out) >= BATCH || now() - s->flushed_at > PROMPT)
    return LCP__SENDER_FLUSH_NOW;
  if (s->collecting)
    return LCP__SENDER_NOTHING;
  s->collecting = 1;
  return LCP__SENDER_FLUSH_LATER;
}

/* Everything a frame needs is reserved up front, so that it is never sent in part; but
 * after the flush, which gives up memory.  What goes wrong there shows again at the next
 * one. */
int lcp__sender_queue(struct lcp__sender *s, const struct lcp__wire *wire,
                      enum lcp__framing framing,
                      const struct iovec parts[LCP__FRAME_PARTS], int fd, unsigned turn) {
  char mark[LCP__FRAME_MARK];
  struct iovec pieces[LCP__FRAME_PIECES];
  size_t size = lcp__frame_payload_size(parts);
  if (size > LCP__FRAME_LIMIT)
    return -EMSGSIZE;
  int at_once = goes_at_once(s, size, turn);
  if (at_once)
    lcp__sender_flush(s, wire);
  int rc = lcp__outbox_reserve(&s->out, size + LCP__FRAME_MARK, fd);
  if (rc < 0)
    return rc;
  lcp__frame_cut(framing, parts, mark, pieces);
  size_t gone = at_once ? lcp__outbox_try(&s->out, wire, pieces, LCP__FRAME_PIECES) : 0;
  lcp__outbox_put(&s->out, pieces, LCP__FRAME_PIECES, gone);
  return (int)next_step(s, turn);
}

int lcp__sender_flush_blocking(struct lcp__sender *s, const struct lcp__wire *wire,
                               uint64_t ms) {
  uint64_t patience = ms * 1000000, end = uv_hrtime() + patience;
  int rc = lcp__sender_flush(s, wire);
  while (rc == 0 && !s->held && uv_hrtime() < end) {
    uint64_t before = s->out.sent;
    int left = (int)((end - uv_hrtime()) / 1000000) + 1;
    rc = lcp__fd_wait_writable(wire->fd, left) < 0 ? -EIO : lcp__sender_flush(s, wire);
    if (s->out.sent != before)
      end = uv_hrtime() + patience;
  }
  return rc == 1;
}
