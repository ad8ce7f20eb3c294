/* uvloop.c - see uvloop.h.  What libuv 1.44 does wrong when it opens a loop, and we must
 * not pass on to a host. */
#include "uvloop.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What a first loop takes: epoll, an event descriptor, two pairs for signals; and some.
 */
enum { NEEDED = 10 };

/* The first uv_loop_init of a process aborts when it gets no descriptors. */
static int have_descriptors(void) {
  int fds[NEEDED], n = 0, err = 0;
  while (n < NEEDED && err == 0) {
    fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fds[n] < 0)
      err = -errno;
    else
      n++;
  }
  while (n > 0)
    close(fds[--n]);
  return err;
}

unsigned lcp__uvloop_plug(void) {
  unsigned plugs = 0;
  int fd;
  while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= 2)
    plugs |= 1u << fd;
  if (fd > 2)
    close(fd);
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

void lcp__uvloop_close(uv_handle_t *handle, uv_close_cb cb) {
  if (!uv_is_closing(handle))
    uv_close(handle, cb);
}
