/* scm.h - a socket that carries descriptors along with its bytes (SCM_RIGHTS).  No Lua,
 * no libuv.  Descriptors that arrive are above 2 and closed on exec. */
#ifndef LCP_SCM_H
#define LCP_SCM_H

#include <sys/types.h>
#include <sys/uio.h>

enum { LCP__SCM_FDS = 64 };

/* What has arrived and nobody took, the oldest first; of more, the latest are closed.
 * One that was sent but could not be had is a negative errno in its place. */
struct lcp__scm_fds {
  int fd[LCP__SCM_FDS];
  int n;
};

/* The oldest; there must be one.  It is the caller's; or a negative errno. */
int lcp__scm_take(struct lcp__scm_fds *fds);

void lcp__scm_close(struct lcp__scm_fds *fds);

/* How many bytes came, 0 at the end, or a negative errno. */
ssize_t lcp__scm_receive(int sock, char *to, size_t room, struct lcp__scm_fds *fds);

/* How many bytes the socket holds for us at this moment. */
size_t lcp__scm_held(int sock);

/* How many bytes of the `n` pieces went, with a copy of `fd` unless it is -1, or a
 * negative errno.  Never blocks, never raises SIGPIPE. */
ssize_t lcp__scm_send(int sock, struct iovec *pieces, size_t n, int fd);

/* Takes over a socket that we were started with: it must not reach our own children, and
 * our standard descriptors stay open.  The descriptor to use, or a negative errno:
 * -EINVAL for a socket of another kind, which is somebody else's. */
int lcp__scm_adopt(int fd);

#endif
