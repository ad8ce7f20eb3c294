/* spawn_linux.c - spawn.h by clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD).
 *
 * The child borrows our memory until it execs (spawn_child.c), so a start costs the same
 * however large the host is.  The calling thread sleeps meanwhile (CLONE_VFORK).
 *
 * The failed step is reported in that memory, and until a child is known to share it
 * through a close-on-exec pipe as well: there are systems where CLONE_VM is only a fork
 * (valgrind, QEMU, WSL1).
 *
 * Where many descriptors are open the child also starts on our descriptor table, see
 * table.h, and receives its own through handover.h.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/clone.h"
#include "os/fd.h"
#include "os/handover.h"
#include "os/spawn_child.h"
#include "os/table.h"

#define DEFAULT_PATH "/bin:/usr/bin" /* as execvp(3) without PATH */

/* The child's PATH counts, not ours, as with uv_spawn, which sets `environ` before
 * execvp(3). */
static const char *search_path(const struct lcp__spawn *plan) {
  const char *path = NULL;
  char *const *env = plan->envp != NULL ? plan->envp : environ;
  for (; env != NULL && *env != NULL; env++)
    if (strncmp(*env, "PATH=", 5) == 0) {
      path = *env + 5;
      break;
    }
  return path != NULL ? path : DEFAULT_PATH;
}

/* Writes each directory of `path` with `file` appended to `text`, separated by NULs, and
 * their addresses to l->candidates.  An empty directory means the current one. */
static void join_candidates(struct lcp__launch *l, const char *path, char *text) {
  const char *file = l->plan->file;
  size_t len = strlen(file);
  int n = 0;
  for (;;) {
    size_t dir = strcspn(path, ":");
    l->candidates[n++] = text;
    memcpy(text, path, dir);
    text += dir;
    if (dir > 0)
      *text++ = '/';
    memcpy(text, file, len + 1);
    text += len + 1;
    if (path[dir] == '\0')
      break;
    path += dir + 1;
  }
  l->candidates[n] = NULL;
}

/* Without the NULL at the end. */
static size_t count(char *const *list) {
  size_t n = 0;
  while (list[n] != NULL)
    n++;
  return n;
}

/* The launch and everything it points to, in one block that the caller frees. */
static struct lcp__launch *launch_new(const struct lcp__spawn *plan) {
  int searched = strchr(plan->file, '/') == NULL && plan->file[0] != '\0';
  const char *path = searched ? search_path(plan) : "";
  size_t dirs = 1, argc = count(plan->argv);
  struct lcp__launch *l;
  for (const char *p = path; *p != '\0'; p++)
    dirs += *p == ':';
  size_t slots = (dirs + 1) + (argc + 3);
  size_t text = strlen(path) + dirs * (strlen(plan->file) + 2);
  l = calloc(1, sizeof *l + slots * sizeof(char *) +
                    ((size_t)plan->nfds + 1) * sizeof(int) + text);
  if (l == NULL)
    return NULL;
  l->plan = plan;
  l->parent = getpid();
  l->drops_groups = lcp__spawn_drops_groups(plan);
  if (searched)
    l->not_found = strlen(plan->file) > NAME_MAX ? ENAMETOOLONG : ENOENT;
  l->report_fd = l->status_fd = l->cgroup_fd = l->null_fd = l->in_fd = -1;
  l->candidates = (char **)(l + 1);
  l->sh_argv = l->candidates + dirs + 1;
  l->from = (int *)(l->candidates + slots);
  join_candidates(l, path, (char *)(l->from + plan->nfds + 1));
  l->sh_argv[0] = "/bin/sh";
  if (argc > 0)
    memcpy(l->sh_argv + 2, plan->argv + 1, argc * sizeof(char *));
  return l;
}

/* Opened in the parent, where a failure has a name; the child only copies it. */
static int open_null(struct lcp__launch *l) {
  for (int i = 0; i < l->plan->nfds && i < 3; i++)
    if (l->plan->fds[i] < 0) {
      l->null_fd = lcp__fd_open("/dev/null", O_RDWR);
      return l->null_fd < 0 ? l->null_fd : 0;
    }
  return 0;
}

static int open_report(struct lcp__launch *l) {
  int ends[2];
  if (lcp__clone_shares_memory())
    return 0;
  int err = lcp__fd_pipe(ends);
  if (err == 0) {
    l->report_fd = ends[0];
    l->status_fd = ends[1];
  }
  return err;
}

static void set_sources(struct lcp__launch *l) {
  int n = l->plan->nfds;
  for (int i = 0; i < n; i++)
    l->from[i] = l->plan->fds[i] >= 0 ? l->plan->fds[i] : i < 3 ? l->null_fd : -1;
  l->from[n] = l->cgroup_fd;
}

/* CLONE_PIDFD, by a kernel or a sandbox that does not know it.  Kernels before 5.2 may
 * ignore it as well (clone(2), CLONE_PID): then *pidfd stays -1. */
static int is_refused(int err) {
  return err == EINVAL || err == ENOSYS || err == EPERM || err == EACCES;
}

/* Without a pidfd the child is watched another way: proc.c tries pidfd_open(2), then a
 * waiter thread. */
static int clone_child(struct lcp__launch *l, int flags, int *pidfd) {
  int pid = lcp__clone(lcp__child_main, l, flags | SIGCHLD | CLONE_PIDFD, pidfd);
  if (pid < 0 && is_refused(-pid)) {
    *pidfd = -1;
    pid = lcp__clone(lcp__child_main, l, flags | SIGCHLD, NULL);
  }
  return pid;
}

static int fail(struct lcp__failure *why, int stage, int err) {
  why->stage = stage;
  why->err = err;
  return -1;
}

/* With shared memory we only run again once the child has execed or ended, and l->failed
 * says which.  Otherwise end of file means that exec closed the pipe; waiting for that
 * costs two context switches. */
static int read_report(const struct lcp__launch *l, struct lcp__failure *why) {
  ssize_t n;
  *why = l->why;
  if (l->shared || l->report_fd < 0)
    return l->failed;
  do {
    n = read(l->report_fd, why, sizeof *why);
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    fail(why, LCP__STAGE_STDIO, -errno);
  return n != 0;
}

/* The child has failed, or its report could not be read: then it may still run.  One that
 * shared our memory has ended, and where the host reaps all children its number may be
 * another's by now. */
static void discard(const struct lcp__launch *l, pid_t pid, int *pidfd) {
  if (!l->shared)
    kill(pid, SIGKILL);
  lcp__reap_wait(pid);
  lcp__fd_close(pidfd);
}

/* Sharing the table is only an advantage: whatever is in its way, the start goes on as it
 * does where few descriptors are open. */
static int may_share_table(const struct lcp__launch *l) {
  struct lcp__handover *h = l->plan->handover;
  return lcp__clone_shares_memory() && lcp__table_sharing_pays() &&
         lcp__handover_ready(h) && lcp__table_sharing_works(h->in.fd);
}

/* The child starts on our table.  Its pid, or -1: nothing has been done yet. */
static int launch_sharing(struct lcp__launch *l, int *pidfd) {
  struct lcp__handover *h = l->plan->handover;
  set_sources(l);
  if (lcp__handover_send(h, l->from, l->plan->nfds + 1, l->parent) < 0)
    return -1;
  l->in_fd = h->in.fd;
  int pid = clone_child(l, CLONE_FILES, pidfd);
  l->in_fd = -1;
  if (!l->apart)
    lcp__handover_drain(h);
  if (pid < 0)
    return -1;
  if (!l->failed || l->apart)
    return pid;
  discard(l, pid, pidfd);
  lcp__table_refused(l->why.err);
  l->failed = l->shared = 0;
  return -1;
}

/* The child starts on a copy of our table, in which it may move the report's end.  Its
 * pid, or a negative errno.
 *
 * Without a pidfd nothing changes: the report leaves room for the descriptors of what
 * replaces it (proc.c), which are opened when the program already runs. */
static int launch_copying(struct lcp__launch *l, int *pidfd) {
  int status = l->status_fd;
  set_sources(l);
  int pid = clone_child(l, 0, pidfd);
  lcp__fd_close(&status);
  if (l->shared && *pidfd >= 0)
    lcp__clone_shared_memory();
  return pid;
}

/* The child's pid or a negative errno. */
static int launch(struct lcp__launch *l, int *pidfd) {
  int pid = may_share_table(l) ? launch_sharing(l, pidfd) : -1;
  return pid < 0 ? launch_copying(l, pidfd) : pid;
}

/* EMFILE and ENFILE: there is no descriptor for the pidfd. */
static int stage_of(int err) {
  return err == -EMFILE || err == -ENFILE ? LCP__STAGE_STDIO : LCP__STAGE_FORK;
}

/* Owned on the way: both ends of the report, then the child. */
static int launch_run(struct lcp__launch *l, struct lcp__proc *proc,
                      struct lcp__failure *why) {
  int pidfd = -1, err = open_null(l);
  if (err == 0)
    err = open_report(l);
  if (err < 0)
    return fail(why, LCP__STAGE_STDIO, err);
  int pid = launch(l, &pidfd);
  int failed = pid >= 0 && read_report(l, why);
  lcp__fd_close(&l->report_fd);
  if (pid < 0)
    return fail(why, stage_of(pid), pid);
  if (failed) {
    discard(l, pid, &pidfd);
    return -1;
  }
  err = lcp__proc_open(proc, pid, pidfd, (l->plan->flags & LCP__SPAWN_LEADS) != 0);
  return err < 0 ? fail(why, LCP__STAGE_FORK, err) : 0;
}

/* The cgroup passes to *proc if signals are meant for it; otherwise only its descriptors
 * are closed, and after a failure the leaf is removed. */
static int launch_in_cgroup(struct lcp__launch *l, struct lcp__proc *proc,
                            struct lcp__failure *why) {
  const struct lcp__spawn *plan = l->plan;
  struct lcp__cgroup group;
  int rc = lcp__cgroup_open(&group, plan->cgroup, (plan->flags & LCP__SPAWN_LEADS) != 0);
  if (rc < 0)
    return fail(why, LCP__STAGE_CGROUP, rc);
  l->cgroup_fd = group.procs;
  rc = launch_run(l, proc, why);
  lcp__fd_close(&group.procs);
  if (rc == 0 && proc->leads) {
    proc->cgroup = group;
    return 0;
  }
  if (rc != 0)
    lcp__cgroup_end(&group);
  lcp__cgroup_close(&group);
  return rc;
}

int lcp__spawn(const struct lcp__spawn *plan, struct lcp__proc *proc,
               struct lcp__failure *why) {
  struct lcp__launch *l = launch_new(plan);
  int rc;
  if (l == NULL)
    return fail(why, LCP__STAGE_FORK, -ENOMEM);
  rc = plan->cgroup != NULL ? launch_in_cgroup(l, proc, why) : launch_run(l, proc, why);
  lcp__fd_close(&l->null_fd);
  free(l);
  return rc;
}

void lcp__spawn_reserve(struct lcp__handover *h) { lcp__handover_open(h); }

const char *lcp__spawn_backend(void) { return "linux"; }
