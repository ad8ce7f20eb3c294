/* reap.c - see reap.h.
 *
 * waitid(2) is asked first, since with a pidfd (Linux 5.4) it cannot reap a stranger that
 * has the pid of a child that somebody else has reaped.  Older kernels say EINVAL; in
 * sandboxes either call may be refused, with whatever errno their authors chose. */
#include "os/reap.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

void lcp__exit_decode(int status, struct lcp_exit *how) {
  memset(how, 0, sizeof *how);
  if (WIFEXITED(status)) {
    how->exited = 1;
    how->code = WEXITSTATUS(status);
  } else if (WIFSIGNALED(status)) {
    how->signalled = 1;
    how->sig = WTERMSIG(status);
  }
}

/* 0 and info->si_pid, which is 0 while it runs, or a negative errno. */
static int look(idtype_t type, int id, siginfo_t *info, int flags) {
  int rc;
  do {
    info->si_pid = 0;
    rc = waitid(type, (id_t)id, info, WEXITED | WNOHANG | flags);
  } while (rc != 0 && errno == EINTR);
  return rc == 0 ? 0 : -errno;
}

static int reap_by_wait(pid_t pid, struct lcp_exit *how) {
  int status;
  pid_t rc;
  do {
    rc = waitpid(pid, &status, WNOHANG);
  } while (rc < 0 && errno == EINTR);
  if (rc > 0)
    lcp__exit_decode(status, how);
  return rc > 0 ? 1 : rc == 0 ? 0 : -errno;
}

int lcp__reap(pid_t pid, int pidfd, struct lcp_exit *how) {
  siginfo_t info;
  int rc =
      pidfd >= 0 ? look((idtype_t)P_PIDFD, pidfd, &info, 0) : look(P_PID, pid, &info, 0);
  memset(how, 0, sizeof *how);
  if (rc == -ECHILD)
    return rc;
  if (rc < 0)
    return reap_by_wait(pid, how);
  if (info.si_pid == 0)
    return 0;
  how->exited = info.si_code == CLD_EXITED;
  how->signalled = !how->exited;
  how->code = how->sig = info.si_status;
  return 1;
}

int lcp__is_unreaped(int pidfd) {
  siginfo_t info;
  int rc = look((idtype_t)P_PIDFD, pidfd, &info, WNOWAIT);
  return rc == 0 ? 1 : rc == -ECHILD ? 0 : rc;
}
