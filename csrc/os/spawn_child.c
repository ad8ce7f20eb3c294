/* spawn_child.c - see spawn_child.h.
 *
 * All of this runs in the memory of the parent, which sleeps.  So the functions here,
 * named child_*, may write only to their own stack and to the launch, and may call
 * nothing that takes locks, allocates or reads thread state: only system calls.
 *
 * Order: table, room for the slots, signals, cgroup, session or group, slots, directory,
 * limits, ids, parent's death, exec.  The directory is entered, and limits are raised,
 * before the ids change, so with our rights, as libuv does.  Limits follow the slots,
 * which a low RLIMIT_NOFILE would keep from being filled.  Room for the slots comes
 * early: what fails before `apart` is set is tried once more on a copy of the table.
 * SPDX-License-Identifier: MIT */
#include "os/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/clone.h"
#include "os/handover.h"
#include "os/rawid.h"
#include "os/table.h"

/* The kernel's sigset_t: 64 signals, on MIPS 128. */
#define SIGSET_SIZE ((size_t)(NSIG / 8))

LCP__NO_SANITIZE static void child_fail(struct lcp__launch *l, int stage, int err) {
  l->failed = 1;
  l->why.stage = stage;
  l->why.err = -err;
  if (l->status_fd >= 0)
    while (write(l->status_fd, &l->why, sizeof l->why) < 0 && errno == EINTR) {
    }
  _exit(127);
}

/* The other end may be in use by a copy of our parent that has not noticed yet that it is
 * one (a raw clone(2)): then the message can be from there. */
LCP__NO_SANITIZE static int child_receive(struct lcp__launch *l) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(LCP__HANDOVER_MOST * sizeof(int))];
  } control;
  pid_t by = 0;
  struct iovec iov = {&by, sizeof by};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes};
  size_t n = 0;
  msg.msg_controllen = sizeof control.bytes;
  if (syscall(SYS_recvmsg, l->in_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
    return errno;
  for (int i = 0; i <= l->plan->nfds; i++)
    if (l->from[i] >= 0)
      l->from[i] = ((const int *)CMSG_DATA(&control.align))[n++];
  return by == l->parent && msg.msg_controllen >= CMSG_LEN(0) &&
                 control.align.cmsg_len == CMSG_LEN(n * sizeof(int))
             ? 0
             : EPROTO;
}

/* See table.h.  Until close_range(2) has succeeded the table is our parent's, whose other
 * threads go on: nothing in it may be changed.  After it we have a copy of what lies
 * below the socket, and that. */
LCP__NO_SANITIZE static void child_leave_table(struct lcp__launch *l) {
  if (l->in_fd < 0)
    return;
  if (syscall(SYS_close_range, l->in_fd + 1, ~0u, LCP__CLOSE_RANGE_UNSHARE) != 0)
    child_fail(l, LCP__STAGE_STDIO, errno);
  int err = child_receive(l);
  if (err != 0)
    child_fail(l, LCP__STAGE_STDIO, err);
}

/* All dispositions become the default first; the mask is emptied right before exec.  A
 * signal sent to the new process while it borrows our memory must not run a handler of
 * ours.  All of them, since to learn which ones are ignored or handled costs nearly as
 * much (measured: 62 calls 13 us, reading /proc/self/status 11).  Raw calls, since the C
 * library's sigaction(3) hides the signals it uses itself (32, 33); the struct is the
 * kernel's. */
LCP__NO_SANITIZE static void child_reset_signals(struct lcp__launch *l) {
  static const unsigned long dfl[16]; /* SIG_DFL; larger than any kernel's struct */
  for (int sig = 1; sig < NSIG; sig++)
    if (sig != SIGKILL && sig != SIGSTOP &&
        syscall(SYS_rt_sigaction, sig, dfl, NULL, SIGSET_SIZE) != 0)
      child_fail(l, LCP__STAGE_FORK, errno);
}

/* Moves the sources above all slots, so that filling one slot cannot overwrite the source
 * of another. */
LCP__NO_SANITIZE static void child_raise_fds(struct lcp__launch *l) {
  int n = l->plan->nfds;
  if (l->status_fd >= 0 && l->status_fd < n) {
    int high = fcntl(l->status_fd, F_DUPFD_CLOEXEC, n);
    if (high < 0)
      child_fail(l, LCP__STAGE_STDIO, errno);
    l->status_fd = high;
  }
  for (int i = 0; i < n; i++) {
    int fd = l->from[i];
    if (fd >= 0 && fd < n && fd != i) {
      l->from[i] = fcntl(fd, F_DUPFD_CLOEXEC, n);
      if (l->from[i] < 0)
        child_fail(l, LCP__STAGE_STDIO, errno);
    }
  }
}

/* Fills the slots in order. */
LCP__NO_SANITIZE static void child_map_fds(struct lcp__launch *l) {
  int n = l->plan->nfds;
  for (int i = 0; i < n; i++) {
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

/* An entry as getdents64(2) returns it; the C library does not declare it. */
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

/* Marks the descriptors listed in /proc: exact, whatever the limits are.  The new process
 * has its own descriptor table, so the list cannot change meanwhile.  The parent's end of
 * the report is closed first, to make room for the folder's descriptor.  0: /proc cannot
 * be read. */
LCP__NO_SANITIZE static int child_mark_listed(const struct lcp__launch *l) {
  union {
    struct entry first;
    char bytes[2048];
  } list;
  int fd;
  long n;
  if (l->report_fd >= l->plan->nfds)
    close(l->report_fd);
  int folder = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd",
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return 0;
  while ((n = syscall(SYS_getdents64, folder, &list, sizeof list)) > 0)
    for (long at = 0; at < n; at += ((struct entry *)(list.bytes + at))->size) {
      fd = child_number(((struct entry *)(list.bytes + at))->name);
      if (fd >= l->plan->nfds)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  close(folder);
  return n == 0;
}

/* Marks every number up to the hard limit: the soft limit may have been lowered below
 * descriptors that are open.  0: the limit is unknown, or above the kernel's default. */
LCP__NO_SANITIZE static int child_mark_allowed(const struct lcp__launch *l) {
  enum { MOST = 1024 * 1024 }; /* the default of fs.nr_open */
  struct {
    uint64_t soft, hard;
  } limit;
  if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0 || limit.hard > MOST)
    return 0;
  for (int fd = l->plan->nfds; fd < (int)limit.hard; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  return 1;
}

/* Everything above the slots is closed at exec.  CLOSE_RANGE_CLOEXEC is Linux 5.11
 * (before: ENOSYS or EINVAL).  If there is no way to know what is open, the start fails
 * rather than leak descriptors. */
LCP__NO_SANITIZE static void child_close_others(struct lcp__launch *l) {
  if (syscall(SYS_close_range, (unsigned)l->plan->nfds, ~0u, LCP__CLOSE_RANGE_CLOEXEC) ==
      0)
    return;
  int err = errno;
  if (!child_mark_listed(l) && !child_mark_allowed(l))
    child_fail(l, LCP__STAGE_STDIO, err);
}

/* First, while descriptors and rights are still ours.  Writing 0 moves the writer itself
 * (cgroups(7)). */
LCP__NO_SANITIZE static void child_enter_cgroup(struct lcp__launch *l) {
  int procs = l->from[l->plan->nfds]; /* cgroup_fd */
  if (procs >= 0 && write(procs, "0", 1) != 1)
    child_fail(l, LCP__STAGE_CGROUP, errno);
}

/* setsid(2) comes before the terminal: only a session leader without one may take it
 * (TIOCSCTTY, ioctl_tty(2)). */
LCP__NO_SANITIZE static void child_set_group(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  if ((plan->flags & LCP__SPAWN_SETSID) && setsid() < 0)
    child_fail(l, LCP__STAGE_SETSID, errno);
  if ((plan->flags & LCP__SPAWN_TTY) && ioctl(l->from[0], TIOCSCTTY, 0) != 0)
    child_fail(l, LCP__STAGE_SETSID, errno);
  if ((plan->flags & LCP__SPAWN_SETPGID) && setpgid(0, plan->pgid) != 0)
    child_fail(l, LCP__STAGE_SETPGID, errno);
}

/* prlimit64(2) takes 64 bits on every architecture.  Limits, nice value and umask belong
 * to the new process alone, although it shares our memory (neither CLONE_FS nor
 * CLONE_THREAD). */
LCP__NO_SANITIZE static void child_set_limits(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  for (int i = 0; i < plan->nrlimits; i++) {
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

/* Raw calls: the C library's would change every thread of the parent (nptl(7)).  If the
 * supplementary groups cannot be dropped they stay (as in libuv), but only under the same
 * ids: another user must not gain the rights of our groups.  That error is reported last,
 * since "setuid" explains more to a caller who may not change ids at all. */
LCP__NO_SANITIZE static void child_set_ids(struct lcp__launch *l) {
  const struct lcp__spawn *plan = l->plan;
  int kept = 0;
  if (plan->flags & LCP__SPAWN_SETGROUPS) {
    if (syscall(LCP__SYS_setgroups, plan->ngroups, plan->groups) != 0)
      child_fail(l, LCP__STAGE_SETGROUPS, errno);
  } else if (plan->flags & (LCP__SPAWN_SETUID | LCP__SPAWN_SETGID))
    kept = syscall(LCP__SYS_setgroups, (size_t)0, NULL) != 0 ? errno : 0;
  if ((plan->flags & LCP__SPAWN_SETGID) && syscall(LCP__SYS_setgid, plan->gid) != 0)
    child_fail(l, LCP__STAGE_SETGID, errno);
  if ((plan->flags & LCP__SPAWN_SETUID) && syscall(LCP__SYS_setuid, plan->uid) != 0)
    child_fail(l, LCP__STAGE_SETUID, errno);
  if (kept != 0 && l->drops_groups)
    child_fail(l, LCP__STAGE_SETGROUPS, kept);
}

/* After the ids, since the kernel clears the setting when they change (PR_SET_PDEATHSIG).
 * If the parent has died already the kernel sends no signal, so we send it ourselves; it
 * stays pending until the mask is emptied.  A parent in another pid namespace shows as 0
 * in getppid(2), which says nothing. */
LCP__NO_SANITIZE static void child_bind_to_parent(struct lcp__launch *l) {
  int sig = l->plan->death_signal;
  if (sig == 0)
    return;
  if (syscall(SYS_prctl, PR_SET_PDEATHSIG, sig, 0, 0, 0) != 0)
    child_fail(l, LCP__STAGE_DEATH_SIGNAL, errno);
  pid_t parent = (pid_t)syscall(SYS_getppid);
  if (parent != 0 && parent != l->parent)
    syscall(SYS_kill, syscall(SYS_getpid), sig);
}

LCP__NO_SANITIZE static void child_give_up_privileges(struct lcp__launch *l) {
  if ((l->plan->flags & LCP__SPAWN_NO_NEW_PRIVS) &&
      syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    child_fail(l, LCP__STAGE_NO_NEW_PRIVS, errno);
}

/* The errors that mean "not there", as in glibc's execvp(3).  ENAMETOOLONG: because of a
 * directory in PATH. */
LCP__NO_SANITIZE static int child_is_missing(int err) {
  return err == ENOENT || err == ENOTDIR || err == ESTALE || err == ENODEV ||
         err == ETIMEDOUT || err == ENAMETOOLONG;
}

/* execvp(3) over the prepared candidates: a missing one is skipped, a forbidden one
 * (EACCES) is remembered, any other error ends the search. */
LCP__NO_SANITIZE static int child_exec(const struct lcp__launch *l, char *const *envp) {
  int err = l->not_found;
  for (int i = 0; l->candidates[i] != NULL; i++) {
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
  const uint64_t empty[2] = {0, 0};
  l->shared = 1;
  child_leave_table(l);
  child_raise_fds(l);
  l->apart = 1;
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
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, empty, NULL, SIGSET_SIZE) != 0)
    child_fail(l, LCP__STAGE_FORK, errno);
  child_fail(l, LCP__STAGE_EXEC,
             child_exec(l, plan->envp != NULL ? plan->envp : environ));
  return 0;
}
