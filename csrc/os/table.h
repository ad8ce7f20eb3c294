/* table.h - whether a new process may start on our own table of descriptors (Linux).
 *
 * clone(2) copies the table, which takes longer the more descriptors are open, and exec
 * closes the copies.  With CLONE_FILES the child shares the table instead and leaves it
 * by close_range(2) with CLOSE_RANGE_UNSHARE, which copies only what lies below a number.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_TABLE_H
#define LCP_TABLE_H

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define LCP__CLOSE_RANGE_UNSHARE 2u
#define LCP__CLOSE_RANGE_CLOEXEC 4u

/* Whether sharing the table pays, and works here.  `fd` is an open descriptor below
 * LCP__HANDOVER_LOW.  Tried once in a process, at a moment that is expensive anyway; only
 * after lcp__clone_shares_memory. */
int lcp__table_sharing_pays(void);
int lcp__table_sharing_works(int fd);

/* A child could not leave the table: `err`, negative, says why. */
void lcp__table_refused(int err);

#endif
