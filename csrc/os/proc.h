/* proc.h - one child process: seen to end, signalled, reaped.
 * No Lua, no libuv.  A pidfd where the kernel gives one, else a waiter thread.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PROC_H
#define LCP_PROC_H

#include <sys/types.h>

#include "os/cgroup.h"
#include "os/reap.h"

struct lcp__waiter;

struct lcp__proc {
  pid_t pid; /* 0: none */
  int pidfd; /* -1: `waiter` watches */
  struct lcp__waiter *waiter;
  pid_t maker; /* the process that started it; copies made by fork(2) leave it alone */
  int tries;   /* see remembered_exit() */
  int leads;   /* it leads a process group, and signals go to that */
  int held;    /* only lcp__proc_close reaps it, see lcp__proc_open */
  struct lcp__cgroup cgroup; /* a leaf; if there is one, signals go to it instead */
};

/* Takes over a child that has just been started; `pidfd` may be -1.  On failure the child
 * is killed and reaped, and a negative errno returned.  (A child that we may not kill is
 * left alone: waiting for it could take for ever.)
 * @param leads: it leads a process group, and all signals go to the group, even after the
 * leader has ended.  Since Linux 6.9 a pidfd names the group for good.  Before, only its
 * number does, which is safe until the leader is reaped: so reaping is put off until
 * lcp__proc_close. */
int lcp__proc_open(struct lcp__proc *p, pid_t pid, int pidfd, int leads);

/* A descriptor that polls readable when the process has ended. */
int lcp__proc_fd(const struct lcp__proc *p);

/* 1: it has ended and, unless `held`, is reaped now; *how is set.  0: it still runs. */
int lcp__proc_reap(struct lcp__proc *p, struct lcp__exit *how);

/* 0 or a negative errno; -ESRCH when the process, or the group it leads, is gone (a
 * zombie is not).  Cannot hit another process or group. */
int lcp__proc_kill(struct lcp__proc *p, int sig);

/* Whether it, or a process of the group it leads, still runs; zombies do not count. */
int lcp__proc_lives(struct lcp__proc *p);

/* Once the child is closed: kills the processes left in its cgroup and removes the
 * cgroup.  1: done, or no cgroup; 0: call again soon. */
int lcp__proc_clear(struct lcp__proc *p);

/* Whether it stays a zombie, so that no other group can get its number. */
int lcp__proc_holds(const struct lcp__proc *p);

/* Kills it and, if that was permitted, waits until it has ended. */
void lcp__proc_end(struct lcp__proc *p);

/* Releases it.  A child that has not been reaped yet is reaped in the background when it
 * ends. */
void lcp__proc_close(struct lcp__proc *p, int reaped);

#endif
