/* procfs.h - information from /proc about processes other than our children (Linux).  No
 * Lua, no libuv.  Each call goes through all visible processes of the system, about 20 us
 * for each, so it is for rare occasions only.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PROCFS_H
#define LCP_PROCFS_H

#include <sys/types.h>

/* Whether a process group has a member that is not a zombie: 1, 0, or a negative errno
 * where /proc cannot be read. */
int lcp__procfs_group_lives(pid_t pgid);

/* A process that has the file in question open. */
struct lcp__holder {
  pid_t pid;
  int fd; /* its number there */
  char command[32];
};

/* The first ones: there may be any number, of which others decide. */
enum { LCP__HOLDERS = 32 };
struct lcp__holders {
  struct lcp__holder list[LCP__HOLDERS];
  int n;
};

/* Adds each writable descriptor of another process that leads to the pipe behind `fd`, as
 * long as there is room.  0 or a negative errno. */
int lcp__procfs_writers(int fd, struct lcp__holders *found);

#endif
