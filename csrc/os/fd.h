/* fd.h - descriptors: made close-on-exec, kept clear of 0, 1, 2, read and written without
 * blocking and without SIGPIPE.
 * No Lua, no libuv.  Every function returns >= 0 or a negative errno.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_FD_H
#define LCP_FD_H

#include <sys/types.h>
#include <sys/uio.h>

/* Both ends are close-on-exec, blocking, and above 2: a host may run with its standard
 * descriptors closed, and a pipe end with such a number would be taken for one of
 * them. */
int lcp__fd_pipe(int fds[2]);
int lcp__fd_socketpair(int fds[2]);
int lcp__fd_open(const char *path, int flags);
int lcp__fd_create(const char *path, int flags, mode_t mode);

/* /dev/null, or, where it is missing (a bare chroot), one end of a socket pair whose
 * other end is closed: it reads the same and fails to write with EPIPE. */
int lcp__fd_null(void);

/* A second descriptor for the same open file description. */
int lcp__fd_copy(int fd);

/* Moves an owned descriptor above 2; closes it on failure. */
int lcp__fd_raise(int fd);

/* Closes *fd unless it is -1, and forgets it.  Never waits for a socket's linger time. */
void lcp__fd_close(int *fd);

/* Call this before closing an owned descriptor by other means: with SO_LINGER set,
 * close(2) waits that long for the peer of a TCP socket, non-blocking or not (socket(7)).
 * We never set the option, but the process that passed us the socket, or the listener it
 * was accepted from, may have. */
void lcp__fd_no_linger(int fd);

/* Gives *fd away: the caller owns the result, *fd is -1. */
int lcp__fd_take(int *fd);

int lcp__fd_nonblock(int fd, int on);

/* A separate descriptor that polls readable when `fd` is readable, or writable: libuv
 * makes every descriptor it polls non-blocking, which we must not do to one that others
 * share.  -EPERM: `fd` cannot be polled, a regular file for example.  Without epoll(7),
 * `fd` itself. */
int lcp__fd_watch(int fd, int to_write);

/* Waits until `fd` is writable, at most `ms` milliseconds (-1: for ever). */
int lcp__fd_wait_writable(int fd, int ms);

/* The events that poll(2) reports for reading at this moment, or 0. */
short lcp__fd_polled(int fd);

/* How a read or a write is kept from blocking.  O_NONBLOCK belongs to the open file
 * description, which other processes may share: the program we inherited it from, a
 * process that passed it to us or that we passed it to, a child it was lent to.  Any of
 * them can clear the flag, or take the bytes we were woken for, at any moment.  So the
 * flag is trusted only where no other process can reach it. */
enum lcp__fd_kind {
  LCP__FD_OWN,    /* a pipe end that never left this process: its O_NONBLOCK is enough */
  LCP__FD_SOCKET, /* MSG_DONTWAIT in every call, so that sharing makes no difference */
  LCP__FD_TERMINAL, /* our end of one, which never left this process either; EIO means end
                       of file */
  LCP__FD_SHARED,   /* anything else that can block: every call is bounded, whatever the
                       flag says */
  LCP__FD_FILE      /* files and devices that are always ready: plain calls */
};

/* The kind of a descriptor that came from elsewhere. */
enum lcp__fd_kind lcp__fd_kind_of(int fd);

/* read(2) and writev(2); -EAGAIN: nothing can be moved now.  The write never raises
 * SIGPIPE or SIGXFSZ in this process, whatever their dispositions. */
ssize_t lcp__fd_read(int fd, enum lcp__fd_kind kind, void *to, size_t room);
ssize_t lcp__fd_writev(int fd, enum lcp__fd_kind kind, const struct iovec *iov, int n);

/* splice(2): moves at most `most` bytes from one pipe to another, both LCP__FD_OWN. Their
 * pages change hands, nothing is copied.  0: the end of the first; -EAGAIN: the first is
 * empty or the second is full.  No SIGPIPE either. */
ssize_t lcp__fd_splice(int from, int to, size_t most);

/* A pipe holds 64 KiB; with its two ends on two cores, so little is filled and drained
 * that most of the time goes into waking the other side.  A pipe that has carried more
 * than LCP__FD_BULK gets four times the room, which makes it two to three times as fast
 * (measured; more gains nothing).  Not every pipe: the kernel limits the total for all
 * pipes of a user. */
enum { LCP__FD_BULK = 128 * 1024, LCP__FD_GROWN = 256 * 1024 };
void lcp__fd_grow(int fd);

/* Opens the file behind `fd` once more: a second description, with its own flags.  Only
 * pipes and files can be reopened; a socket gives an error (ENXIO). */
int lcp__fd_reopen(int fd, int flags);

#endif
