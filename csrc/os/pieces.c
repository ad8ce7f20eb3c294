/* pieces.c - see pieces.h.  Owns: the list, not the bytes.
 * SPDX-License-Identifier: MIT */
#include "os/pieces.h"

#include <errno.h>
#include <stdlib.h>

enum {
  AT_ONCE = 64 /* fewer than a call may take (IOV_MAX, 1024): the kernel copies the list
                  each time */
};

int lcp__pieces_room(struct lcp__pieces *p, int n) {
  p->iov = calloc((size_t)n, sizeof *p->iov);
  return p->iov == NULL && n > 0 ? -ENOMEM : 0;
}

void lcp__pieces_skip(struct lcp__pieces *p, size_t bytes) {
  while (p->at < p->n && bytes >= p->iov[p->at].iov_len)
    bytes -= p->iov[p->at++].iov_len;
  if (bytes > 0) {
    p->iov[p->at].iov_base = (char *)p->iov[p->at].iov_base + bytes;
    p->iov[p->at].iov_len -= bytes;
  }
}

int lcp__pieces_write(struct lcp__pieces *p, int fd, enum lcp__fd_kind kind) {
  while (p->at < p->n) {
    int n = p->n - p->at;
    ssize_t put = lcp__fd_writev(fd, kind, p->iov + p->at, n < AT_ONCE ? n : AT_ONCE);
    if (put < 0)
      return put == -EAGAIN ? 0 : (int)put;
    lcp__pieces_skip(p, (size_t)put);
  }
  return 1;
}

int lcp__pieces_write_all(struct lcp__pieces *p, int fd, enum lcp__fd_kind kind) {
  int rc;
  while ((rc = lcp__pieces_write(p, fd, kind)) == 0 &&
         (rc = lcp__fd_wait_writable(fd, -1)) == 0) {
  }
  return rc;
}

void lcp__pieces_free(struct lcp__pieces *p) {
  free(p->iov);
  p->iov = NULL;
  p->n = p->at = 0;
}
