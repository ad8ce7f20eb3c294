/* cgroup.h - the control group (version 2, cgroups(7)) that a child starts in.  No Lua,
 * no libuv.  Linux only; elsewhere lcp__cgroup_open gives -ENOSYS.
 *
 *   struct lcp__cgroup g;
 *   lcp__cgroup_open(&g, "/sys/fs/cgroup/jobs", 1);  // a leaf of our own below
 *   … the child writes 0 to g.procs …
 *   lcp__cgroup_kill(&g, SIGTERM);                   // every process in the leaf
 *   while (!lcp__cgroup_end(&g)) …                   // kills the rest, removes the leaf
 *   lcp__cgroup_close(&g);
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CGROUP_H
#define LCP_CGROUP_H

struct lcp__cgroup {
  int dir;       /* the group's directory; -1: none */
  int parent;    /* the directory that contains our leaf; -1: the group is not ours */
  int procs;     /* its cgroup.procs, open for writing until the child has been started */
  char name[48]; /* of the leaf */
};

/* The initial value: no group. */
#define LCP__NO_CGROUP                                                                   \
  { -1, -1, -1, "" }

/* Opens the group at `path`, or makes a leaf below it.  0, or a negative errno and
 * nothing is open. */
int lcp__cgroup_open(struct lcp__cgroup *g, const char *path, int leaf);

/* For a leaf: sends `sig` to every process in it, SIGKILL also to those in groups below.
 * 0 if at least one got it (for signal 0: if there is one), -ESRCH if there is none, or
 * another negative errno. */
int lcp__cgroup_kill(const struct lcp__cgroup *g, int sig);

/* For a leaf: kills its processes and removes it.  1: done, or given up; 0: not empty
 * yet, call again. */
int lcp__cgroup_end(struct lcp__cgroup *g);

/* Closes the descriptors.  Idempotent. */
void lcp__cgroup_close(struct lcp__cgroup *g);

#endif
