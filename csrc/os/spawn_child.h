/* spawn_child.h - the steps of a new process between clone and exec (Linux).
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SPAWN_CHILD_H
#define LCP_SPAWN_CHILD_H

#include "os/spawn.h"

/* Everything the child needs, allocated in one block before the clone. */
struct lcp__launch {
  const struct lcp__spawn *plan;
  pid_t parent;     /* the process that starts the child */
  int report_fd;    /* read end of the report: the parent uses it, the child has a copy */
  int status_fd;    /* write end of the report; both are -1 where memory is shared */
  int cgroup_fd;    /* cgroup.procs of the group to enter, or -1 */
  int null_fd;      /* /dev/null, or -1 if no slot needs it */
  int in_fd;        /* table.h: what the child receives its descriptors from; or -1 */
  int drops_groups; /* see lcp__spawn_drops_groups */
  int not_found; /* errno if the search finds no file; 0: not a search, one candidate */
  int *from;     /* nfds sources, then cgroup_fd; the child rearranges them */
  char **candidates; /* paths to exec, in order; NULL at the end */
  char **sh_argv;    /* /bin/sh, the candidate, argv[1..]; NULL at the end */
  /* set by the child; visible to us only if it really shares our memory */
  int shared, failed;
  int apart; /* it has its descriptors, above the slots; before that it has changed
                nothing */
  struct lcp__failure why;
};

/* For clone(2); `arg` is the launch.  Execs, or records `why`, also writes it to
 * status_fd, and exits. */
int lcp__child_main(void *arg);

#endif
