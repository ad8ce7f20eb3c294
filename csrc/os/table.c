/* table.c - see table.h.  SPDX-License-Identifier: MIT */
#include "os/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clone.h"
#include "os/handover.h"

/* From about so many open descriptors on, copying them takes longer than the few calls by
 * which a child gets its own in another way (measured: 6 us, or 40 descriptors). */
enum { MANY = 128, SAMPLES = 4 };

/* 1: it works; -1: it does not; 0: not tried.  Of this process; a copy of it runs on the
 * same system. */
static atomic_int sharing;

/* The kernel hands out the lowest free number, so where many are open, most of a few
 * neighbouring numbers are in use. */
int lcp__table_sharing_pays(void) {
  for (int fd = MANY; fd < MANY + SAMPLES; fd++)
    if (fcntl(fd, F_GETFD) >= 0)
      return 1;
  return 0;
}

/* ---- the trial ---- */

/* Numbers that are all open in the table that is left: two words of its bitmap on 32-bit
 * systems, one on others. */
enum { FIRST = LCP__HANDOVER_LOW, END = 2 * LCP__HANDOVER_LOW };

struct trial {
  int fd;
  int left, works; /* what the processes have found */
};

/* Shares the table of `outer`, and leaves it.  Before Linux 6.11, and the stable kernels
 * of that time, words of the bitmap that were full in the old table stay marked as full
 * in the new one, whose free numbers there can then never be used. */
LCP__NO_SANITIZE static int inner(void *arg) {
  struct trial *t = arg;
  if (syscall(SYS_close_range, t->fd + 1, ~0u, LCP__CLOSE_RANGE_UNSHARE) == 0)
    t->left = fcntl(t->fd, F_DUPFD_CLOEXEC, FIRST) == FIRST;
  _exit(0);
}

/* Has a copy of our table, where nothing can be lost.  __WALL: the child ends without a
 * signal. */
LCP__NO_SANITIZE static int outer(void *arg) {
  char stack[LCP__CHILD_STACK / 2] __attribute__((aligned(16)));
  struct trial *t = arg;
  int open = 1;
  for (int fd = FIRST; fd < END; fd++)
    if (fcntl(fd, F_GETFD) < 0)
      dup2(t->fd, fd);
  int pid = clone(inner, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES, t);
  if (pid > 0)
    syscall(SYS_wait4, pid, NULL, __WALL, NULL);
  for (int fd = FIRST; fd < END; fd++)
    open = open && fcntl(fd, F_GETFD) >= 0;
  t->works = t->left && open;
  _exit(0);
}

/* Not remembered if there is no process for it now.  The child ends without a signal, so
 * that the host does not hear of it. */
static int try_sharing(int fd) {
  struct trial t = {fd, 0, 0};
  int pid = lcp__clone(outer, &t, 0, NULL);
  if (pid < 0)
    return 0;
  while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {
  }
  atomic_store_explicit(&sharing, t.works ? 1 : -1, memory_order_relaxed);
  return t.works;
}

int lcp__table_sharing_works(int fd) {
  int known = atomic_load_explicit(&sharing, memory_order_relaxed);
  return known > 0 || (known == 0 && try_sharing(fd));
}

/* Anything but a shortage is here to stay: a sandbox that has been entered since, or a
 * security module that lets no descriptor through (EPROTO). */
void lcp__table_refused(int err) {
  if (err != -ENOMEM && err != -EMFILE && err != -ENFILE && err != -EAGAIN)
    atomic_store_explicit(&sharing, -1, memory_order_relaxed);
}
