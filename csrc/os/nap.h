/* nap.h - waits for a descriptor, or for a signal that has a handler.  No Lua, no libuv.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_NAP_H
#define LCP_NAP_H

#include <signal.h>

/* Signals are blocked between the two, so that none slips in between checking what its
 * handler has left behind and falling asleep:
 *
 *   lcp__nap_begin(&before);
 *   if (nothing is there)
 *     rc = lcp__nap(fd, ms, &before);
 *   lcp__nap_end(&before); */
void lcp__nap_begin(sigset_t *before);
void lcp__nap_end(const sigset_t *before);

/* Sleeps until `fd` is readable (> 0), `ms` milliseconds have passed (0; an `ms` of -1:
 * no limit), or a handler has run (-EINTR). */
int lcp__nap(int fd, int ms, const sigset_t *before);

#endif
