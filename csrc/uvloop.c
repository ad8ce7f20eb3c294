/* uvloop.c - see uvloop.h.  Each workaround names the function of libuv 1.44 that needs
 * it.
 * SPDX-License-Identifier: MIT */
#include "uvloop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* In pipes: a first loop needs epoll, an event descriptor and two pipes for signals; and
 * a few to spare. */
enum { NEEDED = 5 };

enum { MOST_THREADS = 1024 }; /* of libuv's pool */

/* The first uv_loop_init of a process creates a pipe for signals and aborts if it cannot
 * (uv__signal_global_init).  So the same call is tried first, whatever might refuse it;
 * all pipes together, since the first few may still succeed. */
static int have_descriptors(void) {
  uv_file pipes[NEEDED][2];
  int n = 0, rc = 0;
  while (n < NEEDED && rc == 0) {
    rc = uv_pipe(pipes[n], UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
    n += rc == 0;
  }
  while (n-- > 0) {
    close(pipes[n][0]);
    close(pipes[n][1]);
  }
  return rc;
}

/* uv__close asserts that it closes nothing below 3. The plugs are ends of pipes, which
 * exist wherever libuv works: /dev/null may be missing. */
unsigned lcp__uvloop_plug(void) {
  unsigned plugs = 0;
  uv_file fds[2] = {0, 0};
  while ((fds[0] <= 2 || fds[1] <= 2) && uv_pipe(fds, 0, 0) == 0)
    for (int i = 0; i < 2; i++)
      if (fds[i] <= 2)
        plugs |= 1u << fds[i];
      else
        close(fds[i]);
  return plugs;
}

void lcp__uvloop_unplug(unsigned plugs) {
  for (int fd = 0; fd <= 2; fd++)
    if (plugs & (1u << fd))
      close(fd);
}

/* uv_loop_init leaves the epoll descriptor open when a later step fails (the async
 * handle, the pipe for signals). */
static int init(uv_loop_t *loop) {
  loop->backend_fd = -1;
  int rc = uv_loop_init(loop);
  if (rc != 0 && loop->backend_fd >= 0)
    close(loop->backend_fd);
  return rc;
}

int lcp__uvloop_init(uv_loop_t *loop) {
  unsigned plugs = lcp__uvloop_plug();
  int rc = have_descriptors();
  if (rc == 0)
    rc = init(loop);
  lcp__uvloop_unplug(plugs);
  return rc;
}

/* The copy lacks the threads of the pool, so their running requests would be waited for
 * for ever, and the lock that guards them may be held. */
static void forget_work(uv_loop_t *loop) {
  void **done = (void **)&loop->wq; /* two pointers, whatever libuv calls their type */
  done[0] = done[1] = done;
  loop->active_reqs.count = 0;
  uv_mutex_init(&loop->wq_mutex);
}

/* uv_loop_fork closes a descriptor before it reopens it, so there is room.  If it fails
 * nevertheless (seccomp), it leaves a loop without descriptors, on which uv_run would
 * abort. */
int lcp__uvloop_fork(uv_loop_t *loop, int ours) {
  unsigned plugs = lcp__uvloop_plug();
  int rc = uv_loop_fork(loop);
  lcp__uvloop_unplug(plugs);
  if (rc != 0 && loop->backend_fd >= 0) {
    close(loop->backend_fd);
    loop->backend_fd = -1;
  }
  if (ours)
    forget_work(loop);
  return rc;
}

/* The number of threads libuv's pool will have (UV_THREADPOOL_SIZE). */
static int pool_size(void) {
  const char *wanted = getenv("UV_THREADPOOL_SIZE");
  int n = wanted != NULL ? atoi(wanted) : 4;
  return n < 1 ? 1 : n < MOST_THREADS ? n : MOST_THREADS;
}

static void wait_for_others(void *lock) {
  uv_mutex_lock(lock);
  uv_mutex_unlock(lock);
}

/* All at once, and with the stack size of libuv's threads. */
static int try_threads(int wanted) {
  const uv_thread_options_t options = {UV_THREAD_HAS_STACK_SIZE, 8u << 20};
  uv_thread_t threads[MOST_THREADS];
  uv_mutex_t lock;
  int n = 0, rc = uv_mutex_init(&lock);
  if (rc != 0)
    return rc;
  uv_mutex_lock(&lock);
  while (rc == 0 && n < wanted) {
    rc = uv_thread_create_ex(&threads[n], &options, wait_for_others, &lock);
    n += rc == 0;
  }
  uv_mutex_unlock(&lock);
  while (n > 0)
    uv_thread_join(&threads[--n]);
  uv_mutex_destroy(&lock);
  return rc;
}

static atomic_int had_by; /* the process that has the pool; a copy gets a new one */

int lcp__uvloop_need_threads(void) {
  int me = (int)getpid(), rc = 0;
  if (atomic_load(&had_by) != me) {
    rc = try_threads(pool_size());
    if (rc == 0)
      atomic_store(&had_by, me);
  }
  return rc;
}

static void nothing(uv_work_t *work) { (void)work; }

/* At exit libuv 1.44 joins the threads of its pool (uv_library_shutdown).  A copy by
 * fork(2) does not have them, so exit(3) would crash or hang; so it gets a pool that can
 * be joined.  This runs before libuv's own destructor, since this library depends on
 * libuv. */
__attribute__((destructor)) static void mend_exit(void) {
  static uv_loop_t loop;
  static uv_work_t work;
  int had = atomic_load(&had_by);
  if (had != 0 && had != (int)getpid() && lcp__uvloop_need_threads() == 0 &&
      lcp__uvloop_init(&loop) == 0)
    uv_queue_work(&loop, &work, nothing, NULL);
}

void lcp__uvloop_close(uv_handle_t *handle, uv_close_cb cb) {
  if (!uv_is_closing(handle))
    uv_close(handle, cb);
}
