/* pty.h - a terminal made for a child: its two ends.  No Lua, no libuv.
 * Linux only; elsewhere every function returns -ENOSYS. */
#ifndef LCP_PTY_H
#define LCP_PTY_H

struct lcp__pty_mode {
  int cols, rows; /* 1 to 65535 */
  int echo;       /* what is typed comes back as output */
  int raw;        /* bytes as they are: no lines, no editing, no ^C, no \r before \n */
};

/* Opens a terminal: fds[0] is our end, fds[1] the child's.  Both are close-on-exec,
 * blocking, above 2, and neither becomes the controlling terminal of this process.
 * 0 or a negative errno, and then nothing is open. */
int lcp__pty_open(int fds[2], const struct lcp__pty_mode *mode);

/* By either end.  Programs in the foreground get SIGWINCH if the size changes. */
int lcp__pty_resize(int fd, int cols, int rows);

/* From now on whoever writes to the child's end waits, until our end is closed and the
 * terminal is hung up: what can still be read from ours is finite. */
int lcp__pty_stop(int childs_end);

#endif
