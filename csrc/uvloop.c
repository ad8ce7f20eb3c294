/* uvloop.c - see uvloop.h.  What libuv 1.44 does wrong when it opens a loop or starts its
 * threads, and we must not pass on to a host. */
#include "uvloop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Pipes that could be made: a first loop takes epoll, an event descriptor and two pipes
 * for signals; and some. */
enum { NEEDED = 5 };

enum { MOST_THREADS = 1024 }; /* of libuv's pool */

/* The first uv_loop_init of a process makes a pipe for signals and aborts when it gets
 * none (uv__signal_global_init).  So that very call is tried, whatever it is that could
 * refuse it; all at once, since the first few may be given. */
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

/* With ends of pipes, which are there wherever libuv works: /dev/null may not be. */
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
  int fd;
  for (fd = 0; fd <= 2; fd++)
    if (plugs & (1u << fd))
      close(fd);
}

/* A failure leaves the epoll descriptor open. */
static int init(uv_loop_t *loop) {
  int rc;
  loop->backend_fd = -1;
  rc = uv_loop_init(loop);
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

/* As many as libuv's pool will have. */
static int pool_size(void) {
  const char *wanted = getenv("UV_THREADPOOL_SIZE");
  int n = wanted != NULL ? atoi(wanted) : 4;
  return n < 1 ? 1 : n < MOST_THREADS ? n : MOST_THREADS;
}

static void wait_for_others(void *lock) {
  uv_mutex_lock(lock);
  uv_mutex_unlock(lock);
}

/* All at once, with the stacks that they will have. */
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

int lcp__uvloop_need_threads(void) {
  static atomic_int had_by; /* the process; libuv makes a new pool in a fork */
  int me = (int)getpid(), rc = 0;
  if (atomic_load(&had_by) != me) {
    rc = try_threads(pool_size());
    if (rc == 0)
      atomic_store(&had_by, me);
  }
  return rc;
}

void lcp__uvloop_close(uv_handle_t *handle, uv_close_cb cb) {
  if (!uv_is_closing(handle))
    uv_close(handle, cb);
}
