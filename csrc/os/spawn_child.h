/* spawn_child.h - what a new process does between clone and exec (Linux). */
#ifndef LCP_SPAWN_CHILD_H
#define LCP_SPAWN_CHILD_H

#include "os/spawn.h"

/* The child runs on a stack and in a state that the sanitizers' runtime does not know. */
#define LCP__NO_SANITIZE __attribute__((no_sanitize("address", "undefined")))

/* One block, made before the clone: everything the child needs. */
struct lcp__launch {
  const struct lcp__spawn *plan;
  pid_t parent;      /* who starts the child */
  int report_fd;     /* read end of the report: the parent's, a copy in the child */
  int status_fd;     /* write end of the report */
  int cgroup_fd;     /* cgroup.procs of the group to enter, or -1 */
  int null_fd;       /* /dev/null, or -1 if no slot needs it */
  int drops_groups;  /* see lcp__spawn_drops_groups */
  int not_found;     /* errno if a search finds nothing; 0: there is one candidate */
  int *from;         /* nfds sources; the child rearranges them */
  char **candidates; /* paths to exec, in order; NULL at the end */
  char **sh_argv;    /* /bin/sh, the candidate, argv[1..]; NULL at the end */
  /* set by the child, seen if it really runs in our memory */
  int shared, failed;
  struct lcp__failure why;
};

/* For clone(2); `arg` is the launch.  Execs, or writes `why` to status_fd, too, and
 * exits. */
int lcp__child_main(void *arg);

#endif
