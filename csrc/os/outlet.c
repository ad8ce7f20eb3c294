/* outlet.c - see outlet.h.  SPDX-License-Identifier: MIT */
#include "os/outlet.h"

#include <errno.h>

static void close_one(struct lcp__outlet *o) {
  o->is_open = 0;
  lcp__fd_close(&o->fd);
}

static void write_one(struct lcp__outlet *o, const char *data, size_t size) {
  while (o->is_open && o->taken < size) {
    const struct iovec piece = {(char *)data + o->taken, size - o->taken};
    ssize_t n =
        o->fd < 0 ? (ssize_t)piece.iov_len : lcp__fd_writev(o->fd, o->kind, &piece, 1);
    if (n == -EAGAIN)
      return;
    if (n < 0) {
      o->err = (int)n;
      close_one(o);
      return;
    }
    o->taken += (size_t)n;
  }
}

void lcp__outlets_write(struct lcp__outlet *list, int n, const char *data, size_t size) {
  for (int i = 0; i < n; i++)
    write_one(&list[i], data, size);
}

static int is_behind(const struct lcp__outlet *o, size_t size) {
  return o->is_open && o->taken < size;
}

int lcp__outlets_behind(const struct lcp__outlet *list, int n, size_t size) {
  for (int i = 0; i < n; i++)
    if (is_behind(&list[i], size))
      return 1;
  return 0;
}

void lcp__outlets_begin(struct lcp__outlet *list, int n) {
  for (int i = 0; i < n; i++)
    list[i].taken = 0;
}

int lcp__outlets_open(const struct lcp__outlet *list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i].is_open)
      return 1;
  return 0;
}

int lcp__outlets_give_up(struct lcp__outlet *list, int n, size_t size) {
  int count = 0;
  for (int i = 0; i < n; i++)
    if (is_behind(&list[i], size)) {
      close_one(&list[i]);
      count++;
    }
  return count;
}

void lcp__outlets_close(struct lcp__outlet *list, int n) {
  for (int i = 0; i < n; i++)
    close_one(&list[i]);
}

void lcp__outlets_poll(const struct lcp__outlet *list, int n, size_t size,
                       struct pollfd *polled) {
  for (int i = 0; i < n; i++) {
    polled[i].fd = is_behind(&list[i], size) ? list[i].fd : -1;
    polled[i].events = POLLOUT;
  }
}
