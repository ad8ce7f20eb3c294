/* reap.h - reaps a child that has ended and learns how.  No Lua, no libuv.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_REAP_H
#define LCP_REAP_H

#include <stdint.h>
#include <sys/types.h>

/* The resources used by the child and by those descendants it has waited for:
 * getrusage(2). */
struct lcp__usage {
  int known;
  int64_t user_us, system_us; /* processor time */
  int64_t max_rss;            /* KiB, of the largest process */
  int64_t minor_faults, major_faults;
  int64_t blocks_in, blocks_out;
  int64_t voluntary_switches, involuntary_switches;
};

/* How it ended.  Neither exited nor signalled: it was reaped elsewhere in this program,
 * and this kernel keeps no record. */
struct lcp__exit {
  int exited, code;
  int signalled, sig;
  struct lcp__usage usage;
};

/* Never waits.  1: reaped, *how is set.  0: it still runs.  -ECHILD: it is no longer our
 * child; another negative errno: nothing is known.
 * @param pidfd: -1 where there is none */
int lcp__reap(pid_t pid, int pidfd, struct lcp__exit *how);

/* The same without reaping it, so its pid cannot be reused.  (Not possible where only
 * wait4(2) is allowed: a negative errno.) */
int lcp__peek(pid_t pid, int pidfd, struct lcp__exit *how);

/* Waits for the end of a child that has been killed, or ends on its own, and reaps it. */
void lcp__reap_wait(pid_t pid);

/* Whether it has not been reaped yet, so that its pid cannot have been reused: 1, 0, or a
 * negative errno where this system does not say. */
int lcp__is_unreaped(int pidfd);

/* Sets *how from a status as returned by wait(2). */
void lcp__exit_decode(int status, struct lcp__exit *how);

#endif
