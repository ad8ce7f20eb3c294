/* standard.c - see standard.h.  SPDX-License-Identifier: MIT */
#include "standard.h"

#include <errno.h>
#include <fcntl.h>

#include "arg.h"
#include "os/fd.h"
#include "result.h"
#include "stream.h"

/* A descriptor that cannot be polled (EPERM: a file, /dev/null) is always ready. */
static int borrow(struct lcp__stream *s, int fd) {
  enum lcp__fd_kind kind = lcp__fd_kind_of(fd);
  int watch = kind == LCP__FD_FILE ? -EPERM : lcp__fd_watch(fd, 0);
  if (watch < 0 && watch != -EPERM)
    return watch;
  if (watch < 0)
    lcp__stream_borrow(s, fd, fd, LCP__FD_FILE);
  else
    lcp__stream_borrow(s, fd, watch, kind);
  return 0;
}

/* In place of a descriptor that is closed.  If that fails the stream is not open. */
static int adopt_null(struct lcp__stream *s) {
  int fd = lcp__fd_null();
  lcp__stream_borrow(s, fd, fd, LCP__FD_FILE);
  lcp__stream_adopt(s, fd, LCP__FD_FILE);
  return fd;
}

/* core.standard_stream(fd) -> stream | nil, errno: over a descriptor that stays the
 * host's and keeps its flags.  If it is closed, the stream reads and writes like
 * /dev/null. */
static int l_standard_stream(lua_State *L) {
  int fd = lcp__arg_fd(L, 1);
  struct lcp__stream *s = lcp__stream_new(L);
  int rc = fcntl(fd, F_GETFD) < 0 ? adopt_null(s) : borrow(s, fd);
  return rc < 0 ? lcp__push_errno(L, rc) : 1;
}

int lcp__standard_open(lua_State *L) {
  lua_pushcfunction(L, l_standard_stream);
  lua_setfield(L, -2, "standard_stream");
  return 0;
}
