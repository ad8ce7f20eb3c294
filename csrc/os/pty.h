/* pty.h - a pseudo-terminal for a child: its two ends.  No Lua, no libuv.  Linux only;
 * elsewhere every function returns -ENOSYS.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PTY_H
#define LCP_PTY_H

struct lcp__pty_mode {
  int cols, rows; /* 1 to 65535 */
  int echo;       /* input comes back as output */
  int raw;        /* bytes pass unchanged: no lines, no editing, no ^C, no \r before \n */
};

/* Opens a terminal: fds[0] is our end, fds[1] the child's.  Both are close-on-exec,
 * blocking, above 2, and neither becomes the controlling terminal of this process.
 * 0, or a negative errno and nothing is open. */
int lcp__pty_open(int fds[2], const struct lcp__pty_mode *mode);

/* Works on either end.  The foreground process group gets SIGWINCH if the size
 * changes. */
int lcp__pty_resize(int fd, int cols, int rows);

/* From now on every write to the child's end blocks, until our end is closed, which hangs
 * the terminal up: so the output that can still be read is finite. */
int lcp__pty_stop(int childs_end);

#endif
