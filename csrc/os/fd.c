/* fd.c - see fd.h.  SPDX-License-Identifier: MIT */
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif
#include <unistd.h>

#include "os/platform.h"

int lcp__fd_copy(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? -errno : copy;
}

int lcp__fd_raise(int fd) {
  if (fd < 0 || fd > 2)
    return fd;
  int high = lcp__fd_copy(fd);
  close(fd);
  return high;
}

/* A linger time of 0, which asks for a reset, stays.  Most descriptors are not sockets,
 * and a plain close must not leave ENOTSOCK in errno. */
void lcp__fd_no_linger(int fd) {
  static const struct linger off = {0, 0};
  struct linger now = {0, 0};
  socklen_t len = sizeof now;
  int before = errno;
  if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &now, &len) == 0 && now.l_onoff &&
      now.l_linger > 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
  errno = before;
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
  for (int i = 0; i < 2; i++) {
    int err = fds[i] = lcp__fd_raise(fds[i]);
    if (err < 0) {
      fds[i] = -1;
      lcp__fd_close(&fds[1 - i]);
      return err;
    }
  }
  return 0;
}

/* Where close-on-exec cannot be set at creation (macOS), another thread that forks in
 * between passes the descriptors on. */
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

int lcp__fd_open(const char *path, int flags) { return lcp__fd_create(path, flags, 0); }

int lcp__fd_create(const char *path, int flags, mode_t mode) {
  int fd = open(path, flags | O_CLOEXEC, mode);
  return fd < 0 ? -errno : lcp__fd_raise(fd);
}

/* EMFILE and ENFILE are reported as they are: a socket pair would fail alike. */
int lcp__fd_null(void) {
  int fds[2];
  int rc = lcp__fd_open("/dev/null", O_RDWR);
  if (rc >= 0 || rc == -EMFILE || rc == -ENFILE)
    return rc;
  rc = lcp__fd_socketpair(fds);
  if (rc < 0)
    return rc;
  close(fds[1]);
  return fds[0];
}

int lcp__fd_nonblock(int fd, int on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return -errno;
  int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

/* An epoll descriptor polls readable when a descriptor registered with it does
 * (epoll(7)); EPOLL_CTL_ADD gives EPERM for regular files and directories. */
int lcp__fd_watch(int fd, int to_write) {
#ifdef __linux__
  struct epoll_event ev = {.events = to_write ? EPOLLOUT : EPOLLIN};
  int watch = epoll_create1(EPOLL_CLOEXEC);
  if (watch < 0)
    return -errno;
  watch = lcp__fd_raise(watch);
  if (watch < 0 || epoll_ctl(watch, EPOLL_CTL_ADD, fd, &ev) == 0)
    return watch;
  int err = -errno;
  close(watch);
  return err;
#else
  struct stat st;
  (void)to_write;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? -EPERM : fd;
#endif
}

/* EINTR counts as a wake-up: the caller tries to write and, if need be, waits again. */
int lcp__fd_wait_writable(int fd, int ms) {
  struct pollfd p = {fd, POLLOUT, 0};
  return poll(&p, 1, ms) < 0 && errno != EINTR ? -errno : 0;
}

short lcp__fd_polled(int fd) {
  struct pollfd now = {fd, POLLIN, 0};
  return (short)(poll(&now, 1, 0) > 0 ? now.revents : 0);
}

/* Failure is ignored.  EPERM: the user's pipes hold as much as the system allows
 * (pipe-user-pages-soft, by default 64 MiB); EBUSY: the pipe holds more than the new
 * size.  In either case the pipe stays as it is. */
void lcp__fd_grow(int fd) {
#ifdef F_SETPIPE_SZ
  fcntl(fd, F_SETPIPE_SZ, LCP__FD_GROWN);
#else
  (void)fd;
#endif
}

/* The link leads to the inode itself, so an anonymous pipe or a deleted file can be
 * opened as well.  EACCES: it belongs to another user (we have changed ids since, or got
 * it from a process of that user); ENOENT: no /proc; ENXIO: a socket, or the writing end
 * of a pipe without readers. */
int lcp__fd_reopen(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return lcp__fd_open(path, flags | O_NOCTTY);
}

/* ---- reading and writing ---- */

/* Regular files, directories and block devices never give EAGAIN (open(2)); a descriptor
 * that is not open is left to the call that will fail with EBADF. */
enum lcp__fd_kind lcp__fd_kind_of(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
      S_ISBLK(st.st_mode))
    return LCP__FD_FILE;
  return S_ISSOCK(st.st_mode) ? LCP__FD_SOCKET : LCP__FD_SHARED;
}

/* Whether the kernel, the kind of file or a sandbox lacks a call or one of its flags.
 * EOPNOTSUPP: an unknown flag, or a file that does not support it; EINVAL: some files say
 * so instead; EPERM and EACCES: seccomp profiles older than the call.  If the read or
 * write itself is not permitted, the next way of doing it reports that. */
static int is_refused(int err) {
  return err == EOPNOTSUPP || err == ENOSYS || err == EINVAL || err == EPERM ||
         err == EACCES;
}

/* Reopening the master of a pseudo-terminal would create another terminal (pts(4)). */
static int is_terminal_master(int fd) {
#ifdef TIOCGPTN
  unsigned number;
  return ioctl(fd, LCP__IOCTL(TIOCGPTN), &number) == 0;
#else
  (void)fd;
  return 0;
#endif
}

/* A second description with its own O_NONBLOCK, for files without RWF_NOWAIT: pipes
 * before Linux 6.4, and terminals.  For one call only: a writing end left open would hide
 * end of file from the reader after the host has closed its own. */
static int open_for_call(int fd, int mode) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || isatty(fd)) ||
      is_terminal_master(fd))
    return -ENXIO;
  return lcp__fd_reopen(fd, mode | O_NONBLOCK);
}

static void close_keeping_errno(int fd) {
  int err = errno;
  close(fd);
  errno = err;
}

static int is_ready(int fd, short events) {
  struct pollfd p = {fd, events, 0};
  return poll(&p, 1, 0) > 0;
}

/* Three ways, best first.  The last one, for files that cannot be reopened (another
 * user's terminal, no /proc), leaves a gap between its two calls in which another process
 * may take the bytes. */
static ssize_t read_bounded(int fd, void *to, size_t room) {
#ifdef __linux__
  struct iovec iov = {to, room};
  ssize_t got = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
  if (got >= 0 || !is_refused(errno))
    return got;
#endif
  int copy = open_for_call(fd, O_RDONLY);
  if (copy >= 0) {
    ssize_t n = read(copy, to, room);
    close_keeping_errno(copy);
    return n;
  }
  if (is_ready(fd, POLLIN))
    return read(fd, to, room);
  errno = EAGAIN;
  return -1;
}

ssize_t lcp__fd_read(int fd, enum lcp__fd_kind kind, void *to, size_t room) {
  ssize_t n;
  do {
    if (kind == LCP__FD_SOCKET)
      n = recv(fd, to, room, MSG_DONTWAIT);
    else
      n = kind == LCP__FD_SHARED ? read_bounded(fd, to, room) : read(fd, to, room);
  } while (n < 0 && errno == EINTR);
  if (n >= 0)
    return n;
  if (errno == EIO && kind == LCP__FD_TERMINAL)
    return 0;
  return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

typedef ssize_t (*writer)(int fd, const struct iovec *iov, int n);

/* See read_bounded.  A pipe that polls writable takes at least PIPE_BUF bytes (pipe(7)),
 * unless another process writes to it in between. */
static ssize_t write_bounded(int fd, const struct iovec *iov, int n) {
#ifdef __linux__
  ssize_t put = pwritev2(fd, iov, n, -1, RWF_NOWAIT);
  if (put >= 0 || !is_refused(errno))
    return put;
#endif
  int copy = open_for_call(fd, O_WRONLY);
  if (copy >= 0) {
    ssize_t written = writev(copy, iov, n);
    close_keeping_errno(copy);
    return written;
  }
  if (is_ready(fd, POLLOUT))
    return write(fd, iov->iov_base, iov->iov_len < PIPE_BUF ? iov->iov_len : PIPE_BUF);
  errno = EAGAIN;
  return -1;
}

/* A write beyond this limit raises SIGXFSZ, which no flag prevents (setrlimit(2)). */
static int is_limited(enum lcp__fd_kind kind) {
  struct rlimit limit;
  return kind == LCP__FD_FILE && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
         limit.rlim_cur != RLIM_INFINITY;
}

static int is_ignored(int sig) {
  struct sigaction now;
  return sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* What a write raises beside its error. */
static int signal_of(int err) {
  return err == EPIPE ? SIGPIPE : err == EFBIG ? SIGXFSZ : 0;
}

/* The dispositions of both signals belong to the host, so this thread blocks them while
 * it writes and consumes the one that its own write raised: they are directed at the
 * writing thread (signal(7)).  One that was pending before stays pending, which it can
 * only be if it was blocked before. */
struct quiet {
  sigset_t before, pending;
};

static void quiet_begin(struct quiet *q) {
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGPIPE);
  sigaddset(&both, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &both, &q->before);
  sigemptyset(&q->pending);
  if (sigismember(&q->before, SIGPIPE) || sigismember(&q->before, SIGXFSZ))
    sigpending(&q->pending);
}

/* `written`: the result of the call in between, whose errno stays. */
static void quiet_end(const struct quiet *q, ssize_t written) {
  int saved = errno, raised = written < 0 ? signal_of(saved) : 0;
  if (raised && !sigismember(&q->pending, raised))
    lcp__consume_signal(raised, NULL);
  pthread_sigmask(SIG_SETMASK, &q->before, NULL);
  errno = saved;
}

static ssize_t write_masked(writer write, int fd, const struct iovec *iov, int n) {
  struct quiet q;
  quiet_begin(&q);
  ssize_t written = write(fd, iov, n);
  quiet_end(&q, written);
  return written;
}

/* Linux 6.18 can write without SIGPIPE in one call; older kernels, and sandboxes that
 * refuse the flag, cost three more system calls (one if the host ignores the signal). */
static ssize_t write_quietly(int fd, const struct iovec *iov, int n,
                             enum lcp__fd_kind kind) {
  int bounded = kind == LCP__FD_SHARED, limited = is_limited(kind);
  writer write = bounded ? write_bounded : writev;
#ifdef __linux__
  static atomic_int refused; /* RWF_NOSIGNAL, by this kernel or sandbox: found out once */
  if (!limited && !atomic_load_explicit(&refused, memory_order_relaxed)) {
    int flags = RWF_NOSIGNAL | (bounded ? RWF_NOWAIT : 0);
    ssize_t written = pwritev2(fd, iov, n, -1, flags);
    if (written >= 0 || !is_refused(errno))
      return written;
    if (!bounded && errno != EINVAL) /* otherwise the file may be what refuses */
      atomic_store_explicit(&refused, 1, memory_order_relaxed);
  }
#endif
  int ignored = is_ignored(SIGPIPE) && (!limited || is_ignored(SIGXFSZ));
  return ignored ? write(fd, iov, n) : write_masked(write, fd, iov, n);
}

/* MSG_NOSIGNAL and MSG_DONTWAIT hold for this call alone, so neither the host's SIGPIPE
 * nor a shared O_NONBLOCK matters. */
static ssize_t send_now(int fd, const struct iovec *iov, int n) {
  struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
  return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t lcp__fd_writev(int fd, enum lcp__fd_kind kind, const struct iovec *iov, int n) {
  ssize_t written;
  do {
    written =
        kind == LCP__FD_SOCKET ? send_now(fd, iov, n) : write_quietly(fd, iov, n, kind);
  } while (written < 0 && errno == EINTR);
  if (written >= 0)
    return written;
  return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

/* splice(2) has no flag against SIGPIPE. */
ssize_t lcp__fd_splice(int from, int to, size_t most) {
#ifdef __linux__
  struct quiet q;
  ssize_t moved;
  quiet_begin(&q);
  do {
    moved = splice(from, NULL, to, NULL, most, SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  quiet_end(&q, moved);
  return moved < 0 ? -errno : moved;
#else
  (void)from, (void)to, (void)most;
  return -ENOSYS;
#endif
}
