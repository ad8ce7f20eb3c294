/* sender.c - see sender.h.  Owns: the unsent bytes and descriptors.
 * SPDX-License-Identifier: MIT */
#include "sender.h"

#include <errno.h>
#include <uv.h>

#include "os/fd.h"

enum {
  BATCH = 64 * 1024, /* bytes after which queued frames are sent without waiting for the
                        callback's end */
  PROMPT = 1000000   /* ns: nor does the sending wait for a callback longer than this */
};

int lcp__sender_waits(const struct lcp__sender *s) {
  return !s->held && lcp__outbox_pending(&s->out) > 0;
}

/* The first frame of a turn, with nothing queued before it, is sent without a copy.  The
 * number of bytes sent. */
static size_t send_at_once(struct lcp__sender *s, const struct lcp__wire *wire,
                           struct iovec *pieces, unsigned turn) {
  if (s->held || s->turn == turn || lcp__outbox_pending(&s->out) > 0)
    return 0;
  s->flushed_at = uv_hrtime();
  return lcp__outbox_try(&s->out, wire, pieces, LCP__FRAME_PIECES);
}

/* Everything a frame needs is reserved up front, so that it is never sent in part. */
int lcp__sender_queue(struct lcp__sender *s, const struct lcp__wire *wire,
                      enum lcp__framing framing, struct iovec payload, int fd,
                      unsigned turn) {
  char mark[LCP__FRAME_MARK];
  struct iovec pieces[LCP__FRAME_PIECES];
  if (payload.iov_len > LCP__FRAME_LIMIT)
    return -EMSGSIZE;
  int rc = lcp__outbox_reserve(&s->out, payload.iov_len + LCP__FRAME_MARK, fd);
  if (rc < 0)
    return rc;
  lcp__frame_cut(framing, payload, mark, pieces);
  lcp__outbox_put(&s->out, pieces, LCP__FRAME_PIECES,
                  send_at_once(s, wire, pieces, turn));
  int first = s->turn != turn;
  s->turn = turn;
  return first || lcp__outbox_pending(&s->out) >= BATCH ||
         uv_hrtime() - s->flushed_at > PROMPT;
}

int lcp__sender_flush(struct lcp__sender *s, const struct lcp__wire *wire) {
  if (s->held)
    return lcp__outbox_pending(&s->out) == 0;
  s->flushed_at = uv_hrtime();
  return lcp__outbox_flush(&s->out, wire);
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
