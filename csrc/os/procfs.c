/* procfs.c - see procfs.h.  SPDX-License-Identifier: MIT */
#include "os/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

/* The name of an entry as a number, or -1. */
static int number(const char *name) {
  return isdigit((unsigned char)*name) ? atoi(name) : -1;
}

/* A file below /proc as text; 0 if it cannot be read, for example because the process is
 * gone. */
static int read_text(const char *path, char *to, size_t room) {
  int fd = lcp__fd_open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, to, room - 1);
  lcp__fd_close(&fd);
  if (n <= 0)
    return 0;
  to[n] = '\0';
  return 1;
}

/* Calls `visit` for each process until it returns non-zero, and returns that; otherwise
 * 0, or a negative errno. */
static int each_process(int (*visit)(pid_t pid, void *arg), void *arg) {
  DIR *proc = opendir("/proc");
  const struct dirent *entry;
  int rc = 0;
  if (proc == NULL)
    return -errno;
  while (rc == 0 && (entry = readdir(proc)) != NULL)
    if (number(entry->d_name) > 0)
      rc = visit(number(entry->d_name), arg);
  closedir(proc);
  return rc;
}

/* ---- groups ---- */

/* proc(5), stat: pid (comm) state ppid pgrp …; comm may contain spaces and parentheses,
 * so fields are counted from the last ')'. */
static int is_live_member(pid_t pid, void *arg) {
  const pid_t *pgid = arg;
  char path[32], text[256], state;
  const char *rest;
  int group;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (!read_text(path, text, sizeof text) || (rest = strrchr(text, ')')) == NULL)
    return 0;
  if (sscanf(rest + 1, " %c %*d %d", &state, &group) != 2)
    return 0;
  return group == *pgid && state != 'Z' && state != 'X';
}

int lcp__procfs_group_lives(pid_t pgid) { return each_process(is_live_member, &pgid); }

/* ---- who holds a pipe ---- */

struct search {
  char target[64]; /* the text of a link to the pipe */
  struct lcp__holders *found;
};

static void read_command(struct lcp__holder *h) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/comm", (int)h->pid);
  if (!read_text(path, h->command, sizeof h->command))
    h->command[0] = '\0';
  h->command[strcspn(h->command, "\n")] = '\0';
}

/* The mode of the link itself says how the descriptor is open: proc(5), /proc/pid/fd. */
static int is_writer(int folder, const char *name, const struct search *s) {
  char target[64];
  struct stat st;
  ssize_t n = readlinkat(folder, name, target, sizeof target - 1);
  if (n <= 0)
    return 0;
  target[n] = '\0';
  return strcmp(target, s->target) == 0 &&
         fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IWUSR);
}

/* Processes of other users cannot be looked into (EACCES) and are skipped. */
static int search_process(pid_t pid, void *arg) {
  const struct search *s = arg;
  struct lcp__holders *found = s->found;
  const struct dirent *entry;
  struct lcp__holder h = {.pid = pid};
  char path[32];
  DIR *list;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  list = pid == getpid() ? NULL : opendir(path);
  if (list == NULL)
    return 0;
  while (found->n < LCP__HOLDERS && (entry = readdir(list)) != NULL) {
    h.fd = number(entry->d_name);
    if (h.fd < 0 || !is_writer(dirfd(list), entry->d_name, s))
      continue;
    read_command(&h);
    found->list[found->n++] = h;
  }
  closedir(list);
  return found->n == LCP__HOLDERS;
}

/* The link of a pipe reads "pipe:[inode]" (proc(5)), the same in every process that has
 * it open. */
int lcp__procfs_writers(int fd, struct lcp__holders *found) {
  struct search s = {.found = found};
  struct stat st;
  int rc;
  if (fstat(fd, &st) != 0)
    return -errno;
  if (!S_ISFIFO(st.st_mode))
    return 0;
  snprintf(s.target, sizeof s.target, "pipe:[%llu]", (unsigned long long)st.st_ino);
  rc = each_process(search_process, &s);
  return rc < 0 ? rc : 0;
}
