/* platform.h - what some systems or C libraries lack, made up from what they have.
 *
 * Linux with glibc has all of it.  musl before 1.2.5 lacks preadv2 and pwritev2; macOS
 * and OpenBSD lack sigtimedwait and the flags of socket messages.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PLATFORM_H
#define LCP_PLATFORM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>

/* Linux 5.1 and 5.3; older headers lack them. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Linux 5.14; musl 1.2.3 lacks it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Linux 6.18; the headers of older C libraries lack it. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

/* The offset is passed in two halves (preadv2(2)); only -1, none, is used. */
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
static inline ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at,
                              int flags) {
  return syscall(SYS_preadv2, fd, iov, n, (long)at, (long)at, flags);
}

static inline ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at,
                               int flags) {
  return syscall(SYS_pwritev2, fd, iov, n, (long)at, (long)at, flags);
}
#endif
#endif

/* A request of ioctl(2), which POSIX and musl have as an int: too small for some. */
#if defined(__linux__) && !defined(__GLIBC__)
#define LCP__IOCTL(request) ((int)(request))
#else
#define LCP__IOCTL(request) (request)
#endif

/* Without it, a write to a socket whose peer is gone raises SIGPIPE. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* Close-on-exec for descriptors that a message brings: by the receiving call, or right
 * after it, when another thread may have forked meanwhile. */
#ifdef MSG_CMSG_CLOEXEC
static inline void lcp__received(int fd) { (void)fd; }
#else
#define MSG_CMSG_CLOEXEC 0
static inline void lcp__received(int fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }
#endif

/* Consumes a blocked signal if it is pending: its number, or 0. */
static inline int lcp__consume_signal(int sig, siginfo_t *info) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, sig);
#ifdef __linux__
  static const struct timespec at_once = {0, 0};
  int rc;
  do
    rc = sigtimedwait(&set, info, &at_once);
  while (rc < 0 && errno == EINTR);
  return rc > 0 ? rc : 0;
#else
  sigset_t pending;
  if (info != NULL)
    memset(info, 0, sizeof *info); /* who sent it stays unknown */
  if (sigpending(&pending) != 0 || !sigismember(&pending, sig))
    return 0;
  return sigwait(&set, &sig) == 0 ? sig : 0;
#endif
}

#endif
