/* waiter.h - a thread that waits for one process, where no pidfd can.
 * No Lua, no libuv.
 *
 * It serves two needs: a kernel or sandbox that refuses pidfd, and a state that is closed
 * while its children live, which still have to be reaped some day.  The thread has every
 * signal blocked, holds no lock while it waits, and ends with its process. */
#ifndef LCP_WAITER_H
#define LCP_WAITER_H

#include <sys/types.h>

#include "os/reap.h"

struct lcp__waiter;

/* Starts waiting for the child `pid`.  NULL and a negative errno in *err on failure.
 * @param leads: it leads a process group, which is what is signalled, and it is reaped by
 * lcp__waiter_drop: until then no other group can get its number */
struct lcp__waiter *lcp__waiter_start(pid_t pid, int leads, int *err);

/* Polls readable (end of file) once the process has ended. */
int lcp__waiter_fd(const struct lcp__waiter *w);

/* 1 and *how once the process has ended, or been reaped by others. */
int lcp__waiter_exit(struct lcp__waiter *w, struct lcp__exit *how);

/* Sends `sig` unless the process has been reaped (then -ESRCH): never to a stranger. */
int lcp__waiter_kill(struct lcp__waiter *w, int sig);

/* In a copy of the process by fork(2), which does not have the thread. */
void lcp__waiter_forget(struct lcp__waiter *w);

/* The caller is done; the thread goes on until the process ends. */
void lcp__waiter_drop(struct lcp__waiter *w);

#endif
