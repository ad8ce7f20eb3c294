/* spawn_uv.c - spawn.h by uv_spawn, for systems without clone(2) and for comparison.
 *
 * libuv only starts the process: the handle is closed immediately, on a loop that lasts
 * for this call, and proc.c watches and reaps the child.  Limitation: descriptors without
 * close-on-exec leak into the child.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <linux/capability.h>
#endif
#include <unistd.h>
#include <uv.h>

#ifdef __linux__
#include "os/rawid.h"
#endif
#include "os/fd.h"
#include "os/spawn.h"
#include "uvloop.h"

/* UV_IGNORE opens /dev/null for descriptors 0 to 2 and leaves others closed. */
static void fill_stdio(const struct lcp__spawn *plan, uv_stdio_container_t *stdio) {
  for (int i = 0; i < plan->nfds; i++)
    if (plan->fds[i] >= 0) {
      stdio[i].flags = UV_INHERIT_FD;
      stdio[i].data.fd = plan->fds[i];
    } else {
      stdio[i].flags = UV_IGNORE;
    }
}

static void fill_options(const struct lcp__spawn *plan, uv_process_options_t *o) {
  o->file = plan->file;
  o->args = (char **)plan->argv;
  o->env = (char **)plan->envp;
  o->cwd = plan->cwd;
  o->stdio_count = plan->nfds;
  if (plan->flags & LCP__SPAWN_SETSID)
    o->flags |= UV_PROCESS_DETACHED;
  if (plan->flags & LCP__SPAWN_SETUID)
    o->flags |= UV_PROCESS_SETUID;
  if (plan->flags & LCP__SPAWN_SETGID)
    o->flags |= UV_PROCESS_SETGID;
  o->uid = plan->uid;
  o->gid = plan->gid;
}

/* uv_spawn reports an errno but no step, so look for what could have failed. */
static int guess_stage(const struct lcp__spawn *plan, int err) {
  struct stat st;
  if (err == -EMFILE || err == -ENFILE || err == -EBADF)
    return LCP__STAGE_STDIO;
  if (err == -EAGAIN || err == -ENOMEM)
    return LCP__STAGE_FORK;
  if (plan->cwd != NULL &&
      (stat(plan->cwd, &st) != 0 || !S_ISDIR(st.st_mode) || access(plan->cwd, X_OK) != 0))
    return LCP__STAGE_CHDIR;
  if (err == -EPERM && (plan->flags & (LCP__SPAWN_SETUID | LCP__SPAWN_SETGID)))
    return plan->flags & LCP__SPAWN_SETGID ? LCP__STAGE_SETGID : LCP__STAGE_SETUID;
  return LCP__STAGE_EXEC;
}

/* Without the right to change ids, changing them is the step to report, as it explains
 * more than the groups do. */
static int may_change_ids(const struct lcp__spawn *plan) {
#ifdef __linux__
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct caps[2] = {{0, 0, 0}, {0, 0, 0}};
  unsigned wanted = (plan->flags & LCP__SPAWN_SETUID ? 1u << CAP_SETUID : 0) |
                    (plan->flags & LCP__SPAWN_SETGID ? 1u << CAP_SETGID : 0);
  return syscall(SYS_capget, &header, caps) == 0 && (~caps[0].effective & wanted) == 0;
#else
  (void)plan;
  return geteuid() == 0;
#endif
}

/* libuv ignores a failure to drop the groups.  To learn whether it may, set the groups
 * that are set already; with the raw call, since the C library's applies them to all
 * threads, whatever groups those have. */
static int check_groups(const struct lcp__spawn *plan) {
#ifdef __linux__
  int n = getgroups(0, NULL), err;
  gid_t *groups;
  if (!lcp__spawn_drops_groups(plan))
    return 0;
  groups = n > 0 ? calloc((size_t)n, sizeof *groups) : NULL;
  if (groups == NULL)
    return -ENOMEM;
  n = getgroups(n, groups);
  err = n < 0 || syscall(LCP__SYS_setgroups, (size_t)n, groups) != 0 ? -errno : 0;
  free(groups);
  return err;
#else
  return lcp__spawn_drops_groups(plan) && geteuid() != 0 ? -EPERM : 0;
#endif
}

/* libuv handles SIGCHLD while a process handle is open and then resets it to the default:
 * the host's disposition is restored. */
static int spawn_on(uv_loop_t *loop, const uv_process_options_t *o, pid_t *pid) {
  uv_process_t process;
  struct sigaction before;
  sigaction(SIGCHLD, NULL, &before);
  /* Directories of PATH whose names are too long are skipped.  If there are no others,
   * glibc's execvpe leaves errno as it was, which libuv reports; and libuv that searches
   * for itself (1.52) returns 1, its "nothing tried yet" with the sign changed. */
  errno = ENOENT;
  int rc = uv_spawn(loop, &process, o);
  if (rc > 0)
    rc = UV_ENOENT;
  *pid = process.pid;
  uv_close((uv_handle_t *)&process, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  sigaction(SIGCHLD, &before, NULL);
  return rc;
}

/* libuv that starts by posix_spawn(3), from 1.52 on, does not run scripts without #! as
 * execvp(3) does.  A shell does; it also finds them in PATH. */
static int spawn_script(uv_loop_t *loop, uv_process_options_t *o, pid_t *pid) {
  static char shell[] = "/bin/sh", option[] = "-c", run[] = "exec \"$0\" \"$@\"";
  size_t n = 1;
  while (o->args[n] != NULL)
    n++;
  char **args = calloc(n + 4, sizeof *args);
  if (args == NULL)
    return -ENOMEM;
  args[0] = shell;
  args[1] = option;
  args[2] = run;
  args[3] = (char *)o->file;
  memcpy(args + 4, o->args + 1, (n - 1) * sizeof *args);
  o->file = shell;
  o->args = args;
  int rc = spawn_on(loop, o, pid);
  free(args);
  return rc;
}

static int becomes_standard(const struct lcp__spawn *plan, int fd) {
  int found = 0;
  for (int i = 0; i < plan->nfds && i <= STDERR_FILENO; i++)
    found |= plan->fds[i] == fd;
  return found;
}

/* libuv from 1.52 on makes every descriptor that a child gets blocking, for us as well;
 * before, only those that become its standard ones.  We go on to use the others: a pool
 * its tickets, the host its sockets. */
static void note_nonblocking(const struct lcp__spawn *plan, char *nonblocking) {
  for (int i = STDERR_FILENO + 1; i < plan->nfds; i++) {
    int fd = plan->fds[i];
    int flags = fd < 0 || becomes_standard(plan, fd) ? 0 : fcntl(fd, F_GETFL);
    nonblocking[i] = flags > 0 && (flags & O_NONBLOCK);
  }
}

static void restore_nonblocking(const struct lcp__spawn *plan, const char *nonblocking) {
  for (int i = STDERR_FILENO + 1; i < plan->nfds; i++)
    if (nonblocking[i])
      lcp__fd_nonblock(plan->fds[i], 1);
}

static int spawn_pid(const struct lcp__spawn *plan, pid_t *pid) {
  uv_process_options_t options;
  uv_loop_t loop;
  size_t slots = plan->nfds > 0 ? (size_t)plan->nfds : 1;
  memset(&options, 0, sizeof options);
  options.stdio = calloc(slots, sizeof *options.stdio + 1);
  if (options.stdio == NULL)
    return -ENOMEM;
  char *nonblocking = (char *)(options.stdio + slots);
  note_nonblocking(plan, nonblocking);
  fill_stdio(plan, options.stdio);
  fill_options(plan, &options);
  int rc = lcp__uvloop_init(&loop);
  if (rc == 0) {
    rc = spawn_on(&loop, &options, pid);
    if (rc == -ENOEXEC)
      rc = spawn_script(&loop, &options, pid);
    uv_loop_close(&loop);
  }
  restore_nonblocking(plan, nonblocking);
  free(options.stdio);
  return rc;
}

static int fail(struct lcp__failure *why, int stage, int err) {
  why->stage = stage;
  why->err = err;
  return -1;
}

int lcp__spawn(const struct lcp__spawn *plan, struct lcp__proc *proc,
               struct lcp__failure *why) {
  pid_t pid = 0;
  unsigned plugs;
  int rc = check_groups(plan);
  if (rc < 0)
    return fail(why, may_change_ids(plan) ? LCP__STAGE_SETGROUPS : guess_stage(plan, rc),
                rc);
  plugs = lcp__uvloop_plug();
  rc = spawn_pid(plan, &pid);
  lcp__uvloop_unplug(plugs);
  if (rc < 0)
    return fail(why, guess_stage(plan, rc), rc);
  rc = lcp__proc_open(proc, pid, -1, 0);
  return rc < 0 ? fail(why, LCP__STAGE_FORK, rc) : 0;
}

/* uv_spawn forks. */
void lcp__spawn_reserve(struct lcp__handover *h) { h->in.fd = h->out.fd = -1; }

const char *lcp__spawn_backend(void) { return "uv"; }
