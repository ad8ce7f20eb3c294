/* wire.c - see wire.h.  Owns: the descriptor of each wire.
 * SPDX-License-Identifier: MIT */
#include "os/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/scm.h"

/* What Linux gives by default, four times: the kernel takes the number twice, for its own
 * bookkeeping as well.  With room for a whole megabyte both sides would be woken less
 * often, but take turns; and what one has written would leave the processor's cache
 * before the other reads it.  On a quiet machine that is a sixth more requests of 1 MB,
 * on a busy one less than half as many. */
enum { WIDE = 2 * 212992 };

struct lcp__wire lcp__wire_socket(int fd) {
  return (struct lcp__wire){.fd = fd, .kind = LCP__FD_SOCKET};
}

struct lcp__wire lcp__wire_plain(int fd, enum lcp__fd_kind kind) {
  return (struct lcp__wire){.fd = fd, .plain = 1, .kind = kind};
}

void lcp__wire_close(struct lcp__wire *w) { lcp__fd_close(&w->fd); }

ssize_t lcp__wire_receive(const struct lcp__wire *w, char *to, size_t room,
                          struct lcp__scm_fds *fds) {
  return w->plain ? lcp__fd_read(w->fd, w->kind, to, room)
                  : lcp__scm_receive(w->fd, to, room, fds);
}

void lcp__wire_widen(const struct lcp__wire *w) {
  int room = WIDE;
  if (!w->plain)
    setsockopt(w->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

size_t lcp__wire_held(const struct lcp__wire *w) {
  int held = 0;
  return ioctl(w->fd, FIONREAD, &held) == 0 && held > 0 ? (size_t)held : 0;
}

ssize_t lcp__wire_send(const struct lcp__wire *w, struct iovec *pieces, size_t n,
                       int fd) {
  if (!w->plain)
    return lcp__scm_send(w->fd, pieces, n, fd);
  return fd >= 0 ? -EINVAL : lcp__fd_writev(w->fd, w->kind, pieces, (int)n);
}

/* ---- the standard descriptors ---- */

/* A description of our own, if the kernel gives us one: libuv sets O_NONBLOCK, and a
 * shell that waits for us has the same pipe.  It gives none for another user's pipe
 * (sudo, setpriv): then every call is bounded, whatever the flag says.  A socket has a
 * flag for each call. */
static int adopt(struct lcp__wire *w, int fd, int mode) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return -errno;
  if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
    return -EINVAL;
  int own = S_ISFIFO(st.st_mode) ? lcp__fd_reopen(fd, mode | O_NONBLOCK) : -ENXIO;
  enum lcp__fd_kind kind = own >= 0 ? LCP__FD_OWN : lcp__fd_kind_of(fd);
  if (own < 0)
    own = lcp__fd_copy(fd);
  if (own < 0)
    return own;
  *w = lcp__wire_plain(own, kind);
  return 0;
}

/* Without standard error the output is lost, as with any program. */
static int redirect(void) {
  int null = lcp__fd_null(), rc = 0;
  if (null < 0)
    return null;
  if (dup2(null, STDIN_FILENO) < 0 ||
      (dup2(STDERR_FILENO, STDOUT_FILENO) < 0 && dup2(null, STDOUT_FILENO) < 0))
    rc = -errno;
  close(null);
  return rc;
}

int lcp__wire_adopt_standard(struct lcp__wire *in, struct lcp__wire *out) {
  int rc = adopt(in, STDIN_FILENO, O_RDONLY);
  if (rc < 0)
    return rc;
  rc = adopt(out, STDOUT_FILENO, O_WRONLY);
  if (rc == 0)
    rc = redirect();
  else
    out->fd = -1;
  if (rc < 0) {
    lcp__wire_close(in);
    lcp__wire_close(out);
  }
  return rc;
}
