/* outbox.h - bytes that wait for a socket, and the descriptors that travel with them.
 * No Lua, no libuv.
 *
 * A descriptor travels with the first byte of the write it is given to, so no write spans
 * the beginning of bytes that have one.
 *
 *   struct lcp__outbox o = {0};
 *   if (lcp__outbox_reserve(&o, size, fd) == 0) // fd: -1, or one that goes with them
 *     lcp__outbox_put(&o, pieces, n, 0);        // no more than `size` bytes
 *   rc = lcp__outbox_flush(&o, sock);           // whenever the socket can be written
 *   lcp__outbox_free(&o); */
#ifndef LCP_OUTBOX_H
#define LCP_OUTBOX_H

#include <stddef.h>
#include <sys/uio.h>

#include "os/buf.h"

struct lcp__passed {
  size_t at; /* the byte it travels with, counted from the first ever sent */
  int fd;    /* a copy, owned */
};

struct lcp__outbox {
  struct lcp__buf bytes;
  size_t sent; /* bytes that have left, of all that there ever were */
  struct lcp__passed *passed;
  size_t npassed, room;
};

/* Closes what has not left, and forgets its bytes; `sent` stays. */
void lcp__outbox_free(struct lcp__outbox *o);

/* How many bytes wait. */
size_t lcp__outbox_pending(const struct lcp__outbox *o);

/* Makes room for `size` bytes, with which a copy of `fd` (unless it is -1) will travel.
 * 0 or a negative errno. */
int lcp__outbox_reserve(struct lcp__outbox *o, size_t size, int fd);

/* Appends the `n` pieces but for the first `from` bytes of them; there is room. */
void lcp__outbox_put(struct lcp__outbox *o, const struct iovec *pieces, size_t n,
                     size_t from);

/* Sends the `n` pieces if nothing waits, without a copy.  How many bytes have gone; an
 * error shows again at the next flush. */
size_t lcp__outbox_try(struct lcp__outbox *o, int sock, struct iovec *pieces, size_t n);

/* 1: all is sent; 0: the socket takes no more now; < 0: errno. */
int lcp__outbox_flush(struct lcp__outbox *o, int sock);

#endif
