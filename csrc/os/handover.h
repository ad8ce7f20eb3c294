/* handover.h - how descriptors reach a new process whose own table has only low numbers.
 *
 * A pair of connected sockets, opened early, so that the number of one is low.  Before a
 * start the descriptors are sent through it (SCM_RIGHTS), and the new process receives
 * them.  So they get no second number here, not even for a moment: closing one would
 * release the POSIX locks that the host has on its file (fcntl_locking(2)).
 * SPDX-License-Identifier: MIT */
#ifndef LCP_HANDOVER_H
#define LCP_HANDOVER_H

#include <sys/types.h>

/* Numbers below the first are in the part of a table that the kernel allocates with it
 * (NR_OPEN_DEFAULT; half as many on 32-bit systems).  The second: SCM_MAX_FD, unix(7). */
enum { LCP__HANDOVER_LOW = 64, LCP__HANDOVER_MOST = 253 };

/* Each end with the identity of its socket: a host that closes all descriptors, as a
 * daemon does, soon has others of the same numbers. */
struct lcp__handover {
  struct lcp__handover_end {
    int fd; /* -1: not open */
    dev_t dev;
    ino_t ino;
  } in, out;
};

/* 0 or a negative errno: then it is not open. */
int lcp__handover_open(struct lcp__handover *h);

/* Closes what is still ours. */
void lcp__handover_close(struct lcp__handover *h);

/* Whether it can be used: open, ours, and low.  Opens or moves it first if need be. */
int lcp__handover_ready(struct lcp__handover *h);

/* Sends those of the `n` descriptors that are not -1, with the sender's pid.  0 or a
 * negative errno, and nothing has been sent. */
int lcp__handover_send(const struct lcp__handover *h, const int *fds, int n, pid_t by);

/* Throws away what has not been received. */
void lcp__handover_drain(const struct lcp__handover *h);

#endif
