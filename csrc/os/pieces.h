/* pieces.h - the unwritten rest of a write that may consist of many pieces.  No Lua, no
 * libuv.
 *
 *   struct lcp__pieces rest = {0};
 *   if (lcp__pieces_room(&rest, 2) == 0) {
 *     rest.iov[rest.n++] = (struct iovec){text, size};  // the bytes stay the caller's
 *     …
 *     rc = lcp__pieces_write(&rest, fd, kind);          // again when fd is writable
 *   }
 *   lcp__pieces_free(&rest);
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PIECES_H
#define LCP_PIECES_H

#include <stddef.h>

#include "os/fd.h"

struct lcp__pieces {
  struct iovec *iov; /* iov[at .. n): not written yet */
  int n, at;
};

/* Allocates room for `n` pieces; the list must be empty.  0 or -ENOMEM. */
int lcp__pieces_room(struct lcp__pieces *p, int n);

/* Marks the next `bytes` bytes as written; there must be as many. */
void lcp__pieces_skip(struct lcp__pieces *p, size_t bytes);

/* 1: everything is written; 0: the descriptor takes no more now; or a negative errno. */
int lcp__pieces_write(struct lcp__pieces *p, int fd, enum lcp__fd_kind kind);

/* Returns only when everything is written (1), as print does, even if another process has
 * made the descriptor non-blocking; or a negative errno. */
int lcp__pieces_write_all(struct lcp__pieces *p, int fd, enum lcp__fd_kind kind);

/* Frees the list. */
void lcp__pieces_free(struct lcp__pieces *p);

#endif
