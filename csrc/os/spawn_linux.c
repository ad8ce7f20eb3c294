/* spawn_linux.c - spawn.h by clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD).
 *
 * The child borrows our memory until it execs, so starting it costs the same however big
 * the host is.  For that it may only write to its own stack and to memory set aside for
 * it, and may call nothing that takes locks, allocates, or reads thread state: below,
 * everything named child_* keeps to system calls.  We sleep meanwhile (CLONE_VFORK).
 *
 * The failed step is reported through a close-on-exec pipe rather than through the shared
 * memory, so that it also works where CLONE_VM is only a fork (valgrind, QEMU, WSL1).
 *
 * Order in the child: signals, session, descriptors, directory, ids, exec.  The directory
 * is entered with our rights, as libuv does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/spawn.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_CLOEXEC_ 4u

/* The child runs on a stack and in a state that the sanitizers' runtime does not know. */
#define NO_SANITIZE __attribute__((no_sanitize("address", "undefined")))

/* Ample for a chain of system calls; on our own stack, since we sleep while it is used.
 */
enum { CHILD_STACK = 16 * 1024 };

#define DEFAULT_PATH "/bin:/usr/bin" /* execvp(3) without PATH */

/* One block, made before the clone: everything the child needs. */
struct launch {
  const struct lcp_spawn *plan;
  int status_fd;     /* write end of the report */
  int null_fd;       /* /dev/null, or -1 if no slot needs it */
  int *from;         /* nfds sources; the child rearranges them */
  char **candidates; /* paths to exec, in order; NULL at the end */
  char **sh_argv;    /* /bin/sh, the candidate, argv[1..]; NULL at the end */
  int shared;        /* set by the child: it really runs in our memory */
  int failed;        /* set by the child: there is a report */
};

/* ---- in the child ---- */

NO_SANITIZE static void child_fail(struct launch *l, int stage, int err) {
  struct lcp_failure why = {stage, -err};
  l->failed = 1;
  while (write(l->status_fd, &why, sizeof why) < 0 && errno == EINTR) {
  }
  _exit(127);
}

/* All to the default, then an empty mask: a signal sent to the new process while it still
 * borrows our memory must not run one of our handlers. */
NO_SANITIZE static void child_reset_signals(void) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask[2];
  } dfl;
  int sig;
  memset(&dfl, 0, sizeof dfl);
  for (sig = 1; sig < NSIG; sig++)
    if (sig != SIGKILL && sig != SIGSTOP)
      syscall(SYS_rt_sigaction, sig, &dfl, NULL, (size_t)(NSIG / 8));
}

/* Puts the sources where no slot is, so that filling one slot cannot destroy the source
 * of another, then fills the slots in order. */
NO_SANITIZE static void child_map_fds(struct launch *l) {
  const struct lcp_spawn *plan = l->plan;
  int i, n = plan->nfds;
  if (l->status_fd < n) {
    int high = fcntl(l->status_fd, F_DUPFD_CLOEXEC, n);
    if (high < 0)
      child_fail(l, LCP_STAGE_STDIO, errno);
    l->status_fd = high;
  }
  for (i = 0; i < n; i++) {
    int fd = plan->fds[i] >= 0 ? plan->fds[i] : i < 3 ? l->null_fd : -1;
    l->from[i] = fd;
    if (fd >= 0 && fd < n && fd != i) {
      l->from[i] = fcntl(fd, F_DUPFD_CLOEXEC, n);
      if (l->from[i] < 0)
        child_fail(l, LCP_STAGE_STDIO, errno);
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
      child_fail(l, LCP_STAGE_STDIO, errno);
  }
}

/* Everything above the slots goes at exec.  Kernels before 5.11 have no such call. */
NO_SANITIZE static void child_close_others(int first) {
  struct rlimit limit = {0, 0};
  int fd, end;
  if (syscall(SYS_close_range, (unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC_) == 0)
    return;
  syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
  end = limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
  for (fd = first; fd < end; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Raw calls: the C library's would change every thread of the process whose memory this
 * is.  Supplementary groups are dropped if we may (as libuv does). */
NO_SANITIZE static void child_set_ids(struct launch *l) {
  const struct lcp_spawn *plan = l->plan;
  if (plan->flags & (LCP_SPAWN_SETUID | LCP_SPAWN_SETGID))
    if (syscall(SYS_setgroups, (size_t)0, NULL) != 0 && errno != EPERM)
      child_fail(l, LCP_STAGE_SETGROUPS, errno);
  if ((plan->flags & LCP_SPAWN_SETGID) && syscall(SYS_setgid, plan->gid) != 0)
    child_fail(l, LCP_STAGE_SETGID, errno);
  if ((plan->flags & LCP_SPAWN_SETUID) && syscall(SYS_setuid, plan->uid) != 0)
    child_fail(l, LCP_STAGE_SETUID, errno);
}

/* execvp(3) over the prepared candidates: a missing one is passed over, a forbidden one
 * remembered, anything else ends the search. */
NO_SANITIZE static int child_exec(const struct launch *l, char *const *envp) {
  int err = ENOENT, i;
  for (i = 0; l->candidates[i] != NULL; i++) {
    syscall(SYS_execve, l->candidates[i], l->plan->argv, envp);
    if (errno == ENOEXEC) {
      l->sh_argv[1] = l->candidates[i];
      syscall(SYS_execve, l->sh_argv[0], l->sh_argv, envp);
    }
    if (errno == EACCES)
      err = EACCES;
    else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV &&
             errno != ETIMEDOUT)
      return errno;
    else if (l->candidates[1] == NULL)
      return errno;
  }
  return err;
}

NO_SANITIZE static int child_main(void *arg) {
  struct launch *l = arg;
  const struct lcp_spawn *plan = l->plan;
  unsigned long empty[2] = {0, 0};
  l->shared = 1;
  child_reset_signals();
  if ((plan->flags & LCP_SPAWN_SETSID) && setsid() < 0)
    child_fail(l, LCP_STAGE_SETSID, errno);
  child_map_fds(l);
  child_close_others(plan->nfds);
  if (plan->cwd != NULL && chdir(plan->cwd) != 0)
    child_fail(l, LCP_STAGE_CHDIR, errno);
  child_set_ids(l);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, empty, NULL, (size_t)(NSIG / 8));
  child_fail(l, LCP_STAGE_EXEC, child_exec(l, plan->envp != NULL ? plan->envp : environ));
  return 0;
}

/* ---- in the parent ---- */

static const char *search_path(const struct lcp_spawn *plan) {
  const char *path = NULL;
  char *const *env = plan->envp != NULL ? plan->envp : environ;
  for (; env != NULL && *env != NULL; env++)
    if (strncmp(*env, "PATH=", 5) == 0) {
      path = *env + 5;
      break;
    }
  return path != NULL ? path : DEFAULT_PATH;
}

/* Writes `file` behind each directory of `path` to `text`, NUL after each, and their
 * addresses to l->candidates.  An empty directory is the current one. */
static void join_candidates(struct launch *l, const char *path, char *text) {
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

static size_t count(char *const *list) {
  size_t n = 0;
  while (list[n] != NULL)
    n++;
  return n;
}

/* The launch and all it points to in one block, freed by the caller. */
static struct launch *launch_new(const struct lcp_spawn *plan) {
  int searched = strchr(plan->file, '/') == NULL && plan->file[0] != '\0';
  const char *path = searched ? search_path(plan) : "", *p;
  size_t dirs = 1, argc = count(plan->argv), slots, text;
  struct launch *l;
  for (p = path; *p != '\0'; p++)
    dirs += *p == ':';
  slots = (dirs + 1) + (argc + 3);
  text = strlen(path) + dirs * (strlen(plan->file) + 2);
  l = calloc(1, sizeof *l + slots * sizeof(char *) + (size_t)plan->nfds * sizeof(int) +
                    text);
  if (l == NULL)
    return NULL;
  l->plan = plan;
  l->status_fd = l->null_fd = -1;
  l->candidates = (char **)(l + 1);
  l->sh_argv = l->candidates + dirs + 1;
  l->from = (int *)(l->candidates + slots);
  join_candidates(l, path, (char *)(l->from + plan->nfds));
  l->sh_argv[0] = "/bin/sh";
  if (argc > 0)
    memcpy(l->sh_argv + 2, plan->argv + 1, argc * sizeof(char *));
  return l;
}

static int open_null(struct launch *l) {
  int i;
  for (i = 0; i < l->plan->nfds && i < 3; i++)
    if (l->plan->fds[i] < 0) {
      l->null_fd = lcp__fd_open("/dev/null", O_RDWR);
      return l->null_fd < 0 ? l->null_fd : 0;
    }
  return 0;
}

NO_SANITIZE static int clone_child(struct launch *l, int *pidfd) {
  char stack[CHILD_STACK] __attribute__((aligned(16)));
  int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  int pid = clone(child_main, stack + sizeof stack, flags | CLONE_PIDFD, l, pidfd);
  if (pid < 0 && (errno == EINVAL || errno == ENOSYS || errno == EPERM)) {
    *pidfd = -1;
    pid = clone(child_main, stack + sizeof stack, flags, l);
  }
  return pid < 0 ? -errno : pid;
}

/* Signals stay blocked around the clone, and the thread cannot be cancelled in it: the
 * child starts with our mask, and must not run our handlers in our memory. */
static int clone_blocked(struct launch *l, int *pidfd) {
  sigset_t all, before;
  int pid, cancel;
  sigfillset(&all);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid = clone_child(l, pidfd);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_setcancelstate(cancel, NULL);
  return pid;
}

/* In shared memory we run again once the child has execed or ended, and know which.
 * Elsewhere the end of the file says that exec closed the pipe; to wait for that costs
 * two switches. */
static int read_report(const struct launch *l, int fd, struct lcp_failure *why) {
  ssize_t n;
  if (l->shared && !l->failed)
    return 0;
  do {
    n = read(fd, why, sizeof *why);
  } while (n < 0 && errno == EINTR);
  return n == (ssize_t)sizeof *why;
}

static int fail(struct lcp_failure *why, int stage, int err) {
  why->stage = stage;
  why->err = err;
  return -1;
}

/* stack of owned things: l; status[0], status[1]; the child */
static int launch_run(struct launch *l, struct lcp_proc *proc, struct lcp_failure *why) {
  int status[2] = {-1, -1}, pidfd = -1, pid, failed;
  int err = open_null(l);
  if (err == 0)
    err = lcp__fd_pipe(status);
  if (err < 0)
    return fail(why, LCP_STAGE_STDIO, err);
  l->status_fd = status[1];
  pid = clone_blocked(l, &pidfd);
  lcp__fd_close(&status[1]);
  if (pid < 0) {
    lcp__fd_close(&status[0]);
    return fail(why, pid == -EMFILE || pid == -ENFILE ? LCP_STAGE_STDIO : LCP_STAGE_FORK,
                pid);
  }
  failed = read_report(l, status[0], why);
  lcp__fd_close(&status[0]);
  if (failed) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    lcp__fd_close(&pidfd);
    return -1;
  }
  err = lcp__proc_open(proc, pid, pidfd);
  return err < 0 ? fail(why, LCP_STAGE_FORK, err) : 0;
}

int lcp__spawn(const struct lcp_spawn *plan, struct lcp_proc *proc,
               struct lcp_failure *why) {
  struct launch *l = launch_new(plan);
  int rc;
  if (l == NULL)
    return fail(why, LCP_STAGE_FORK, -ENOMEM);
  rc = launch_run(l, proc, why);
  lcp__fd_close(&l->null_fd);
  free(l);
  return rc;
}

const char *lcp__spawn_backend(void) { return "linux"; }
