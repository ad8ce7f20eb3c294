/* splice.c - see splice.h.
 *
 * Nothing is reported from here.  At the end of the source, after EPIPE, and with a
 * kernel, gVisor or seccomp profile that lacks splice(2) nothing has been moved; the
 * caller then reads and writes, meets the same, and reports it.
 * SPDX-License-Identifier: MIT */
#include "splice.h"

#include <errno.h>
#include <poll.h>

#include "loop.h"
#include "os/fd.h"
#include "stream.h"

/* EAGAIN does not say which of the two pipes it means; the source is read by us alone. */
static int is_empty(int fd) { return (lcp__fd_polled(fd) & POLLIN) == 0; }

/* How many bytes were moved, as many as a read takes at most; 0: the end; -EAGAIN: none
 * are there; -ENOSPC: `to`, the stream of `dest`, is full; or another errno. */
static ssize_t move(int source, int dest, struct lcp__stream *to) {
  for (;;) {
    ssize_t moved = lcp__fd_splice(source, dest, LCP__BUFFER_SIZE);
    if (moved != -EAGAIN || is_empty(source))
      return moved;
    if (!lcp__stream_grow(to))
      return -ENOSPC;
  }
}

/* core.splice(from, to) -> bytes that were moved, or 0: none are there | false: `to` is
 * full; its `onwritten` is called when it has room | nil: read and write instead */
static int l_splice(lua_State *L) {
  struct lcp__stream *from = lcp__stream_check(L, 1), *to = lcp__stream_check(L, 2);
  int source = lcp__stream_pipe_fd(from), dest = lcp__stream_pipe_fd(to);
  ssize_t moved = source < 0 || dest < 0 ? -EINVAL : move(source, dest, to);
  if (moved > 0) {
    lcp__stream_note_read(from, (size_t)moved);
    lua_pushinteger(L, (lua_Integer)moved);
  } else if (moved == -EAGAIN) {
    lua_pushinteger(L, 0);
  } else if (moved == -ENOSPC && lcp__stream_await_room(L, to, 2) == 0) {
    lua_pushboolean(L, 0);
  } else {
    return 0;
  }
  return 1;
}

int lcp__splice_open(lua_State *L) {
  lua_pushcfunction(L, l_splice);
  lua_setfield(L, -2, "splice");
  return 0;
}
