/* sender.h - the sending half of a channel: cuts payloads into frames, and decides when
 * their bytes go to the wire: immediately, with others at the end of the loop's turn, or
 * when the wire takes them.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SENDER_H
#define LCP_SENDER_H

#include <stdint.h>

#include "os/frame.h"
#include "os/outbox.h"
#include "os/wire.h"

struct lcp__sender {
  struct lcp__outbox out;
  int held;            /* nothing is sent for now */
  unsigned turn;       /* the loop's turn in which the last frame was queued */
  uint64_t flushed_at; /* ns: when bytes were last written */
  int collecting;      /* a flush is to come at the end of this turn */
};

/* Whether unsent bytes wait for the wire to take more.  Those that are collected for the
 * end of this turn do not. */
int lcp__sender_waits(const struct lcp__sender *s);

/* What is to be done after a frame has been queued. */
enum lcp__sender_next {
  LCP__SENDER_NOTHING,     /* a flush is to come; less than 64 KiB are unsent */
  LCP__SENDER_FLUSH_LATER, /* at the end of the turn */
  LCP__SENDER_FLUSH_NOW /* if anything is unsent: it is the first frame of this turn, or
                           there are many bytes, or old ones */
};

/* Queues a payload in parts, and a copy of `fd` unless it is -1.  An enum
 * lcp__sender_next, or a negative errno, with nothing queued. */
int lcp__sender_queue(struct lcp__sender *s, const struct lcp__wire *wire,
                      enum lcp__framing framing,
                      const struct iovec parts[LCP__FRAME_PARTS], int fd, unsigned turn);

/* As lcp__outbox_flush. */
int lcp__sender_flush(struct lcp__sender *s, const struct lcp__wire *wire);

/* Waits until everything is sent, as long as the peer takes some bytes every `ms`
 * milliseconds; whether it is. */
int lcp__sender_flush_blocking(struct lcp__sender *s, const struct lcp__wire *wire,
                               uint64_t ms);

#endif
