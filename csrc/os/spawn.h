/* spawn.h - turns a plan into a running process, or reports the failed step and its
 * errno.  No Lua, no event loop.  Two implementations: spawn_linux.c, spawn_uv.c.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SPAWN_H
#define LCP_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "os/handover.h"
#include "os/proc.h"

enum lcp__spawn_flags {
  LCP__SPAWN_SETSID = 1, /* a session and process group of its own */
  LCP__SPAWN_SETUID = 2,
  LCP__SPAWN_SETGID = 4,
  /* From here on for spawn_linux.c alone. */
  LCP__SPAWN_TTY = 8, /* fds[0] becomes the terminal of that session */
  LCP__SPAWN_SETPGID = 16,
  LCP__SPAWN_SETGROUPS = 32,
  LCP__SPAWN_NICE = 64,
  LCP__SPAWN_UMASK = 128,
  LCP__SPAWN_NO_NEW_PRIVS = 256,
  LCP__SPAWN_LEADS = 512 /* signals go to its group, see lcp__proc_open */
};

/* One call of prlimit(2); LCP__RLIM_INFINITY: no limit. */
struct lcp__rlimit {
  int resource;
  uint64_t soft, hard;
};
#define LCP__RLIM_INFINITY UINT64_MAX

/* Everything in here belongs to the caller and, but for the handover, is only read. */
struct lcp__spawn {
  const char *file;  /* a path if it has a slash, else searched for in the child's PATH */
  char *const *argv; /* NULL at the end */
  char *const *envp; /* ends with NULL; NULL itself: this process's environment */
  const char *cwd;   /* or NULL */
  const int *fds;    /* the child's descriptor i is a copy of fds[i]; it gets no others */
  int nfds;          /* -1 in fds: /dev/null below 3, closed above */
  unsigned flags;
  uid_t uid;
  gid_t gid;
  pid_t pgid;          /* LCP__SPAWN_SETPGID: the group to join; 0: a new one */
  const gid_t *groups; /* LCP__SPAWN_SETGROUPS: the supplementary groups; without that
                          flag, changing ids drops them all */
  size_t ngroups;
  const struct lcp__rlimit *rlimits;
  int nrlimits;
  int nice;           /* LCP__SPAWN_NICE: absolute, -20 to 19 */
  mode_t umask;       /* LCP__SPAWN_UMASK */
  const char *cgroup; /* path of the group to start in, or NULL; with LCP__SPAWN_LEADS a
                         leaf is made below it, and signals go to the leaf */
  int death_signal;   /* sent when the thread that starts the child ends; 0: none */
  struct lcp__handover *handover; /* of the calling state */
};

/* The steps of a start, in order. lcp__stage_name has their names, for error messages. */
enum lcp__stage {
  LCP__STAGE_STDIO, /* descriptors, in the parent or in the child */
  LCP__STAGE_CGROUP,
  LCP__STAGE_FORK,
  LCP__STAGE_SETSID,
  LCP__STAGE_SETPGID,
  LCP__STAGE_CHDIR,
  LCP__STAGE_RLIMITS,
  LCP__STAGE_NICE,
  LCP__STAGE_SETGROUPS,
  LCP__STAGE_SETGID,
  LCP__STAGE_SETUID,
  LCP__STAGE_DEATH_SIGNAL,
  LCP__STAGE_NO_NEW_PRIVS,
  LCP__STAGE_EXEC
};

struct lcp__failure {
  int stage;
  int err; /* negative errno */
};

/* Starts the process.  0, and *proc is the caller's; or -1 with *why set and nothing left
 * behind: no process, no descriptor.
 *
 * The child has an empty signal mask and default dispositions.  A script without a #!
 * line (ENOEXEC) is run by /bin/sh, as execvp(3) does. */
int lcp__spawn(const struct lcp__spawn *plan, struct lcp__proc *proc,
               struct lcp__failure *why);

/* Opens a handover for later starts, if this implementation uses one: early, since it
 * needs a low number.  The caller closes it. */
void lcp__spawn_reserve(struct lcp__handover *h);

/* For the implementations: whether the child would get other ids but keep our
 * supplementary groups if those could not be dropped. */
int lcp__spawn_drops_groups(const struct lcp__spawn *plan);

const char *lcp__stage_name(int stage);

/* "linux" or "uv". */
const char *lcp__spawn_backend(void);

#endif
