/* processors.c - see processors.h.  SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "os/processors.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int online(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : (int)n;
}

#ifdef __linux__

/* ---- affinity ---- */

/* The kernel refuses a mask smaller than its own (EINVAL, sched_setaffinity(2)), and
 * cpu_set_t ends at 1024 processors. */
static int in_affinity(void) {
  for (size_t room = CPU_SETSIZE; room <= (size_t)64 * CPU_SETSIZE; room *= 2) {
    size_t size = CPU_ALLOC_SIZE(room);
    cpu_set_t *set = CPU_ALLOC(room);
    int rc = set == NULL ? -1 : sched_getaffinity(0, size, set);
    int n = rc == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (n > 0)
      return n;
  }
  return online();
}

/* ---- control groups ---- */

/* The group of this process that limits processor time: its path in /proc/self/cgroup. In
 * version 1 the hierarchy with the controller `cpu` counts, in version 2 the only one;
 * both may be mounted, and then the smaller limit holds. */
enum { MAX_PATH = 4096 };

struct groups {
  char v1[MAX_PATH], v2[MAX_PATH]; /* empty: none */
  int limit;                       /* found so far */
};

static void each_line(const char *path, void (*see)(struct groups *g, const char *line),
                      struct groups *g) {
  FILE *file = fopen(path, "re");
  char *line = NULL;
  size_t room = 0;
  while (file != NULL && getline(&line, &room, file) > 0) {
    line[strcspn(line, "\n")] = '\0';
    see(g, line);
  }
  free(line);
  if (file != NULL)
    fclose(file);
}

/* Whether a list such as "rw,cpu,cpuacct" has the word. */
static int has_word(const char *list, size_t length, const char *word) {
  const char *end = list + length;
  for (const char *at = list; at < end; at++) {
    size_t n = strcspn(at, ",:");
    if (n == strlen(word) && memcmp(at, word, n) == 0)
      return 1;
    at += n;
  }
  return 0;
}

/* cgroups(7), /proc/pid/cgroup: ID:CONTROLLERS:PATH; version 2 has no controllers. */
static void see_group(struct groups *g, const char *line) {
  const char *list = strchr(line, ':');
  const char *path = list != NULL ? strchr(list + 1, ':') : NULL;
  if (path == NULL)
    return;
  list++;
  if (list == path)
    snprintf(g->v2, sizeof g->v2, "%s", path + 1);
  else if (has_word(list, (size_t)(path - list), "cpu"))
    snprintf(g->v1, sizeof g->v1, "%s", path + 1);
}

/* Reads a file of a group, from its start, as text; 0 if it cannot be read. */
static int read_text(const char *group, const char *name, char *to, int room) {
  char path[2 * MAX_PATH + 32];
  snprintf(path, sizeof path, "%s/%s", group, name);
  FILE *file = fopen(path, "re");
  int ok = file != NULL && fgets(to, room, file) != NULL;
  if (file != NULL)
    fclose(file);
  return ok;
}

/* The microseconds of processor time in each period of real time; without a limit a file
 * says "max" or -1. */
static int read_quota(const char *group, int version, long long *quota,
                      long long *period) {
  char text[64], more[64];
  if (version == 2)
    return read_text(group, "cpu.max", text, sizeof text) &&
           sscanf(text, "%lld %lld", quota, period) == 2;
  return read_text(group, "cpu.cfs_quota_us", text, sizeof text) &&
         read_text(group, "cpu.cfs_period_us", more, sizeof more) &&
         sscanf(text, "%lld", quota) == 1 && sscanf(more, "%lld", period) == 1;
}

/* The limits of all ancestors hold as well, up to the top of what is mounted. */
static void limit_by(struct groups *g, char *group, size_t top, int version) {
  long long quota, period;
  for (;;) {
    if (read_quota(group, version, &quota, &period) && quota > 0 && period > 0 &&
        quota / period < g->limit)
      g->limit = (int)(quota / period);
    char *last = strrchr(group, '/');
    if (last == NULL || (size_t)(last - group) < top)
      return;
    *last = '\0';
  }
}

/* The part of a group's path below the root of a mount.  A container may see the path
 * from outside while the root of its mount is that very group. */
static const char *below(const char *group, const char *root) {
  size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(group, root, n) != 0 || (group[n] != '/' && group[n] != '\0'))
    return "";
  return strcmp(group + n, "/") == 0 ? "" : group + n;
}

/* proc(5), /proc/pid/mountinfo: ID PARENT DEVICE ROOT MOUNTED-AT OPTIONS [FIELD…] - TYPE
 * SOURCE OPTIONS */
static void see_mount(struct groups *g, const char *line) {
  char root[MAX_PATH], mounted[MAX_PATH], group[2 * MAX_PATH], type[16], options[512];
  const char *rest = strstr(line, " - ");
  if (rest == NULL || sscanf(line, "%*s %*s %*s %4095s %4095s", root, mounted) != 2 ||
      sscanf(rest, " - %15s %*s %511s", type, options) != 2)
    return;
  int is_v1 = strcmp(type, "cgroup") == 0 && has_word(options, strlen(options), "cpu");
  const char *path = strcmp(type, "cgroup2") == 0 ? g->v2 : is_v1 ? g->v1 : "";
  if (path[0] == '\0')
    return;
  snprintf(group, sizeof group, "%s%s", mounted, below(path, root));
  limit_by(g, group, strlen(mounted), is_v1 ? 1 : 2);
}

static int in_groups(void) {
  struct groups g = {.limit = INT_MAX};
  each_line("/proc/self/cgroup", see_group, &g);
  if (g.v1[0] != '\0' || g.v2[0] != '\0')
    each_line("/proc/self/mountinfo", see_mount, &g);
  return g.limit;
}

int lcp__processors(void) {
  int by_mask = in_affinity(), by_time = in_groups();
  int n = by_mask < by_time ? by_mask : by_time;
  return n < 1 ? 1 : n;
}

#else

int lcp__processors(void) { return online(); }

#endif
