/* scm.c - see scm.h.  Owns: the descriptors in a struct lcp__scm_fds.
 * SPDX-License-Identifier: MIT */
#include "os/scm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/platform.h"

/* Linux refuses more descriptors in one message (SCM_MAX_FD; EINVAL, see unix(7)), so
 * control data of this size is never truncated for lack of room. */
enum { SCM_MAX = 253 };

int lcp__scm_take(struct lcp__scm_fds *fds) {
  int fd = fds->fd[0];
  memmove(fds->fd, fds->fd + 1, sizeof fd * (size_t)--fds->n);
  return fd;
}

void lcp__scm_close(struct lcp__scm_fds *fds) {
  while (fds->n > 0)
    lcp__fd_close(&fds->fd[--fds->n]);
}

/* A peer may send more than anyone takes; the limit bounds what it can make us hold. */
static void keep_one(struct lcp__scm_fds *fds, int fd) {
  if (fds->n < LCP__SCM_FDS)
    fds->fd[fds->n++] = lcp__fd_raise(fd);
  else
    lcp__fd_close(&fd);
}

/* Every descriptor of every control message is either kept or closed.  The kernel sets
 * MSG_CTRUNC where it could not install the next one: RLIMIT_NOFILE, the system's limit,
 * or a security module that forbids it.  It does not say which, and the descriptor is
 * lost (Linux: scm_detach_fds). */
static void keep_fds(struct lcp__scm_fds *fds, struct msghdr *msg) {
  for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
    if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
      continue;
    size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(cm) + i * sizeof fd, sizeof fd);
      lcp__received(fd);
      keep_one(fds, fd);
    }
  }
  if (msg->msg_flags & MSG_CTRUNC)
    keep_one(fds, -EMFILE);
}

/* A message with descriptors is a barrier: one call returns at most one such message,
 * possibly with bytes before it, but none after it (unix(7)).  So descriptors never
 * arrive later than the bytes they were sent with. */
ssize_t lcp__scm_receive(int sock, char *to, size_t room, struct lcp__scm_fds *fds) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SCM_MAX * sizeof(int))];
  } control;
  struct iovec iov = {to, room};
  struct msghdr msg = {0};
  ssize_t n;
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control.bytes;
  msg.msg_controllen = sizeof control.bytes;
  do {
    n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;
  keep_fds(fds, &msg);
  return n;
}

/* The descriptor travels with the first byte: if any byte was sent, so was it.  The union
 * gives the control data the alignment that cmsg(3) demands. */
ssize_t lcp__scm_send(int sock, struct iovec *pieces, size_t count, int fd) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr msg = {0};
  ssize_t n;
  msg.msg_iov = pieces;
  msg.msg_iovlen = count;
  if (fd >= 0) {
    memset(&control, 0, sizeof control);
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(cm), &fd, sizeof fd);
  }
  do {
    n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

/* 0 or a negative errno.  The number comes from an environment variable, which may be
 * stale: inherited through a program that closed or reused the descriptor. */
static int check_kind(int fd) {
  struct sockaddr_storage name = {0};
  int type = 0;
  socklen_t type_len = sizeof type, name_len = sizeof name;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 ||
      getsockname(fd, (struct sockaddr *)&name, &name_len) != 0)
    return -errno;
  return type == SOCK_STREAM && name.ss_family == AF_UNIX ? 0 : -EINVAL;
}

/* A channel on 0, 1 or 2 is moved up, and /dev/null takes its place, so that the next
 * file the program opens does not become standard input or output. */
int lcp__scm_adopt(int fd) {
  int high = check_kind(fd);
  if (high < 0)
    return high;
  if (fd > 2)
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : fd;
  high = lcp__fd_copy(fd);
  if (high < 0)
    return high;
  int null = lcp__fd_null();
  if (null >= 0) {
    dup2(null, fd);
    close(null);
  }
  return high;
}
