/* left_over.h - what a host still has of a Lua state that it has closed.
 * SPDX-License-Identifier: MIT */
#ifndef LEFT_OVER_H
#define LEFT_OVER_H

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/wait.h>

/* Children end by themselves once our ends are closed.  Waits for each end without
 * collecting it: that is the business of the library. */
static int children_left(void) {
  for (int i = 0; i < 1000000; i++) {
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0 && errno == ECHILD)
      return 0;
    sched_yield();
  }
  return 1;
}

static int count_entries(const char *folder) {
  DIR *dir = opendir(folder);
  int n = 0;
  if (dir == NULL)
    return -1;
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

/* Whoever reaps the last child closes a descriptor just after that, so a number above
 * `expected` counts only when it stays. */
static int open_descriptors(int expected) {
  int least = count_entries("/proc/self/fd");
  for (int i = 0; i < 1000 && least > expected; i++) {
    int n = count_entries("/proc/self/fd");
    least = n < least ? n : least;
    sched_yield();
  }
  return least;
}

#endif
