/* waiter.h - a thread that waits for one process, where there is no pidfd.  No Lua, no
 * libuv.
 *
 * Used in two cases: on a kernel or in a sandbox that refuses pidfd, and when a Lua state
 * is closed while its children run, since they still have to be reaped some day.  The
 * thread blocks every signal, holds no lock while it waits, and ends with its process.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_WAITER_H
#define LCP_WAITER_H

#include <sys/types.h>

#include "os/reap.h"

struct lcp__waiter;

/* Starts waiting for the child `pid`.  NULL and a negative errno in *err on failure.
 * @param leads: it leads a process group; signals go to the group, and only
 * lcp__waiter_drop reaps the child: until then no other group can get its number */
struct lcp__waiter *lcp__waiter_start(pid_t pid, int leads, int *err);

/* Polls readable (end of file) once the process has ended. */
int lcp__waiter_fd(const struct lcp__waiter *w);

/* 1 and *how once the process has ended or was reaped elsewhere in this program. */
int lcp__waiter_exit(struct lcp__waiter *w, struct lcp__exit *how);

/* Sends `sig` unless the process has been reaped (then -ESRCH): never to an unrelated
 * process with the same pid. */
int lcp__waiter_kill(struct lcp__waiter *w, int sig);

/* For a copy of the process made by fork(2), which does not have the thread. */
void lcp__waiter_forget(struct lcp__waiter *w);

/* The caller is done with it; the thread runs on until the process ends. */
void lcp__waiter_drop(struct lcp__waiter *w);

#endif
