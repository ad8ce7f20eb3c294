/* nap.h - waits for a descriptor, or for a signal that has a handler.  No Lua, no libuv.
 */
#ifndef LCP_NAP_H
#define LCP_NAP_H

#include <signal.h>

/* Between the two, signals are held back, so that none comes unseen between a look at
 * what their handlers leave behind and the sleep:
 *
 *   lcp__nap_begin(&before);
 *   if (nothing is there)
 *     rc = lcp__nap(fd, ms, &before);
 *   lcp__nap_end(&before); */
void lcp__nap_begin(sigset_t *before);
void lcp__nap_end(const sigset_t *before);

/* Until `fd` is readable (> 0), `ms` milliseconds have passed (0; -1: never), or a
 * handler has run (-EINTR). */
int lcp__nap(int fd, int ms, const sigset_t *before);

#endif
