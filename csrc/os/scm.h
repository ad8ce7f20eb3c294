/* scm.h - a socket that carries descriptors along with its bytes (SCM_RIGHTS).  No Lua,
 * no libuv.  Received descriptors are above 2 and close-on-exec.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SCM_H
#define LCP_SCM_H

#include <sys/types.h>
#include <sys/uio.h>

enum { LCP__SCM_FDS = 64 };

/* Descriptors that have arrived and were not taken yet, oldest first; further ones are
 * closed.  A negative errno stands for a descriptor that was sent but could not be
 * received. */
struct lcp__scm_fds {
  int fd[LCP__SCM_FDS];
  int n;
};

/* Removes the oldest entry; there must be one.  The descriptor is the caller's; or a
 * negative errno. */
int lcp__scm_take(struct lcp__scm_fds *fds);

void lcp__scm_close(struct lcp__scm_fds *fds);

/* The number of bytes received, 0 at end of file, or a negative errno. */
ssize_t lcp__scm_receive(int sock, char *to, size_t room, struct lcp__scm_fds *fds);

/* Sends the `n` pieces, with a copy of `fd` unless it is -1.  The number of bytes sent,
 * or a negative errno.  Never blocks, never raises SIGPIPE. */
ssize_t lcp__scm_send(int sock, struct iovec *pieces, size_t n, int fd);

/* Takes over a socket that this process was started with: our own children must not
 * inherit it, and the standard descriptors must stay open.  The descriptor to use, or a
 * negative errno: -EINVAL for another kind of socket, which cannot be the channel. */
int lcp__scm_adopt(int fd);

#endif
