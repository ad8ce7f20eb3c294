/* spawn_child.c - see spawn_child.h.
 *
 * All of this runs in the memory of the parent, which sleeps.  So it may only write to
 * its own stack and to the launch, and may call nothing that takes locks, allocates, or
 * reads thread state: only system calls, named child_*.
 *
 * Order: signals, cgroup, session or group, descriptors, directory, limits, ids, parent's
 * death, exec.  The directory is entered with our rights, as libuv does, and limits are
 * raised with them.  Limits come behind the descriptors, which need numbers above a low
 * one. */
#include "os/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_CLOEXEC_ 4u

LCP__NO_SANITIZE static void child_fail(struct lcp__launch *l, int stage, int err) {
  l->failed = 1;
  l->why.stage = stage;
  l->why.err = -err;
  while (write(l->status_fd, &l->why, sizeof l->why) < 0 && errno == EINTR) {
  }
  _exit(127);
}

/* All to the default, then an empty mask: a signal sent to the new process while it still
 * borrows our memory must not run one of our handlers. */
LCP__NO_SANITIZE static void child_reset_signals(struct lcp__launch *l) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask[2];
  } dfl;
  int sig;
  memset(&dfl, 0, sizeof dfl);
  for (sig = 1; sig < NSIG; sig++)
    if (sig != SIGKILL && sig != SIGSTOP &&
        syscall(SYS_rt_sigaction, sig, &dfl, NULL, (size_t)(NSIG / 8)) != 0)
      child_fail(l, LCP__STAGE_FORK, errno);
}

/* Puts the sources where no slot is, so that filling one slot cannot destroy the source
 * of another, then fills the slots in order. */
LCP__NO_SANITIZE static void child_map_fds(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  int i, n = plan->nfds;
  if (l->status_fd < n) {
    int high = fcntl(l->status_fd, F_DUPFD_CLOEXEC, n);
    if (high < 0)
      child_fail(l, LCP__STAGE_STDIO, errno);
    l->status_fd = high;
  }
  for (i = 0; i < n; i++) {
    int fd = plan->fds[i] >= 0 ? plan->fds[i] : i < 3 ? l->null_fd : -1;
    l->from[i] = fd;
    if (fd >= 0 && fd < n && fd != i) {
      l->from[i] = fcntl(fd, F_DUPFD_CLOEXEC, n);
      if (l->from[i] < 0)
        child_fail(l, LCP__STAGE_STDIO, errno);
    }
  }
  for (i = 0; i < n; i++) {
    int rc = 0;
    if (l->from[i] == i)
      rc = fcntl(i, F_SETFD, 0);
    else if (l->from[i] >= 0)
      rc = dup2(l->from[i], i);
    else
      close(i);
    if (rc < 0)
      child_fail(l, LCP__STAGE_STDIO, errno);
  }
}

/* What getdents64(2) fills in. */
struct entry {
  uint64_t inode;
  int64_t next;
  unsigned short size;
  unsigned char type;
  char name[];
};

/* A descriptor's number, or -1 for `.` and `..`. */
LCP__NO_SANITIZE static int child_number(const char *name) {
  int fd = 0;
  if (*name == '.')
    return -1;
  for (; *name != '\0'; name++)
    fd = 10 * fd + (*name - '0');
  return fd;
}

/* Marks what /proc knows to be open: exact, whatever the limits are.  This process has a
 * table of its own, so nobody opens anything meanwhile.  The end of the report that is
 * the parent's goes first, which makes room for one descriptor.  0: /proc cannot be read.
 */
LCP__NO_SANITIZE static int child_mark_listed(const struct lcp__launch *l) {
  union {
    struct entry first;
    char bytes[2048];
  } list;
  int folder, fd;
  long n, at;
  if (l->report_fd >= l->plan->nfds)
    close(l->report_fd);
  folder = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd",
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return 0;
  while ((n = syscall(SYS_getdents64, folder, &list, sizeof list)) > 0)
    for (at = 0; at < n; at += ((struct entry *)(list.bytes + at))->size) {
      fd = child_number(((struct entry *)(list.bytes + at))->name);
      if (fd >= l->plan->nfds)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  close(folder);
  return n == 0;
}

/* Marks all that the hard limit allows: the soft one may have been lowered below what is
 * open.  0: the limit is unknown, or more than the kernel allows by default. */
LCP__NO_SANITIZE static int child_mark_allowed(const struct lcp__launch *l) {
  enum { MOST = 1024 * 1024 }; /* fs.nr_open */
  struct {
    uint64_t soft, hard;
  } limit;
  int fd;
  if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 || limit.hard > MOST)
    return 0;
  for (fd = l->plan->nfds; fd < (int)limit.hard; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  return 1;
}

/* Everything above the slots goes at exec.  close_range(2) with this flag is Linux 5.11.
 * If there is no way to know what is open, nothing is started. */
LCP__NO_SANITIZE static void child_close_others(struct lcp__launch *l) {
  int err;
  if (syscall(SYS_close_range, (unsigned)l->plan->nfds, ~0u, CLOSE_RANGE_CLOEXEC_) == 0)
    return;
  err = errno;
  if (!child_mark_listed(l) && !child_mark_allowed(l))
    child_fail(l, LCP__STAGE_STDIO, err);
}

/* Before anything is moved or given up: 0 stands for the writer. */
LCP__NO_SANITIZE static void child_enter_cgroup(struct lcp__launch *l) {
  if (l->cgroup_fd >= 0 && write(l->cgroup_fd, "0", 1) != 1)
    child_fail(l, LCP__STAGE_CGROUP, errno);
}

LCP__NO_SANITIZE static void child_set_group(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  if ((plan->flags & LCP__SPAWN_SETSID) && setsid() < 0)
    child_fail(l, LCP__STAGE_SETSID, errno);
  if ((plan->flags & LCP__SPAWN_TTY) && ioctl(plan->fds[0], TIOCSCTTY, 0) != 0)
    child_fail(l, LCP__STAGE_SETSID, errno);
  if ((plan->flags & LCP__SPAWN_SETPGID) && setpgid(0, plan->pgid) != 0)
    child_fail(l, LCP__STAGE_SETPGID, errno);
}

/* prlimit64(2) has 64 bits on every architecture.  Limits, nice value and mask are the
 * new process's own, although the memory is shared. */
LCP__NO_SANITIZE static void child_set_limits(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  int i;
  for (i = 0; i < plan->nrlimits; i++) {
    const uint64_t limit[2] = {plan->rlimits[i].soft, plan->rlimits[i].hard};
    if (syscall(SYS_prlimit64, 0, plan->rlimits[i].resource, limit, NULL) != 0)
      child_fail(l, LCP__STAGE_RLIMITS, errno);
  }
  if ((plan->flags & LCP__SPAWN_NICE) &&
      syscall(SYS_setpriority, PRIO_PROCESS, 0, plan->nice) != 0)
    child_fail(l, LCP__STAGE_NICE, errno);
  if (plan->flags & LCP__SPAWN_UMASK)
    umask(plan->umask);
}

/* Raw calls: the C library's would change every thread of the process whose memory this
 * is.  Who may not drop the supplementary groups keeps them (as with libuv), but only
 * under the same ids: others must not get at what those groups may.  That is told last,
 * since who may not change ids at all understands that better. */
LCP__NO_SANITIZE static void child_set_ids(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  int kept = 0;
  if (plan->flags & LCP__SPAWN_SETGROUPS) {
    if (syscall(SYS_setgroups, plan->ngroups, plan->groups) != 0)
      child_fail(l, LCP__STAGE_SETGROUPS, errno);
  } else if (plan->flags & (LCP__SPAWN_SETUID | LCP__SPAWN_SETGID))
    kept = syscall(SYS_setgroups, (size_t)0, NULL) != 0 ? errno : 0;
  if ((plan->flags & LCP__SPAWN_SETGID) && syscall(SYS_setgid, plan->gid) != 0)
    child_fail(l, LCP__STAGE_SETGID, errno);
  if ((plan->flags & LCP__SPAWN_SETUID) && syscall(SYS_setuid, plan->uid) != 0)
    child_fail(l, LCP__STAGE_SETUID, errno);
  if (kept != 0 && l->drops_groups)
    child_fail(l, LCP__STAGE_SETGROUPS, kept);
}

/* The kernel forgets the signal when the ids change, so this comes behind them.  A parent
 * that had died before sends none any more: then it comes from here, and waits until the
 * mask is empty.  Across pid namespaces getppid(2) is 0 and says nothing. */
LCP__NO_SANITIZE static void child_bind_to_parent(struct lcp__launch *l) {
  int sig = l->plan->death_signal;
  pid_t parent;
  if (sig == 0)
    return;
  if (syscall(SYS_prctl, PR_SET_PDEATHSIG, sig, 0, 0, 0) != 0)
    child_fail(l, LCP__STAGE_DEATH_SIGNAL, errno);
  parent = (pid_t)syscall(SYS_getppid);
  if (parent != 0 && parent != l->parent)
    syscall(SYS_kill, syscall(SYS_getpid), sig);
}

LCP__NO_SANITIZE static void child_give_up_privileges(struct lcp__launch *l) {
  if ((l->plan->flags & LCP__SPAWN_NO_NEW_PRIVS) &&
      syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    child_fail(l, LCP__STAGE_NO_NEW_PRIVS, errno);
}

/* What says that a candidate is not there, as in glibc's execvp(3).  ENAMETOOLONG: of a
 * directory in PATH. */
LCP__NO_SANITIZE static int child_is_missing(int err) {
  return err == ENOENT || err == ENOTDIR || err == ESTALE || err == ENODEV ||
         err == ETIMEDOUT || err == ENAMETOOLONG;
}

/* execvp(3) over the prepared candidates: a missing one is passed over, a forbidden one
 * remembered, anything else ends the search. */
LCP__NO_SANITIZE static int child_exec(const struct lcp__launch *l, char *const *envp) {
  int err = l->not_found, i;
  for (i = 0; l->candidates[i] != NULL; i++) {
    syscall(SYS_execve, l->candidates[i], l->plan->argv, envp);
    if (errno == ENOEXEC) {
      l->sh_argv[1] = l->candidates[i];
      syscall(SYS_execve, l->sh_argv[0], l->sh_argv, envp);
    }
    if (errno == EACCES)
      err = EACCES;
    else if (!child_is_missing(errno) || l->not_found == 0)
      return errno;
  }
  return err;
}

LCP__NO_SANITIZE int lcp__child_main(void *arg) {
  struct lcp__launch *l = arg;
  const struct lcp__spawn *plan = l->plan;
  unsigned long empty[2] = {0, 0};
  l->shared = 1;
  child_reset_signals(l);
  child_enter_cgroup(l);
  child_set_group(l);
  child_map_fds(l);
  child_close_others(l);
  if (plan->cwd != NULL && chdir(plan->cwd) != 0)
    child_fail(l, LCP__STAGE_CHDIR, errno);
  child_set_limits(l);
  child_set_ids(l);
  child_bind_to_parent(l);
  child_give_up_privileges(l);
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, empty, NULL, (size_t)(NSIG / 8)) != 0)
    child_fail(l, LCP__STAGE_FORK, errno);
  child_fail(l, LCP__STAGE_EXEC,
             child_exec(l, plan->envp != NULL ? plan->envp : environ));
  return 0;
}
