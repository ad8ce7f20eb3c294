/* pty.c - see pty.h.  SPDX-License-Identifier: MIT */
#include "os/pty.h"

#include <errno.h>

#ifdef __linux__
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "os/fd.h"
#include "os/platform.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41) /* Linux 4.13 */
#endif

/* Like ptsname(3), but without its static buffer, so it is safe with threads. */
static int open_by_name(int ours) {
  char path[32];
  int number;
  if (ioctl(ours, LCP__IOCTL(TIOCGPTN), &number) != 0)
    return -errno;
  snprintf(path, sizeof path, "/dev/pts/%d", number);
  return lcp__fd_open(path, O_RDWR | O_NOCTTY);
}

/* TIOCGPTPEER needs no path, so it works in any mount namespace.  Older kernels and
 * sandboxes refuse it with various errnos (ENOTTY, EINVAL, EPERM); only running out of
 * descriptors is final. */
static int open_childs_end(int ours) {
  int fd = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0)
    return lcp__fd_raise(fd);
  return errno == EMFILE || errno == ENFILE ? -errno : open_by_name(ours);
}

/* Both ends share the settings.  A new terminal is in cooked mode and echoes, but without
 * IUTF8 its backspace would erase one byte of a UTF-8 character. */
static int set_mode(int fd, const struct lcp__pty_mode *mode) {
  struct termios t;
  if (tcgetattr(fd, &t) != 0)
    return -errno;
  if (mode->raw)
    cfmakeraw(&t);
  t.c_iflag |= IUTF8;
  t.c_lflag = mode->echo ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
  return tcsetattr(fd, TCSANOW, &t) == 0 ? 0 : -errno;
}

int lcp__pty_resize(int fd, int cols, int rows) {
  struct winsize size = {.ws_col = (unsigned short)cols, .ws_row = (unsigned short)rows};
  return ioctl(fd, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

/* O_NOCTTY: a host without a controlling terminal must not get this one.  A new terminal
 * is locked until TIOCSPTLCK (unlockpt(3)). */
static int open_both(int fds[2], const struct lcp__pty_mode *mode) {
  int unlocked = 0;
  fds[0] = lcp__fd_open("/dev/ptmx", O_RDWR | O_NOCTTY);
  if (fds[0] < 0)
    return fds[0];
  if (ioctl(fds[0], LCP__IOCTL(TIOCSPTLCK), &unlocked) != 0)
    return -errno;
  fds[1] = open_childs_end(fds[0]);
  if (fds[1] < 0)
    return fds[1];
  int rc = lcp__pty_resize(fds[0], mode->cols, mode->rows);
  return rc < 0 ? rc : set_mode(fds[1], mode);
}

int lcp__pty_open(int fds[2], const struct lcp__pty_mode *mode) {
  fds[0] = fds[1] = -1;
  int rc = open_both(fds, mode);
  if (rc < 0) {
    lcp__fd_close(&fds[0]);
    lcp__fd_close(&fds[1]);
  }
  return rc;
}

/* As if ^S had been typed.  Earlier output is in the kernel's buffer, some 16 KiB.  The
 * terminal does not control our own session, so job control (SIGTTOU) does not
 * interfere. */
int lcp__pty_stop(int childs_end) {
  return ioctl(childs_end, TCXONC, TCOOFF) == 0 ? 0 : -errno;
}

#else

int lcp__pty_open(int fds[2], const struct lcp__pty_mode *mode) {
  (void)mode;
  fds[0] = fds[1] = -1;
  return -ENOSYS;
}

int lcp__pty_resize(int fd, int cols, int rows) {
  (void)fd;
  (void)cols;
  (void)rows;
  return -ENOSYS;
}

int lcp__pty_stop(int childs_end) {
  (void)childs_end;
  return -ENOSYS;
}

#endif
