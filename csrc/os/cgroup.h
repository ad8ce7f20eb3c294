/* cgroup.h - a control group (version 2) that a child is started in: cgroups(7).
 * No Lua, no libuv.  Linux only; elsewhere lcp__cgroup_open gives -ENOSYS.
 *
 *   struct lcp__cgroup g;
 *   lcp__cgroup_open(&g, "/sys/fs/cgroup/jobs", 1);  // a leaf of its own below
 *   … the child writes 0 to g.procs …
 *   lcp__cgroup_kill(&g, SIGTERM);                   // all that is in the leaf
 *   while (!lcp__cgroup_end(&g)) …                   // kills the rest, removes the leaf
 *   lcp__cgroup_close(&g); */
#ifndef LCP_CGROUP_H
#define LCP_CGROUP_H

struct lcp__cgroup {
  int dir;       /* the group's directory; -1: none */
  int parent;    /* the directory of a leaf of ours; -1: the group is somebody else's */
  int procs;     /* its cgroup.procs, for writing, until the child has been started */
  char name[48]; /* of the leaf */
};

/* A struct with no group in it. */
#define LCP__NO_CGROUP                                                                   \
  { -1, -1, -1, "" }

/* Opens the group at `path`, or makes a leaf below it.  0 or a negative errno, and then
 * nothing is open. */
int lcp__cgroup_open(struct lcp__cgroup *g, const char *path, int leaf);

/* To a leaf: sends `sig` to every process in it, SIGKILL also to those below.  0 (some
 * got it; or for signal 0: some are there), -ESRCH or another negative errno. */
int lcp__cgroup_kill(const struct lcp__cgroup *g, int sig);

/* To a leaf: kills what is in it and removes it.  1: done, or given up; 0: not empty yet,
 * to be called again. */
int lcp__cgroup_end(struct lcp__cgroup *g);

/* Closes the descriptors.  Idempotent. */
void lcp__cgroup_close(struct lcp__cgroup *g);

#endif
