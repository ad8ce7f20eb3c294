/* outbox.c - see outbox.h.  Owns: the bytes and the copies of the descriptors.
 * SPDX-License-Identifier: MIT */
#include "os/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/fd.h"
#include "os/wire.h"

void lcp__outbox_free(struct lcp__outbox *o) {
  for (size_t i = 0; i < o->npassed; i++)
    lcp__fd_close(&o->passed[i].fd);
  free(o->passed);
  o->passed = NULL;
  o->npassed = o->room = 0;
  lcp__buf_free(&o->bytes);
}

size_t lcp__outbox_pending(const struct lcp__outbox *o) {
  return o->bytes.end - o->bytes.start;
}

/* A copy, since the caller may close its descriptor before the bytes have left. */
static int pass(struct lcp__outbox *o, int fd) {
  if (o->npassed == o->room) {
    size_t room = o->room * 2 + 4;
    struct lcp__passed *more = realloc(o->passed, room * sizeof *more);
    if (more == NULL)
      return -ENOMEM;
    o->passed = more;
    o->room = room;
  }
  int copy = lcp__fd_copy(fd);
  if (copy < 0)
    return copy;
  o->passed[o->npassed].at = o->sent + lcp__outbox_pending(o);
  o->passed[o->npassed++].fd = copy;
  return 0;
}

int lcp__outbox_reserve(struct lcp__outbox *o, size_t size, int fd) {
  int rc = lcp__buf_reserve(&o->bytes, size);
  return rc == 0 && fd >= 0 ? pass(o, fd) : rc;
}

void lcp__outbox_put(struct lcp__outbox *o, const struct iovec *pieces, size_t n,
                     size_t from) {
  size_t i;
  for (i = 0; i < n; i++) {
    size_t skipped = from < pieces[i].iov_len ? from : pieces[i].iov_len;
    size_t size = pieces[i].iov_len - skipped;
    if (size > 0)
      memcpy(o->bytes.data + o->bytes.end, (char *)pieces[i].iov_base + skipped, size);
    o->bytes.end += size;
    from -= skipped;
  }
  lcp__buf_take(&o->bytes, 0);
}

size_t lcp__outbox_try(struct lcp__outbox *o, const struct lcp__wire *wire,
                       struct iovec *pieces, size_t n) {
  if (lcp__outbox_pending(o) > 0 || o->npassed > 0)
    return 0;
  ssize_t gone = lcp__wire_send(wire, pieces, n, -1);
  o->sent += gone > 0 ? (size_t)gone : 0;
  return gone > 0 ? (size_t)gone : 0;
}

static void drop_first(struct lcp__outbox *o) {
  lcp__fd_close(&o->passed[0].fd);
  memmove(o->passed, o->passed + 1, --o->npassed * sizeof *o->passed);
}

/* The bytes of one write: up to the byte that the next descriptor travels with. */
static struct iovec first_piece(const struct lcp__outbox *o, int with_descriptor) {
  struct iovec piece = {o->bytes.data + o->bytes.start, lcp__outbox_pending(o)};
  size_t next = with_descriptor ? 1 : 0;
  if (o->npassed > next && o->passed[next].at - o->sent < piece.iov_len)
    piece.iov_len = (size_t)(o->passed[next].at - o->sent);
  return piece;
}

/* If the kernel refuses a descriptor, the socket itself is still good: ETOOMANYREFS, for
 * example, means that too many descriptors of this user are in flight, possibly from
 * another process.  The bytes go without it, and the peer will report that it did not
 * come.  ENOBUFS, like EAGAIN, passes: try again later. */
int lcp__outbox_flush(struct lcp__outbox *o, const struct lcp__wire *wire) {
  while (lcp__outbox_pending(o) > 0) {
    int here = o->npassed > 0 && o->passed[0].at == o->sent;
    struct iovec piece = first_piece(o, here);
    ssize_t n = lcp__wire_send(wire, &piece, 1, here ? o->passed[0].fd : -1);
    if (n == -EAGAIN || n == -EWOULDBLOCK || n == -ENOBUFS)
      return 0;
    if (n < 0 && !here)
      return (int)n;
    if (here)
      drop_first(o);
    if (n > 0) {
      o->sent += (size_t)n;
      lcp__buf_take(&o->bytes, (size_t)n);
    }
  }
  return 1;
}
