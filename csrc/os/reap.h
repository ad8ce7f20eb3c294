/* reap.h - a child that has ended is taken from the kernel, and how it ended is known.
 * No Lua, no libuv. */
#ifndef LCP_REAP_H
#define LCP_REAP_H

#include <sys/types.h>

/* How it ended.  Neither exited nor signalled: somebody else reaped it, and this kernel
 * does not tell. */
struct lcp_exit {
  int exited, code;
  int signalled, sig;
};

/* Never waits.  1: reaped, *how is set.  0: it still runs.  -ECHILD: it is no child of
 * ours any more; another negative errno: nothing is known.
 * @param pidfd: -1 where there is none */
int lcp__reap(pid_t pid, int pidfd, struct lcp_exit *how);

/* Whether it has not been reaped, so that its pid is its own: 1, 0, or a negative errno
 * where this system does not tell. */
int lcp__is_unreaped(int pidfd);

/* Sets *how from a status as wait(2) gives it. */
void lcp__exit_decode(int status, struct lcp_exit *how);

#endif
