/* sock.h - sockets: made close-on-exec, non-blocking and above 2; their addresses and
 * options.  No Lua, no libuv.  Every function returns >= 0 or a negative errno.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SOCK_H
#define LCP_SOCK_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct lcp__addr {
  socklen_t len;
  union {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_un local;
    struct sockaddr_storage room;
  } sa;
};

/* A numeric address, IPv6 possibly with a `%zone`; -EINVAL for anything else. */
int lcp__addr_ip(struct lcp__addr *a, const char *text, int port);

/* A path or, with a leading NUL, a name in Linux's abstract namespace (unix(7)). */
int lcp__addr_local(struct lcp__addr *a, const char *path, size_t len);

int lcp__sock_new(int family, int type);

/* The next connection; -EAGAIN when there is none.  Connections that are gone already do
 * not count.
 *
 * accept(2) has no MSG_DONTWAIT: it obeys O_NONBLOCK, which another process sharing the
 * socket may have cleared.  So each time the flag is set again and the socket is polled.
 * One case remains: a process that clears the flag and takes the connection between these
 * calls, within a microsecond, makes us wait for the next connection. */
int lcp__sock_accept(int fd);

/* A listening socket at `a`.  `only6`: an IPv6 socket does not accept IPv4
 * connections. */
int lcp__sock_listen(const struct lcp__addr *a, int backlog, int only6);

/* Begins to connect; the socket becomes writable when that is over, and lcp__sock_error
 * then returns the outcome. */
int lcp__sock_connect(int fd, const struct lcp__addr *a);
int lcp__sock_error(int fd);

/* Sets an option by name; the names are in sock.c. */
int lcp__sock_set(int fd, const char *name, int value);

/* Joins or leaves a multicast group on the interface with the address (IPv4) or the name
 * (IPv6) `on`; NULL: the system chooses. */
int lcp__sock_membership(int fd, const struct lcp__addr *group, const char *on, int join);

#endif
