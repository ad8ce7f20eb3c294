/* waiter.c - see waiter.h.
 * Owns: the block shared by thread and caller, freed by the last of the two, and the pipe
 * whose end of file notifies the caller.
 * SPDX-License-Identifier: MIT */
#include "os/waiter.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/fd.h"

enum { WAITER_STACK = 64 * 1024 };

struct lcp__waiter {
  pthread_mutex_t lock;
  pid_t pid;
  struct lcp__exit how;
  int ended, reaped;
  int leads; /* see lcp__waiter_start */
  int held;  /* not to be reaped until the caller is done */
  int users;
  int fds[2];
};

/* One of the two users is done.  Closing the thread's end of the pipe wakes the caller;
 * the caller closes both. */
static void release(struct lcp__waiter *w, int is_caller) {
  pthread_mutex_lock(&w->lock);
  int left = --w->users;
  lcp__fd_close(&w->fds[1]);
  if (is_caller)
    lcp__fd_close(&w->fds[0]);
  pthread_mutex_unlock(&w->lock);
  if (left == 0) {
    pthread_mutex_destroy(&w->lock);
    free(w);
  }
}

/* Under the lock: until `reaped` is set the pid is the child's, so a kill under the same
 * lock cannot hit another process.  A group leader stays a zombie where waitid(2) allows
 * that (WNOWAIT). */
static int notice_end(struct lcp__waiter *w) {
  int rc = -1, ended;
  pthread_mutex_lock(&w->lock);
  if (w->held)
    rc = lcp__peek(w->pid, -1, &w->how);
  if (rc < 0) {
    rc = lcp__reap(w->pid, -1, &w->how);
    w->reaped = rc != 0;
  }
  w->ended = ended = rc != 0;
  pthread_mutex_unlock(&w->lock);
  return ended;
}

/* Waits without reaping (WNOWAIT).  Where a sandbox refuses waitid(2), no other call can
 * do that: then this polls, at growing intervals from 1 to 64 ms. */
static void *wait_for_end(void *arg) {
  enum { MOST_NS = 64 * 1000 * 1000 };
  struct lcp__waiter *w = arg;
  struct timespec nap = {0, 1000 * 1000};
  siginfo_t info;
  int ended;
  do {
    ended = waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOWAIT) == 0 ||
            errno == EINTR || errno == ECHILD;
    if (!ended) {
      nanosleep(&nap, NULL);
      nap.tv_nsec = nap.tv_nsec < MOST_NS ? 2 * nap.tv_nsec : MOST_NS;
    }
  } while (!notice_end(w));
  release(w, 0);
  return NULL;
}

/* The thread inherits the mask it is created with, so signals of the host are never
 * delivered to it.  Detached: the state may be gone before the process is. */
static int start_thread(struct lcp__waiter *w) {
  pthread_t thread;
  pthread_attr_t attr;
  sigset_t all, before;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, WAITER_STACK);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&thread, &attr, wait_for_end, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return -rc;
}

struct lcp__waiter *lcp__waiter_start(pid_t pid, int leads, int *err) {
  struct lcp__waiter *w = calloc(1, sizeof *w);
  if (w == NULL) {
    *err = -ENOMEM;
    return NULL;
  }
  w->pid = pid;
  w->leads = w->held = leads;
  w->users = 2;
  *err = lcp__fd_pipe(w->fds);
  if (*err < 0) {
    free(w);
    return NULL;
  }
  pthread_mutex_init(&w->lock, NULL);
  *err = start_thread(w);
  if (*err < 0) {
    w->users = 1;
    release(w, 1);
    return NULL;
  }
  return w;
}

int lcp__waiter_fd(const struct lcp__waiter *w) { return w->fds[0]; }

int lcp__waiter_exit(struct lcp__waiter *w, struct lcp__exit *how) {
  int ended;
  pthread_mutex_lock(&w->lock);
  ended = w->ended;
  *how = w->how;
  pthread_mutex_unlock(&w->lock);
  return ended;
}

int lcp__waiter_kill(struct lcp__waiter *w, int sig) {
  int rc = -ESRCH;
  pthread_mutex_lock(&w->lock);
  if (!w->reaped)
    rc = kill(w->leads ? -w->pid : w->pid, sig) == 0 ? 0 : -errno;
  pthread_mutex_unlock(&w->lock);
  return rc;
}

void lcp__waiter_drop(struct lcp__waiter *w) {
  pthread_mutex_lock(&w->lock);
  w->held = 0;
  if (w->ended && !w->reaped)
    lcp__reap(w->pid, -1, &w->how);
  pthread_mutex_unlock(&w->lock);
  release(w, 1);
}

/* Takes no lock: the thread may have held it when the copy was made. */
void lcp__waiter_forget(struct lcp__waiter *w) {
  lcp__fd_close(&w->fds[0]);
  lcp__fd_close(&w->fds[1]);
  free(w);
}
