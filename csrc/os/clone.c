/* clone.c - see clone.h.  SPDX-License-Identifier: MIT */
#include "os/clone.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* Of this process; a copy of it runs on the same system. */
static atomic_int memory_shared;

void lcp__clone_shared_memory(void) {
  atomic_store_explicit(&memory_shared, 1, memory_order_relaxed);
}

int lcp__clone_shares_memory(void) {
  return atomic_load_explicit(&memory_shared, memory_order_relaxed);
}

LCP__NO_SANITIZE static int clone_now(int (*main)(void *), void *arg, int flags,
                                      int *pidfd) {
  char stack[LCP__CHILD_STACK] __attribute__((aligned(16)));
  int pid = clone(main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | flags, arg, pidfd);
  return pid < 0 ? -errno : pid;
}

/* Signals stay blocked around the clone: the child starts with our mask, and must not run
 * our handlers in our memory.  Nor can the thread be cancelled meanwhile. */
int lcp__clone(int (*main)(void *), void *arg, int flags, int *pidfd) {
  sigset_t all, before;
  int cancel;
  sigfillset(&all);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pid = clone_now(main, arg, flags, pidfd);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_setcancelstate(cancel, NULL);
  return pid;
}
