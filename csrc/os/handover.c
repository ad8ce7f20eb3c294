/* handover.c - see handover.h.  SPDX-License-Identifier: MIT */
#include "os/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/platform.h"

static int identify(struct lcp__handover_end *end, int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return -errno;
  *end = (struct lcp__handover_end){fd, st.st_dev, st.st_ino};
  return 0;
}

/* A socket's inode is its own, and its number is not used again soon. */
static int is_ours(const struct lcp__handover_end *end) {
  struct stat st;
  return end->fd >= 0 && fstat(end->fd, &st) == 0 && st.st_dev == end->dev &&
         st.st_ino == end->ino;
}

static void close_end(struct lcp__handover_end *end) {
  if (is_ours(end))
    close(end->fd);
  end->fd = -1;
}

/* The lower number is the one that matters. */
int lcp__handover_open(struct lcp__handover *h) {
  int fds[2];
  h->in.fd = h->out.fd = -1;
  int rc = lcp__fd_socketpair(fds);
  if (rc < 0)
    return rc;
  int low = fds[1] < fds[0];
  rc = identify(&h->in, fds[low]);
  if (rc == 0)
    rc = identify(&h->out, fds[1 - low]);
  if (rc < 0) {
    close(fds[0]);
    close(fds[1]);
    h->in.fd = -1;
  }
  return rc;
}

void lcp__handover_close(struct lcp__handover *h) {
  close_end(&h->in);
  close_end(&h->out);
}

/* Moves an end to the lowest free number, if that is lower. */
static void lower(struct lcp__handover_end *end) {
  int copy = lcp__fd_copy(end->fd), old = end->fd;
  if (copy < 0)
    return;
  end->fd = copy < old ? copy : old;
  close(copy < old ? old : copy);
}

int lcp__handover_ready(struct lcp__handover *h) {
  if (!is_ours(&h->in) || !is_ours(&h->out)) {
    lcp__handover_close(h);
    lcp__handover_open(h);
  } else if (h->in.fd >= LCP__HANDOVER_LOW)
    lower(&h->in);
  return h->in.fd >= 0 && h->in.fd < LCP__HANDOVER_LOW;
}

int lcp__handover_send(const struct lcp__handover *h, const int *fds, int n, pid_t by) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(LCP__HANDOVER_MOST * sizeof(int))];
  } control = {{0}};
  struct iovec iov = {&by, sizeof by};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes};
  size_t count = 0;
  for (int i = 0; i < n; i++) {
    if (fds[i] >= 0 && count == LCP__HANDOVER_MOST)
      return -EINVAL;
    if (fds[i] >= 0)
      memcpy(CMSG_DATA(&control.align) + count++ * sizeof(int), &fds[i], sizeof(int));
  }
  control.align.cmsg_level = SOL_SOCKET;
  control.align.cmsg_type = SCM_RIGHTS;
  control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
  msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
  ssize_t sent;
  do {
    sent = sendmsg(h->out.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

/* A call without room for descriptors drops those of the message (unix(7)). */
void lcp__handover_drain(const struct lcp__handover *h) {
  char bytes[64];
  while (recv(h->in.fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
  }
}
