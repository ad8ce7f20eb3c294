/* fd.c - see fd.h. */
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/epoll.h>
#else
#include <sys/stat.h>
#endif
#include <time.h>
#include <unistd.h>

/* Linux 6.18; older C libraries do not name it. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

int lcp__fd_raise(int fd) {
  int high, err;
  if (fd < 0 || fd > 2)
    return fd;
  high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  err = errno;
  close(fd);
  return high < 0 ? -err : high;
}

/* A linger time of 0, which means a reset, is left. */
void lcp__fd_no_linger(int fd) {
  static const struct linger off = {0, 0};
  struct linger now = {0, 0};
  socklen_t len = sizeof now;
  if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &now, &len) == 0 && now.l_onoff &&
      now.l_linger > 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

void lcp__fd_close(int *fd) {
  if (*fd >= 0) {
    lcp__fd_no_linger(*fd);
    close(*fd);
  }
  *fd = -1;
}

int lcp__fd_take(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}

static int raise_both(int fds[2]) {
  int i, err;
  for (i = 0; i < 2; i++) {
    err = fds[i] = lcp__fd_raise(fds[i]);
    if (err < 0) {
      fds[i] = -1;
      lcp__fd_close(&fds[1 - i]);
      return err;
    }
  }
  return 0;
}

int lcp__fd_pipe(int fds[2]) {
#ifdef __linux__
  if (pipe2(fds, O_CLOEXEC) != 0)
    return -errno;
#else
  if (pipe(fds) != 0)
    return -errno;
  fcntl(fds[0], F_SETFD, FD_CLOEXEC);
  fcntl(fds[1], F_SETFD, FD_CLOEXEC);
#endif
  return raise_both(fds);
}

int lcp__fd_socketpair(int fds[2]) {
#ifdef SOCK_CLOEXEC
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return -errno;
#else
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
    return -errno;
  fcntl(fds[0], F_SETFD, FD_CLOEXEC);
  fcntl(fds[1], F_SETFD, FD_CLOEXEC);
#endif
  return raise_both(fds);
}

int lcp__fd_open(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  return fd < 0 ? -errno : lcp__fd_raise(fd);
}

int lcp__fd_nonblock(int fd, int on) {
  int flags = fcntl(fd, F_GETFL), wanted;
  if (flags < 0)
    return -errno;
  wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

int lcp__fd_watch(int fd) {
#ifdef __linux__
  struct epoll_event ev = {.events = EPOLLIN};
  int watch = epoll_create1(EPOLL_CLOEXEC), err;
  if (watch < 0)
    return -errno;
  watch = lcp__fd_raise(watch);
  if (watch < 0 || epoll_ctl(watch, EPOLL_CTL_ADD, fd, &ev) == 0)
    return watch;
  err = errno;
  close(watch);
  return -err;
#else
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? -EPERM : fd;
#endif
}

int lcp__fd_wait_writable(int fd, int ms) {
  struct pollfd p = {fd, POLLOUT, 0};
  return poll(&p, 1, ms) < 0 && errno != EINTR ? -errno : 0;
}

void lcp__fd_grow(int fd) {
#ifdef F_SETPIPE_SZ
  fcntl(fd, F_SETPIPE_SZ, LCP_FD_GROWN);
#else
  (void)fd;
#endif
}

int lcp__fd_reopen(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return lcp__fd_open(path, flags | O_NOCTTY);
}

static int sigpipe_is_ignored(void) {
  struct sigaction now;
  return sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* The disposition of SIGPIPE is the host's, so the signal is blocked for this thread
 * while we write, and taken back if our write raised it.  One that was pending before
 * stays. */
static ssize_t writev_masked(int fd, const struct iovec *iov, int n) {
  static const struct timespec at_once = {0, 0};
  sigset_t pipe_set, before, pending;
  ssize_t written;
  int saved;
  sigpending(&pending);
  sigemptyset(&pipe_set);
  sigaddset(&pipe_set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
  written = writev(fd, iov, n);
  saved = errno;
  if (written < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
    while (sigtimedwait(&pipe_set, NULL, &at_once) < 0 && errno == EINTR) {
    }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = saved;
  return written;
}

#ifdef __linux__
/* No RWF_NOSIGNAL (EOPNOTSUPP), no pwritev2 in this kernel or sandbox, or not for such a
 * descriptor (EINVAL).  If the write itself is what is not permitted, writev says so. */
static int is_refused(int err) {
  return err == EOPNOTSUPP || err == ENOSYS || err == EPERM || err == EACCES ||
         err == EINVAL;
}
#endif

static ssize_t writev_pipe(int fd, const struct iovec *iov, int n) {
#ifdef __linux__
  static atomic_int refused; /* this kernel has no RWF_NOSIGNAL: learnt once */
  if (!atomic_load_explicit(&refused, memory_order_relaxed)) {
    ssize_t written = pwritev2(fd, iov, n, -1, RWF_NOSIGNAL);
    if (written >= 0 || !is_refused(errno))
      return written;
    if (errno != EINVAL)
      atomic_store_explicit(&refused, 1, memory_order_relaxed);
  }
#endif
  return sigpipe_is_ignored() ? writev(fd, iov, n) : writev_masked(fd, iov, n);
}

ssize_t lcp__fd_writev(int fd, const struct iovec *iov, int n, int is_socket) {
  ssize_t written;
  do {
    if (is_socket) {
      struct msghdr msg = {0};
      msg.msg_iov = (struct iovec *)iov;
      msg.msg_iovlen = (size_t)n;
      written = sendmsg(fd, &msg, MSG_NOSIGNAL);
    } else {
      written = writev_pipe(fd, iov, n);
    }
  } while (written < 0 && errno == EINTR);
  return written < 0 ? -errno : written;
}
