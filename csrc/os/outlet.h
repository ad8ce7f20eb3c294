/* outlet.h - where copies of what comes through a pipe go, each at its own pace.
 * No Lua, no libuv.
 *
 *   lcp__outlets_write(list, n, data, size);      // what each has not taken of it
 *   if (!lcp__outlets_behind(list, n, size)) {    // all have all of it:
 *     lcp__outlets_begin(list, n);                // from the front again
 *     size = 0;
 *   }
 *
 * One that breaks is closed, with `err` set, and no longer counts.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_OUTLET_H
#define LCP_OUTLET_H

#include <poll.h>
#include <stddef.h>

#include "os/fd.h"

struct lcp__outlet {
  int fd; /* its own to close; -1: broken, given up, or nowhere, as /dev/null */
  enum lcp__fd_kind kind;
  int is_open;  /* it counts */
  size_t taken; /* bytes from the front */
  int err;      /* why it broke, or 0 */
};

void lcp__outlets_write(struct lcp__outlet *list, int n, const char *data, size_t size);

/* Whether one that counts has not taken all of `size` bytes. */
int lcp__outlets_behind(const struct lcp__outlet *list, int n, size_t size);

void lcp__outlets_begin(struct lcp__outlet *list, int n);

/* Whether there is one that counts. */
int lcp__outlets_open(const struct lcp__outlet *list, int n);

/* Closes those that are behind.  How many. */
int lcp__outlets_give_up(struct lcp__outlet *list, int n, size_t size);

void lcp__outlets_close(struct lcp__outlet *list, int n);

/* Fills in what poll(2) is to wait for: those that are behind. */
void lcp__outlets_poll(const struct lcp__outlet *list, int n, size_t size,
                       struct pollfd *polled);

#endif
