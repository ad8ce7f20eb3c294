/* origin.h - tells whether the process is the one that made an object, or a copy of it
 * made by fork(2).  No Lua, no libuv.
 *
 *   lcp__origin_set(&o);                in the process that makes the object
 *   if (lcp__origin_is_copy(&o)) …      in a copy of it
 *
 * The check costs one read of memory: of a page that the kernel fills with zeros in every
 * copy (MADV_WIPEONFORK, Linux 4.14), however that was made. getpid(2) is a system call
 * each time, and is used only where there is no such page.  A child of vfork(2) or
 * clone(2) that shares our memory is not a copy.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_ORIGIN_H
#define LCP_ORIGIN_H

#include <sys/types.h>

struct lcp__origin {
  volatile int *page; /* NULL: not available */
  pid_t pid;          /* 0: not set */
};

/* A copy may call it again to become the origin itself. */
void lcp__origin_set(struct lcp__origin *o);

int lcp__origin_is_copy(const struct lcp__origin *o);

void lcp__origin_free(struct lcp__origin *o);

#endif
