/* outbox.h - bytes waiting to be sent, and the descriptors that travel with them.  No
 * Lua, no libuv.
 *
 * A descriptor travels with the first byte of its write (unix(7)), so a write ends where
 * the next bytes with a descriptor begin.
 *
 *   struct lcp__outbox o = {0};
 *   if (lcp__outbox_reserve(&o, size, fd) == 0) // fd: -1, or one to send along
 *     lcp__outbox_put(&o, pieces, n, 0);        // no more than `size` bytes
 *   rc = lcp__outbox_flush(&o, &wire);          // whenever the wire can be written
 *   lcp__outbox_free(&o);
 * SPDX-License-Identifier: MIT */
#ifndef LCP_OUTBOX_H
#define LCP_OUTBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "os/buf.h"
#include "os/wire.h"

struct lcp__passed {
  uint64_t at; /* the byte it travels with, counted from the very first */
  int fd;      /* a copy, owned */
};

struct lcp__outbox {
  struct lcp__buf bytes;
  uint64_t sent; /* bytes sent since the beginning */
  struct lcp__passed *passed;
  size_t npassed, room;
};

/* Drops all unsent bytes and closes their descriptors; `sent` stays. */
void lcp__outbox_free(struct lcp__outbox *o);

/* The number of unsent bytes. */
size_t lcp__outbox_pending(const struct lcp__outbox *o);

/* Makes room for `size` bytes; a copy of `fd`, unless that is -1, will travel with them.
 * 0 or a negative errno. */
int lcp__outbox_reserve(struct lcp__outbox *o, size_t size, int fd);

/* Appends the `n` pieces without their first `from` bytes; the room must be reserved. */
void lcp__outbox_put(struct lcp__outbox *o, const struct iovec *pieces, size_t n,
                     size_t from);

/* Sends the `n` pieces directly, without a copy, if nothing is queued before them.  The
 * number of bytes sent; an error shows again at the next flush. */
size_t lcp__outbox_try(struct lcp__outbox *o, const struct lcp__wire *wire,
                       struct iovec *pieces, size_t n);

/* 1: everything is sent; 0: the wire takes no more now; or a negative errno. */
int lcp__outbox_flush(struct lcp__outbox *o, const struct lcp__wire *wire);

#endif
