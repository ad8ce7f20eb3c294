/* fd.h - descriptors: made close-on-exec, kept clear of 0, 1, 2, read and written without
 * blocking and without SIGPIPE.
 * No Lua, no libuv.  Every function returns >= 0 or a negative errno. */
#ifndef LCP_FD_H
#define LCP_FD_H

#include <sys/types.h>
#include <sys/uio.h>

/* Both ends are close-on-exec, blocking, and above 2: a host may run with its standard
 * descriptors closed, and a pipe end there would be taken for one of them. */
int lcp__fd_pipe(int fds[2]);
int lcp__fd_socketpair(int fds[2]);
int lcp__fd_open(const char *path, int flags);
int lcp__fd_create(const char *path, int flags, mode_t mode);

/* What reads and writes like /dev/null: that, or where there is none (a bare chroot) an
 * end of a pair whose other end is closed, which reads alike and fails with EPIPE. */
int lcp__fd_null(void);

/* Another descriptor for the same description. */
int lcp__fd_copy(int fd);

/* Moves an owned descriptor above 2; closes it when that fails. */
int lcp__fd_raise(int fd);

/* Closes *fd unless it is -1, and forgets it.  Never waits for a socket's linger time. */
void lcp__fd_close(int *fd);

/* To be called before an owned descriptor is closed in another way: with SO_LINGER set,
 * close(2) waits for the peer of a TCP socket up to that time, non-blocking or not
 * (socket(7)).  Whoever passed us the socket, or the socket it was accepted from, may
 * have set it; we never ask for it. */
void lcp__fd_no_linger(int fd);

/* Gives *fd away: the caller owns the result, *fd is -1. */
int lcp__fd_take(int *fd);

int lcp__fd_nonblock(int fd, int on);

/* A descriptor of its own that polls readable when `fd` does: libuv makes non-blocking
 * what it polls, which is not ours to do to a descriptor that others share.  -EPERM: `fd`
 * cannot be polled, like a file.  Without epoll(7), `fd` itself. */
int lcp__fd_watch(int fd);

/* Waits until `fd` can be written, at most `ms` milliseconds (-1: for ever). */
int lcp__fd_wait_writable(int fd, int ms);

/* What keeps a read or a write from blocking.  O_NONBLOCK is a flag of the description
 * behind a descriptor, and others may have that too: the program we inherited it from,
 * the process that passed it to us or to which we passed it, a child it was lent to. Each
 * of them can clear the flag, or take the bytes we were woken for, at any moment.  So the
 * flag is only trusted where nobody else can reach it. */
enum lcp__fd_kind {
  LCP__FD_OWN,    /* a pipe end that never left this process: O_NONBLOCK, which it has */
  LCP__FD_SOCKET, /* MSG_DONTWAIT in every call, so that sharing makes no difference */
  LCP__FD_TERMINAL, /* our end of one, which never left this process either; EIO is the
                       end */
  LCP__FD_SHARED, /* what else can block: every call is bounded, whatever the flag says */
  LCP__FD_FILE    /* files and devices that are always ready: plain calls */
};

/* The kind of a descriptor that we did not make. */
enum lcp__fd_kind lcp__fd_kind_of(int fd);

/* read and writev; -EAGAIN: nothing now.  The write never raises SIGPIPE in this process,
 * whatever its disposition is. */
ssize_t lcp__fd_read(int fd, enum lcp__fd_kind kind, void *to, size_t room);
ssize_t lcp__fd_writev(int fd, enum lcp__fd_kind kind, const struct iovec *iov, int n);

/* A pipe holds 64 KiB; with the two ends on two cores, filling and draining so little is
 * mostly waking each other.  One that proves to carry bulk, of which more than
 * LCP__FD_BULK has come, gets four times as much, which is two to three times as fast
 * (measured; more buys nothing).  Not all of them: the kernel limits what the pipes of a
 * user may hold together. */
enum { LCP__FD_BULK = 128 * 1024, LCP__FD_GROWN = 256 * 1024 };
void lcp__fd_grow(int fd);

/* A second description of what is behind `fd`, with flags of its own.  Only pipes and
 * files can be opened again; a socket gives an error (ENXIO). */
int lcp__fd_reopen(int fd, int flags);

#endif
