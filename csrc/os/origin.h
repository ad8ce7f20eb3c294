/* origin.h - tells the process that made something from its copies by fork(2).
 * No Lua, no libuv.
 *
 *   lcp__origin_set(&o);                        here it was made
 *   if (lcp__origin_is_copy(&o)) …              somewhere else by now
 *
 * The question costs one read of memory: a page that the kernel gives a copy as zeros
 * (MADV_WIPEONFORK, Linux 4.14), whichever way the copy was made.  getpid(2) is a system
 * call each time, and is only used where there is no such page.  A child of vfork(2) or
 * clone(2) that shares the memory is no copy. */
#ifndef LCP_ORIGIN_H
#define LCP_ORIGIN_H

#include <sys/types.h>

struct lcp__origin {
  volatile int *page; /* NULL: there is none */
  pid_t pid;          /* 0: nothing was set */
};

/* Also for the second time, in a copy. */
void lcp__origin_set(struct lcp__origin *o);

int lcp__origin_is_copy(const struct lcp__origin *o);

void lcp__origin_free(struct lcp__origin *o);

#endif
