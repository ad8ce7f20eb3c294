/* procfs.h - what /proc says about processes that are not ours (Linux).
 * No Lua, no libuv.  Each call looks at every process of the system that may be seen:
 * some 20 us a process, so for rare occasions only. */
#ifndef LCP_PROCFS_H
#define LCP_PROCFS_H

#include <sys/types.h>

/* Whether a process group has a member that is not a zombie: 1, 0, or a negative errno
 * where /proc cannot be read. */
int lcp__procfs_group_lives(pid_t pgid);

/* A process that has a descriptor of the file that is asked for open. */
struct lcp__holder {
  pid_t pid;
  int fd; /* its number there */
  char command[32];
};

/* Calls `found` for each descriptor in another process that leads to the pipe behind `fd`
 * and can be written to, until it returns 0.  0 or a negative errno. */
int lcp__procfs_writers(int fd, int (*found)(void *arg, const struct lcp__holder *h),
                        void *arg);

#endif
