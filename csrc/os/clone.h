/* clone.h - clone(2) for a child that borrows our memory until it execs or ends.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CLONE_H
#define LCP_CLONE_H

#include <sched.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000 /* Linux 5.2 */
#endif

/* Such a child runs on a stack, and in a state, that the sanitizers' runtime knows
 * nothing of. */
#define LCP__NO_SANITIZE __attribute__((no_sanitize("address", "undefined")))

/* Ample for a chain of system calls.  It lies on our own stack: we sleep while it is in
 * use. */
enum { LCP__CHILD_STACK = 16 * 1024 };

/* Runs main(arg) in a new process that shares our memory, and sleeps until that has
 * execed or ended; `flags` are added.  The pid or a negative errno.  The child starts
 * with all signals blocked and calls nothing but system calls. */
int lcp__clone(int (*main)(void *), void *arg, int flags, int *pidfd);

/* Whether such a child is known to have run in our memory.  Valgrind, QEMU and WSL1 make
 * a fork of the clone, and valgrind ends the program for flags that no C library uses:
 * no others may be added before this is known. */
int lcp__clone_shares_memory(void);

/* To be called when a child's write to our memory has been seen. */
void lcp__clone_shared_memory(void);

#endif
