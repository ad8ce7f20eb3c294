/* nap.c - see nap.h.  SPDX-License-Identifier: MIT */
#include "os/nap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) ||                \
    defined(__NetBSD__)
#define HAVE_PPOLL 1
#endif

void lcp__nap_begin(sigset_t *before) {
#ifdef HAVE_PPOLL
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, before);
#else
  (void)before; /* macOS lacks ppoll: a signal right before poll is seen only after it */
#endif
}

void lcp__nap_end(const sigset_t *before) {
#ifdef HAVE_PPOLL
  pthread_sigmask(SIG_SETMASK, before, NULL);
#else
  (void)before;
#endif
}

/* ppoll(2) replaces the mask and sleeps as one step, which poll(2) after
 * pthread_sigmask(3) is not. */
int lcp__nap(int fd, int ms, const sigset_t *before) {
  struct pollfd p = {fd, POLLIN, 0};
  int n;
#ifdef HAVE_PPOLL
  const struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
  n = ppoll(&p, 1, ms < 0 ? NULL : &ts, before);
#else
  (void)before;
  n = poll(&p, 1, ms);
#endif
  return n < 0 ? -errno : n;
}
