/* proc.c - see proc.h.  SPDX-License-Identifier: MIT */
#include "os/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "os/fd.h"
#include "os/platform.h"
#include "os/procfs.h"
#include "os/waiter.h"

#ifdef __linux__
/* <linux/pidfd.h> of Linux 6.15; the C library's header is older. */
struct pidfd_info {
  uint64_t mask, cgroupid;
  uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;
};
/* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9; older kernels say EINVAL. */
#define SIGNAL_GROUP 4u

#define PIDFD_INFO_EXIT (UINT64_C(1) << 3)
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct pidfd_info)
#endif

#ifndef SIGNAL_GROUP
#define SIGNAL_GROUP 0u
#endif

enum { MAX_TRIES = 1000 };

/* Linux 5.3; ENOSYS on older kernels, EPERM in some sandboxes. */
static int pidfd_open_(pid_t pid) {
#ifdef __linux__
  long fd = syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : lcp__fd_raise((int)fd);
#else
  (void)pid;
  return -ENOSYS;
#endif
}

/* Through the pidfd, which cannot hit another process.  0 or a negative errno. */
static int send_signal(const struct lcp__proc *p, int sig, unsigned flags) {
#ifdef __linux__
  if (syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, flags) == 0)
    return 0;
  return -errno;
#else
  (void)p;
  (void)sig;
  (void)flags;
  return -ENOSYS;
#endif
}

/* The group flag is probed with signal 0: EINVAL, or any other refusal, means that only
 * the number names the group. */
int lcp__proc_open(struct lcp__proc *p, pid_t pid, int pidfd, int leads) {
  static const struct lcp__cgroup no_group = LCP__NO_CGROUP;
  int err = 0;
  memset(p, 0, sizeof *p);
  p->maker = getpid();
  p->pid = pid;
  p->leads = leads;
  p->cgroup = no_group;
  p->pidfd = pidfd >= 0 ? lcp__fd_raise(pidfd) : pidfd_open_(pid);
  if (p->pidfd >= 0) {
    p->held = leads && send_signal(p, 0, SIGNAL_GROUP) != 0;
    return 0;
  }
  p->pidfd = -1;
  p->waiter = lcp__waiter_start(pid, leads, &err);
  if (p->waiter != NULL)
    return 0;
  if (kill(pid, SIGKILL) == 0)
    lcp__reap_wait(pid);
  p->pid = 0;
  return err;
}

int lcp__proc_fd(const struct lcp__proc *p) {
  return p->waiter != NULL ? lcp__waiter_fd(p->waiter) : p->pidfd;
}

/* The host ignores SIGCHLD or has reaped our child: since Linux 6.15 the pidfd still
 * knows the status (PIDFD_INFO_EXIT).  The pidfd becomes readable slightly before the
 * status is there, so ask again (it stays readable), but at most MAX_TRIES times. */
static int remembered_exit(struct lcp__proc *p, struct lcp__exit *how) {
#ifdef __linux__
  struct pidfd_info info;
  memset(&info, 0, sizeof info);
  info.mask = PIDFD_INFO_EXIT;
  if (ioctl(p->pidfd, LCP__IOCTL(PIDFD_GET_INFO), &info) == 0) {
    if (info.mask & PIDFD_INFO_EXIT)
      lcp__exit_decode(info.exit_code, how);
    else if (++p->tries < MAX_TRIES)
      return 0;
  }
#else
  (void)p;
  (void)how;
#endif
  return 1;
}

int lcp__proc_reap(struct lcp__proc *p, struct lcp__exit *how) {
  if (p->waiter != NULL)
    return lcp__waiter_exit(p->waiter, how);
  int rc = p->held ? lcp__peek(p->pid, p->pidfd, how) : -1;
  if (rc < 0) {
    p->held = 0;
    rc = lcp__reap(p->pid, p->pidfd, how);
  }
  return rc < 0 ? remembered_exit(p, how) : rc;
}

/* For systems that do not say whether a child was reaped: one that runs was not. */
static int runs(const struct lcp__proc *p) {
  struct pollfd end = {p->pidfd, POLLIN, 0};
  return poll(&end, 1, 0) == 0;
}

/* Where pidfd_send_signal(2) is refused (valgrind, sandboxes): as long as the child can
 * be waited for, its pid cannot belong to another process. */
static int kill_by_pid(const struct lcp__proc *p, int sig) {
  int own = lcp__is_unreaped(p->pidfd);
  if (own < 0)
    own = runs(p);
  if (!own)
    return -ESRCH;
  return kill(p->leads ? -p->pid : p->pid, sig) == 0 ? 0 : -errno;
}

/* Success and ESRCH of a pidfd are believed, nothing else: a sandbox may refuse the call
 * with any errno, and the errno of kill(2) is the real one.  Held leaders always go by
 * number. */
int lcp__proc_kill(struct lcp__proc *p, int sig) {
  if (p->pid == 0 || p->maker != getpid())
    return -ESRCH;
  if (p->cgroup.dir >= 0)
    return lcp__cgroup_kill(&p->cgroup, sig);
  if (p->waiter != NULL)
    return lcp__waiter_kill(p->waiter, sig);
  int rc =
      p->leads && p->held ? -EINVAL : send_signal(p, sig, p->leads ? SIGNAL_GROUP : 0);
  return rc == 0 || rc == -ESRCH ? rc : kill_by_pid(p, sig);
}

int lcp__proc_lives(struct lcp__proc *p) {
  int rc = lcp__proc_kill(p, 0);
  if (rc == -ESRCH || p->cgroup.dir >= 0)
    return rc == 0;
  return p->leads ? lcp__procfs_group_lives(p->pid) != 0 : runs(p);
}

int lcp__proc_clear(struct lcp__proc *p) {
  return p->maker != getpid() || lcp__cgroup_end(&p->cgroup);
}

int lcp__proc_holds(const struct lcp__proc *p) {
  return p->held || (p->leads && p->waiter != NULL);
}

void lcp__proc_end(struct lcp__proc *p) {
  struct pollfd end = {lcp__proc_fd(p), POLLIN, 0};
  int rc = lcp__proc_kill(p, SIGKILL);
  while (rc == 0 && poll(&end, 1, -1) < 0 && errno == EINTR) {
  }
}

/* In a copy made by fork(2): the child is not ours to reap, and the thread is not
 * there. */
static void forget(struct lcp__proc *p) {
  if (p->waiter != NULL)
    lcp__waiter_forget(p->waiter);
  p->waiter = NULL;
}

/* A child that still runs gets a waiter, so that it does not remain a zombie. */
static void let_go(struct lcp__proc *p, int reaped) {
  struct lcp__exit how;
  int err;
  if (p->waiter == NULL && !reaped && !lcp__proc_reap(p, &how))
    p->waiter = lcp__waiter_start(p->pid, 0, &err);
  if (p->held)
    lcp__reap(p->pid, p->pidfd, &how);
  if (p->waiter != NULL)
    lcp__waiter_drop(p->waiter);
  p->waiter = NULL;
}

void lcp__proc_close(struct lcp__proc *p, int reaped) {
  if (p->pid == 0)
    return;
  if (p->maker == getpid())
    let_go(p, reaped);
  else
    forget(p);
  lcp__cgroup_close(&p->cgroup);
  lcp__fd_close(&p->pidfd);
  p->pid = 0;
}
