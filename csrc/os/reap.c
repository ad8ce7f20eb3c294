/* reap.c - see reap.h.
 *
 * waitid(2) is tried first: with a pidfd (P_PIDFD, Linux 5.4) it cannot reap an unrelated
 * child that got the pid of one reaped elsewhere.  Older kernels say EINVAL; sandboxes
 * may refuse either call, with whatever errno their authors chose.
 * SPDX-License-Identifier: MIT */
#include "os/reap.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

void lcp__exit_decode(int status, struct lcp__exit *how) {
  memset(how, 0, sizeof *how);
  if (WIFEXITED(status)) {
    how->exited = 1;
    how->code = WEXITSTATUS(status);
  } else if (WIFSIGNALED(status)) {
    how->signalled = 1;
    how->sig = WTERMSIG(status);
  }
}

static int64_t microseconds(const struct timeval *t) {
  return (int64_t)t->tv_sec * 1000000 + t->tv_usec;
}

static void take_usage(struct lcp__usage *to, const struct rusage *from) {
  to->known = 1;
  to->user_us = microseconds(&from->ru_utime);
  to->system_us = microseconds(&from->ru_stime);
  to->max_rss = from->ru_maxrss;
  to->minor_faults = from->ru_minflt;
  to->major_faults = from->ru_majflt;
  to->blocks_in = from->ru_inblock;
  to->blocks_out = from->ru_oublock;
  to->voluntary_switches = from->ru_nvcsw;
  to->involuntary_switches = from->ru_nivcsw;
}

/* waitid(2) as the kernel defines it: the C library hides its last argument, the usage.
 * On 32-bit systems the kernel's struct rusage matches the C library's only with the old
 * time_t; with the 64-bit one the usage stays unknown. */
static int wait_id(idtype_t type, int id, siginfo_t *info, int flags,
                   struct lcp__usage *usage) {
#if defined(__linux__)
  if (sizeof(time_t) == sizeof(long)) {
    struct rusage used;
    long rc = syscall(SYS_waitid, type, id, info, flags, usage != NULL ? &used : NULL);
    if (rc == 0 && usage != NULL && info->si_pid != 0)
      take_usage(usage, &used);
    return (int)rc;
  }
#else
  (void)usage;
#endif
  return waitid(type, (id_t)id, info, flags);
}

/* 0 and info->si_pid, which is 0 while the child runs; or a negative errno. si_pid is
 * cleared first, since waitid(2) may leave it alone with WNOHANG. */
static int look(idtype_t type, int id, siginfo_t *info, int flags,
                struct lcp__usage *usage) {
  int rc;
  do {
    info->si_pid = 0;
    rc = wait_id(type, id, info, WEXITED | WNOHANG | flags, usage);
  } while (rc != 0 && errno == EINTR);
  return rc == 0 ? 0 : -errno;
}

static int reap_by_wait(pid_t pid, struct lcp__exit *how) {
  struct rusage used;
  int status;
  pid_t rc;
  do {
    rc = wait4(pid, &status, WNOHANG, &used);
  } while (rc < 0 && errno == EINTR);
  if (rc > 0) {
    lcp__exit_decode(status, how);
    take_usage(&how->usage, &used);
  }
  return rc > 0 ? 1 : rc == 0 ? 0 : -errno;
}

/* 1, 0 or a negative errno, as lcp__reap. */
static int learn(pid_t pid, int pidfd, int flags, struct lcp__exit *how) {
  siginfo_t info;
  memset(how, 0, sizeof *how);
  int rc = pidfd >= 0 ? look((idtype_t)P_PIDFD, pidfd, &info, flags, &how->usage)
                      : look(P_PID, pid, &info, flags, &how->usage);
  if (rc < 0 || info.si_pid == 0)
    return rc;
  how->exited = info.si_code == CLD_EXITED;
  how->signalled = !how->exited;
  how->code = how->sig = info.si_status;
  return 1;
}

int lcp__reap(pid_t pid, int pidfd, struct lcp__exit *how) {
  int rc = learn(pid, pidfd, 0, how);
  return rc >= 0 || rc == -ECHILD ? rc : reap_by_wait(pid, how);
}

int lcp__peek(pid_t pid, int pidfd, struct lcp__exit *how) {
  return learn(pid, pidfd, WNOWAIT, how);
}

void lcp__reap_wait(pid_t pid) {
  siginfo_t info;
  int rc;
  do {
    rc = waitid(P_PID, (id_t)pid, &info, WEXITED);
  } while (rc != 0 && errno == EINTR);
  if (rc == 0 || errno == ECHILD)
    return;
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
}

int lcp__is_unreaped(int pidfd) {
  siginfo_t info;
  int rc = look((idtype_t)P_PIDFD, pidfd, &info, WNOWAIT, NULL);
  return rc == 0 ? 1 : rc == -ECHILD ? 0 : rc;
}
