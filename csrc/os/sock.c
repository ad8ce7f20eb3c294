/* sock.c - see sock.h.  SPDX-License-Identifier: MIT */
#include "os/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "os/fd.h"

/* ---- addresses ---- */

/* `fe80::1%eth0`, `fe80::1%2` */
static int ip6_with_zone(struct sockaddr_in6 *to, const char *text, const char *zone) {
  char bare[INET6_ADDRSTRLEN];
  size_t n = (size_t)(zone - text);
  if (n >= sizeof bare)
    return 0;
  memcpy(bare, text, n);
  bare[n] = '\0';
  to->sin6_scope_id = if_nametoindex(zone + 1);
  return inet_pton(AF_INET6, bare, &to->sin6_addr) == 1;
}

int lcp__addr_ip(struct lcp__addr *a, const char *text, int port) {
  const char *zone = strchr(text, '%');
  memset(a, 0, sizeof *a);
  if (inet_pton(AF_INET, text, &a->sa.ip4.sin_addr) == 1) {
    a->sa.ip4.sin_family = AF_INET;
    a->sa.ip4.sin_port = htons((uint16_t)port);
    a->len = sizeof a->sa.ip4;
    return 0;
  }
  if (zone != NULL ? !ip6_with_zone(&a->sa.ip6, text, zone)
                   : inet_pton(AF_INET6, text, &a->sa.ip6.sin6_addr) != 1)
    return -EINVAL;
  a->sa.ip6.sin6_family = AF_INET6;
  a->sa.ip6.sin6_port = htons((uint16_t)port);
  a->len = sizeof a->sa.ip6;
  return 0;
}

/* A path ends with a NUL, which counts in `len`; an abstract name is all of its bytes, so
 * its NULs count and none is added (unix(7)). */
int lcp__addr_local(struct lcp__addr *a, const char *path, size_t len) {
  int abstract = len > 0 && path[0] == '\0';
#ifndef __linux__
  if (abstract)
    return -EINVAL;
#endif
  if (len == 0 || (!abstract && memchr(path, '\0', len) != NULL))
    return -EINVAL;
  if (len + !abstract > sizeof a->sa.local.sun_path)
    return -ENAMETOOLONG;
  memset(a, 0, sizeof *a);
  a->sa.local.sun_family = AF_UNIX;
  memcpy(a->sa.local.sun_path, path, len);
  a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
  return 0;
}

/* ---- sockets ---- */

/* SOCK_CLOEXEC came with Linux 2.6.27 and is in POSIX since 2024; macOS lacks it. */
int lcp__sock_new(int family, int type) {
#ifdef SOCK_CLOEXEC
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  int fd = socket(family, type, 0);
#endif
  if (fd < 0)
    return -errno;
#ifndef SOCK_CLOEXEC
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  lcp__fd_nonblock(fd, 1);
#endif
  return lcp__fd_raise(fd);
}

/* accept(2) also reports errors of the connection it would have returned: ECONNABORTED
 * when it is gone already; EPROTO for the same on STREAMS systems. */
int lcp__sock_accept(int fd) {
  struct pollfd waiting = {fd, POLLIN, 0};
  int peer;
  do {
    int rc = lcp__fd_nonblock(fd, 1);
    if (rc < 0)
      return rc;
    if (poll(&waiting, 1, 0) == 0)
      return -EAGAIN;
#ifdef SOCK_CLOEXEC
    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
    peer = accept(fd, NULL, NULL);
#endif
  } while (peer < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
  if (peer < 0)
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
#ifndef SOCK_CLOEXEC
  fcntl(peer, F_SETFD, FD_CLOEXEC);
  lcp__fd_nonblock(peer, 1);
#endif
  return lcp__fd_raise(peer);
}

/* All options set through this take an int. */
static int set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* SO_REUSEADDR lets a server listen again while old connections are in TIME_WAIT
 * (socket(7)).  IPV6_V6ONLY is set both ways: its default is the system's
 * (bindv6only). */
int lcp__sock_listen(const struct lcp__addr *a, int backlog, int only6) {
  int family = a->sa.any.sa_family, fd = lcp__sock_new(family, SOCK_STREAM), rc = 0;
  if (fd < 0)
    return fd;
  if (family != AF_UNIX)
    rc = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (rc == 0 && family == AF_INET6)
    rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, only6);
  if (rc == 0 && (bind(fd, &a->sa.any, a->len) != 0 || listen(fd, backlog) != 0))
    rc = -errno;
  if (rc == 0)
    return fd;
  close(fd);
  return rc;
}

int lcp__sock_connect(int fd, const struct lcp__addr *a) {
  int rc = connect(fd, &a->sa.any, a->len);
  /* EINTR: the attempt continues; calling again would give EALREADY (connect(2)) */
  return rc == 0 || errno == EINPROGRESS || errno == EINTR ? 0 : -errno;
}

/* Reading the error clears it (socket(7)). */
int lcp__sock_error(int fd) {
  int err = 0;
  socklen_t len = sizeof err;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 ? -err : -errno;
}

/* ---- options ---- */

#ifndef TCP_KEEPIDLE
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif

/* value: -1 switches it off, anything else on; > 0 is the time before the first probe in
 * seconds.  As in libuv, ten probes follow, one a second. */
static int set_keepalive(int fd, int value) {
  int rc = set(fd, SOL_SOCKET, SO_KEEPALIVE, value >= 0);
  if (rc == 0 && value > 0)
    rc = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, value);
  if (rc == 0 && value > 0)
    rc = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  return rc == 0 && value > 0 ? set(fd, IPPROTO_TCP, TCP_KEEPCNT, 10) : rc;
}

/* Makes close(2) reset the connection (linger time 0, socket(7)). */
static int set_reset(int fd) {
  struct linger at_once = {1, 0};
  int rc = setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return rc == 0 ? 0 : -errno;
}

/* getsockname(2) returns the family even of an unbound socket. */
static int family_of(int fd) {
  struct lcp__addr a;
  a.len = sizeof a.sa;
  return getsockname(fd, &a.sa.any, &a.len) == 0 ? a.sa.any.sa_family : -errno;
}

static const struct {
  const char *name;
  int level, option;   /* of IPv4, or of both */
  int level6, option6; /* of IPv6 */
} options[] = {
    {"nodelay", IPPROTO_TCP, TCP_NODELAY, IPPROTO_TCP, TCP_NODELAY},
    {"broadcast", SOL_SOCKET, SO_BROADCAST, SOL_SOCKET, SO_BROADCAST},
    {"reuse_address", SOL_SOCKET, SO_REUSEADDR, SOL_SOCKET, SO_REUSEADDR},
    {"only6", -1, 0, IPPROTO_IPV6, IPV6_V6ONLY},
    {"ttl", IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {"multicast_ttl", IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {"multicast_loop", IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6, IPV6_MULTICAST_LOOP}};

/* value: >= 0, or as above.  An IPv4 socket's multicast options take an int on Linux;
 * other systems expect a char. */
int lcp__sock_set(int fd, const char *name, int value) {
  int family = family_of(fd);
  if (family < 0)
    return family;
  if (strcmp(name, "keepalive") == 0)
    return set_keepalive(fd, value);
  if (strcmp(name, "reset") == 0)
    return set_reset(fd);
  for (size_t i = 0; i < sizeof options / sizeof *options && value >= 0; i++)
    if (strcmp(name, options[i].name) == 0)
      return family == AF_INET6 ? set(fd, options[i].level6, options[i].option6, value)
                                : set(fd, options[i].level, options[i].option, value);
  return -EINVAL;
}

static int membership4(int fd, const struct lcp__addr *group, const char *on, int join) {
  struct ip_mreq request;
  memset(&request, 0, sizeof request);
  request.imr_multiaddr = group->sa.ip4.sin_addr;
  if (on != NULL && inet_pton(AF_INET, on, &request.imr_interface) != 1)
    return -EINVAL;
  return setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                    &request, sizeof request) == 0
             ? 0
             : -errno;
}

/* `on` is `%eth0` or an address with a zone, as in Node; only the zone matters. */
static int membership6(int fd, const struct lcp__addr *group, const char *on, int join) {
  struct ipv6_mreq request;
  const char *zone = on != NULL ? strchr(on, '%') : NULL;
  memset(&request, 0, sizeof request);
  request.ipv6mr_multiaddr = group->sa.ip6.sin6_addr;
  request.ipv6mr_interface =
      zone != NULL ? if_nametoindex(zone + 1) : group->sa.ip6.sin6_scope_id;
  if (zone != NULL && request.ipv6mr_interface == 0)
    return -errno;
  return setsockopt(fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
                    sizeof request) == 0
             ? 0
             : -errno;
}

int lcp__sock_membership(int fd, const struct lcp__addr *group, const char *on,
                         int join) {
  return group->sa.any.sa_family == AF_INET6 ? membership6(fd, group, on, join)
                                             : membership4(fd, group, on, join);
}
