/* proc.h - one child process: seen to end, signalled, reaped.
 * No Lua, no libuv.  A pidfd where the kernel gives one, else a waiter thread. */
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
  pid_t maker; /* a copy of this process, by fork(2), leaves it alone */
  int tries;   /* see remembered_exit() */
  int leads;   /* a process group, which is what is signalled */
  int held;    /* it is reaped by lcp__proc_close only, see lcp__proc_open */
  struct lcp__cgroup cgroup; /* a leaf, which is signalled in place of the group */
};

/* Takes over a child that has just been started; `pidfd` may be -1.  On failure the child
 * is killed and reaped, and a negative errno returned.  (One that must not be killed is
 * left alone: waiting for it could take for ever.)
 * @param leads: it leads a process group, and all signals are for that, also when it has
 * ended itself.  A pidfd names the group for ever (Linux 6.9).  Elsewhere only the number
 * does, and that is its own until it is reaped: this then waits for lcp__proc_close. */
int lcp__proc_open(struct lcp__proc *p, pid_t pid, int pidfd, int leads);

/* A descriptor that polls readable when the process has ended. */
int lcp__proc_fd(const struct lcp__proc *p);

/* 1: it has ended, and is reaped unless it is held; *how is set.  0: it still runs. */
int lcp__proc_reap(struct lcp__proc *p, struct lcp__exit *how);

/* 0 or a negative errno; -ESRCH when it, or the group that it leads, is gone (one that
 * nobody has reaped is not).  Cannot reach another process or group. */
int lcp__proc_kill(struct lcp__proc *p, int sig);

/* Whether it, or a process of the group that it leads, runs: not being a zombie. */
int lcp__proc_lives(struct lcp__proc *p);

/* When it has closed: kills what is left in its cgroup and removes that.  1: done, or
 * there is none; 0: to be called again, soon. */
int lcp__proc_clear(struct lcp__proc *p);

/* Whether its zombie is kept, so that the number of its group is its own. */
int lcp__proc_holds(const struct lcp__proc *p);

/* Kills it and, if it may be killed, waits until it has ended. */
void lcp__proc_end(struct lcp__proc *p);

/* Lets go of it: after the reaping, or before, when it is reaped whenever it ends. */
void lcp__proc_close(struct lcp__proc *p, int reaped);

#endif
