/* spawn_linux.c - spawn.h by clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD).
 *
 * The child borrows our memory until it execs (spawn_child.c), so a start costs the same
 * however large the host is.  The calling thread sleeps meanwhile (CLONE_VFORK).
 *
 * The failed step is also reported through a close-on-exec pipe, for systems where
 * CLONE_VM is only a fork (valgrind, QEMU, WSL1).
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/fd.h"
#include "os/spawn_child.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000 /* Linux 5.2 */
#endif

/* Ample for a chain of system calls.  It lies on our own stack: we sleep while it is in
 * use. */
enum { CHILD_STACK = 16 * 1024 };

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
  l = calloc(1, sizeof *l + slots * sizeof(char *) + (size_t)plan->nfds * sizeof(int) +
                    text);
  if (l == NULL)
    return NULL;
  l->plan = plan;
  l->parent = getpid();
  l->drops_groups = lcp__spawn_drops_groups(plan);
  if (searched)
    l->not_found = strlen(plan->file) > NAME_MAX ? ENAMETOOLONG : ENOENT;
  l->status_fd = l->null_fd = l->cgroup_fd = -1;
  l->candidates = (char **)(l + 1);
  l->sh_argv = l->candidates + dirs + 1;
  l->from = (int *)(l->candidates + slots);
  join_candidates(l, path, (char *)(l->from + plan->nfds));
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

/* CLONE_PIDFD, by a kernel or a sandbox that does not know it.  Kernels before 5.2 may
 * ignore it as well (clone(2), CLONE_PID): then *pidfd stays -1. */
static int is_refused(int err) {
  return err == EINVAL || err == ENOSYS || err == EPERM || err == EACCES;
}

/* Without a pidfd the child is watched another way: proc.c tries pidfd_open(2), then a
 * waiter thread. */
LCP__NO_SANITIZE static int clone_child(struct lcp__launch *l, int *pidfd) {
  char stack[CHILD_STACK] __attribute__((aligned(16)));
  int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  int pid = clone(lcp__child_main, stack + sizeof stack, flags | CLONE_PIDFD, l, pidfd);
  if (pid < 0 && is_refused(errno)) {
    *pidfd = -1;
    pid = clone(lcp__child_main, stack + sizeof stack, flags, l);
  }
  return pid < 0 ? -errno : pid;
}

/* Signals stay blocked around the clone: the child starts with our mask, and must not run
 * our handlers in our memory.  Nor can the thread be cancelled meanwhile. */
static int clone_blocked(struct lcp__launch *l, int *pidfd) {
  sigset_t all, before;
  int cancel;
  sigfillset(&all);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pid = clone_child(l, pidfd);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_setcancelstate(cancel, NULL);
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
static int read_report(const struct lcp__launch *l, int fd, struct lcp__failure *why) {
  ssize_t n;
  *why = l->why;
  if (l->shared)
    return l->failed;
  do {
    n = read(fd, why, sizeof *why);
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    fail(why, LCP__STAGE_STDIO, -errno);
  return n != 0;
}

/* The child has failed, or its report could not be read: then it may still run. */
static void discard(pid_t pid, int *pidfd) {
  kill(pid, SIGKILL);
  lcp__reap_wait(pid);
  lcp__fd_close(pidfd);
}

/* Owned on the way: status[0], status[1], then the child. */
static int launch_run(struct lcp__launch *l, struct lcp__proc *proc,
                      struct lcp__failure *why) {
  int status[2] = {-1, -1}, pidfd = -1, pid, failed;
  int err = open_null(l);
  if (err == 0)
    err = lcp__fd_pipe(status);
  if (err < 0)
    return fail(why, LCP__STAGE_STDIO, err);
  l->report_fd = status[0];
  l->status_fd = status[1];
  pid = clone_blocked(l, &pidfd);
  lcp__fd_close(&status[1]);
  if (pid < 0) {
    lcp__fd_close(&status[0]);
    return fail(
        why, pid == -EMFILE || pid == -ENFILE ? LCP__STAGE_STDIO : LCP__STAGE_FORK, pid);
  }
  failed = read_report(l, status[0], why);
  lcp__fd_close(&status[0]);
  if (failed) {
    discard(pid, &pidfd);
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

const char *lcp__spawn_backend(void) { return "linux"; }
