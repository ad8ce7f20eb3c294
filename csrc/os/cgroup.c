/* cgroup.c - see cgroup.h.  SPDX-License-Identifier: MIT */
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "os/buf.h"
#include "os/fd.h"
#include "os/platform.h"

void lcp__cgroup_close(struct lcp__cgroup *g) {
  lcp__fd_close(&g->procs);
  lcp__fd_close(&g->dir);
  lcp__fd_close(&g->parent);
}

#ifdef __linux__

/* ---- opening ---- */

static int open_at(int dir, const char *name, int flags) {
  int fd = openat(dir, name, flags | O_CLOEXEC);
  return fd < 0 ? -errno : lcp__fd_raise(fd);
}

/* The name has our pid and a counter; EEXIST means that an earlier process with the same
 * pid has left a leaf behind, so the next number is tried. */
static int make_leaf(struct lcp__cgroup *g) {
  static atomic_uint count;
  int rc;
  do {
    snprintf(g->name, sizeof g->name, "child_process-%d-%u", (int)getpid(),
             atomic_fetch_add(&count, 1));
    rc = mkdirat(g->parent, g->name, 0755);
  } while (rc != 0 && errno == EEXIST);
  if (rc != 0)
    return -errno;
  g->dir = open_at(g->parent, g->name, O_RDONLY | O_DIRECTORY);
  return g->dir < 0 ? g->dir : 0;
}

/* cgroup.procs is opened here, with our rights: the child has none to spare for an
 * error. */
static int open_all(struct lcp__cgroup *g, const char *path, int leaf) {
  int *dir = leaf ? &g->parent : &g->dir, rc = 0;
  *dir = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (*dir < 0)
    return *dir;
  if (leaf)
    rc = make_leaf(g);
  if (rc == 0) {
    g->procs = open_at(g->dir, "cgroup.procs", O_WRONLY);
    rc = g->procs < 0 ? g->procs : 0;
  }
  if (rc < 0 && leaf && g->name[0] != '\0')
    unlinkat(g->parent, g->name, AT_REMOVEDIR);
  return rc;
}

int lcp__cgroup_open(struct lcp__cgroup *g, const char *path, int leaf) {
  static const struct lcp__cgroup none = LCP__NO_CGROUP;
  *g = none;
  int rc = open_all(g, path, leaf);
  if (rc < 0)
    lcp__cgroup_close(g);
  return rc;
}

/* ---- the processes in a leaf ---- */

/* The whole of a file of the group, followed by a NUL. */
static int read_file(const struct lcp__cgroup *g, const char *name, struct lcp__buf *to) {
  int fd = open_at(g->dir, name, O_RDONLY), rc = fd < 0 ? fd : 0;
  ssize_t n = 1;
  while (rc == 0 && n > 0) {
    rc = lcp__buf_reserve(to, 4096);
    if (rc == 0) {
      n = read(fd, to->data + to->end, 4095);
      rc = n < 0 ? -errno : 0;
      to->end += n > 0 ? (size_t)n : 0;
    }
  }
  lcp__fd_close(&fd);
  if (rc == 0)
    to->data[to->end] = '\0';
  return rc;
}

/* 1, 0 or a negative errno.  The kernel counts processes in groups below as well, but no
 * zombies (cgroups(7), cgroup.events). */
static int is_populated(const struct lcp__cgroup *g) {
  struct lcp__buf text = {0};
  int rc = read_file(g, "cgroup.events", &text);
  if (rc == 0)
    rc = strstr(text.data, "populated 1") != NULL;
  lcp__buf_free(&text);
  return rc;
}

static int is_member(const struct lcp__cgroup *g, int pid) {
  struct lcp__buf list = {0};
  int found = 0;
  if (read_file(g, "cgroup.procs", &list) == 0)
    for (const char *at = list.data; *at != '\0' && !found; at += strspn(at, "\n")) {
      found = atoi(at) == pid;
      at += strcspn(at, "\n");
    }
  lcp__buf_free(&list);
  return found;
}

/* The pid may have been reused since the list was read, so a pidfd is opened first and
 * the list read again: if the pid is still in it, the pidfd is one of the group's.
 * kill(2) is for kernels and sandboxes without pidfd. */
static int signal_member(const struct lcp__cgroup *g, int pid, int sig) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  int ours = is_member(g, pid), sent = 0;
  if (fd >= 0) {
    sent = ours && syscall(SYS_pidfd_send_signal, (int)fd, sig, NULL, 0) == 0;
    close((int)fd);
  }
  return sent || (ours && kill(pid, sig) == 0);
}

static int signal_members(const struct lcp__cgroup *g, int sig) {
  struct lcp__buf list = {0};
  int rc = read_file(g, "cgroup.procs", &list), sent = 0;
  if (rc == 0)
    for (const char *at = list.data; *at != '\0'; at += strspn(at, "\n")) {
      sent += signal_member(g, atoi(at), sig);
      at += strcspn(at, "\n");
    }
  lcp__buf_free(&list);
  return rc < 0 ? rc : sent > 0 ? 0 : -ESRCH;
}

/* cgroup.kill (Linux 5.14) does not miss a process that is just being forked; going
 * through the list can. */
static int kill_all(const struct lcp__cgroup *g) {
  int fd = open_at(g->dir, "cgroup.kill", O_WRONLY), rc = fd;
  if (fd >= 0)
    rc = write(fd, "1", 1) == 1 ? 0 : -errno;
  lcp__fd_close(&fd);
  return rc == 0 ? 0 : signal_members(g, SIGKILL);
}

int lcp__cgroup_kill(const struct lcp__cgroup *g, int sig) {
  int some = is_populated(g);
  if (some <= 0) /* ENOENT, ENODEV: the group has been removed */
    return some == 0 || some == -ENOENT || some == -ENODEV ? -ESRCH : some;
  if (sig == 0)
    return 0;
  return sig == SIGKILL ? kill_all(g) : signal_members(g, sig);
}

/* A group stays busy (EBUSY) for a moment after its last process has ended. */
int lcp__cgroup_end(struct lcp__cgroup *g) {
  if (g->parent < 0 || g->dir < 0)
    return 1;
  lcp__cgroup_kill(g, SIGKILL);
  return unlinkat(g->parent, g->name, AT_REMOVEDIR) == 0 || errno != EBUSY;
}

#else

int lcp__cgroup_open(struct lcp__cgroup *g, const char *path, int leaf) {
  static const struct lcp__cgroup none = LCP__NO_CGROUP;
  (void)path;
  (void)leaf;
  *g = none;
  return -ENOSYS;
}

int lcp__cgroup_kill(const struct lcp__cgroup *g, int sig) {
  (void)g;
  (void)sig;
  return -ENOSYS;
}

int lcp__cgroup_end(struct lcp__cgroup *g) {
  (void)g;
  return 1;
}

#endif
