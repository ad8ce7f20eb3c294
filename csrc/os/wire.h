/* wire.h - what one end of a channel is made of: a socket, which goes both ways and
 * carries descriptors along with the bytes, or a descriptor that carries bytes alone, one
 * way: a pipe or a socket of whatever kind.  No Lua, no libuv.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_WIRE_H
#define LCP_WIRE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "os/fd.h"
#include "os/scm.h"

struct lcp__wire {
  int fd;                 /* owned, or -1 */
  int plain;              /* bytes alone */
  enum lcp__fd_kind kind; /* of a plain one */
};

/* Take ownership of `fd`.  The kind: see fd.h. */
struct lcp__wire lcp__wire_socket(int fd);
struct lcp__wire lcp__wire_plain(int fd, enum lcp__fd_kind kind);

void lcp__wire_close(struct lcp__wire *w);

/* The number of bytes, 0 at end of file, or a negative errno.  A plain one receives no
 * descriptors. */
ssize_t lcp__wire_receive(const struct lcp__wire *w, char *to, size_t room,
                          struct lcp__scm_fds *fds);

/* Lets a socket take 800 KiB that the peer has not read yet, if the system's limit
 * (net.core.wmem_max) allows as much.  By default it is 200 KiB: then a message of 1 MB
 * wakes both sides five times.  Costs nothing until it is used. */
void lcp__wire_widen(const struct lcp__wire *w);

/* How many bytes can be received at this moment. */
size_t lcp__wire_held(const struct lcp__wire *w);

/* Sends the `n` pieces, with a copy of `fd` unless it is -1, which a plain one refuses
 * (EINVAL).  The number of bytes sent, or a negative errno.  Never blocks, never raises
 * SIGPIPE. */
ssize_t lcp__wire_send(const struct lcp__wire *w, struct iovec *pieces, size_t n, int fd);

/* Takes over this process's standard input and output as two plain wires, for a process
 * whose launcher connects it to its parent by them.  Afterwards 0 reads like /dev/null,
 * and 1 is where 2 goes.  0, or a negative errno, with nothing changed: -EINVAL if one of
 * them is neither a pipe nor a socket. */
int lcp__wire_adopt_standard(struct lcp__wire *in, struct lcp__wire *out);

#endif
