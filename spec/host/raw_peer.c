/* raw_peer.c [PROGRAM ARGUMENT …] - a child that speaks bytes and descriptors on its
 * channel, as told; or the parent of PROGRAM, which gets the other end of one.
 *
 * One command a line on its standard input; it ends with that:
 *   attach KIND [ARGUMENT …]   one more descriptor goes with the next bytes, see kinds
 *   send HEX                   these bytes, with what is attached
 *   times N HEX                these bytes N times, as fast as they are taken; writes
 *                              `held BYTES` when no more are taken for a while, those
 *                              that were, and goes on; and `sent BYTES` at the end
 *   receive [BYTES]            waits for bytes, as many at least, and writes them to
 *                              standard output
 *   relent                     from now on reads, and forgets, when it is held up
 *   shut                       nothing more will be sent
 *   close                      gives up the channel
 *   stay                       goes on in a process of its own; this one ends
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 253, BYTES = 1 << 20 };

static int channel;
static int attached[MOST];
static int count;
static size_t sent; /* of `times` */
static int told_held;
static int relents;

static void die(const char *what) {
  fprintf(stderr, "raw_peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int checked(int result, const char *what) {
  if (result < 0)
    die(what);
  return result;
}

/* ---- what can be attached ---- */

static int open_kind(const char *argument) { /* FLAGS PATH */
  char path[4096];
  int flags;
  if (sscanf(argument, "%d %4095s", &flags, path) != 2)
    die(argument);
  return open(path, flags, 0600);
}

/* One end of a pair; the other stays open here. */
static int pipe_kind(const char *argument) {
  int fds[2];
  checked(pipe(fds), "pipe");
  return fds[atoi(argument)];
}

static int pair_kind(const char *argument) { /* the type of the socket */
  int fds[2];
  checked(socketpair(AF_UNIX, atoi(argument), 0, fds), "socketpair");
  return fds[0];
}

/* A TCP socket that is bound to nothing, listens, or is connected to itself. */
static int tcp_kind(const char *argument) {
  struct sockaddr_in any = {.sin_family = AF_INET};
  struct linger linger = {1, 3600};
  socklen_t len = sizeof any;
  int fd = checked(socket(AF_INET, SOCK_STREAM, 0), "socket"), to;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (strcmp(argument, "new") == 0)
    return fd;
  checked(bind(fd, (struct sockaddr *)&any, sizeof any), "bind");
  checked(listen(fd, 1), "listen");
  if (strcmp(argument, "listening") == 0)
    return fd;
  checked(getsockname(fd, (struct sockaddr *)&any, &len), "getsockname");
  to = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
  checked(connect(to, (struct sockaddr *)&any, len), "connect");
  checked(accept(fd, NULL, NULL), "accept"); /* never read from */
  if (strcmp(argument, "lingering") == 0) {
    static char bytes[BYTES];
    checked(setsockopt(to, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), "SO_LINGER");
    while (send(to, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
  }
  return to;
}

static int udp_kind(const char *argument) {
  (void)argument;
  return socket(AF_INET, SOCK_DGRAM, 0);
}

static int channel_kind(const char *argument) {
  (void)argument;
  return dup(channel);
}

static int number_kind(const char *argument) { return dup(atoi(argument)); }

static int epoll_kind(const char *argument) {
  (void)argument;
  return epoll_create1(0);
}

static int event_kind(const char *argument) {
  return eventfd((unsigned)atoi(argument), 0);
}

static const struct {
  const char *name;
  int (*make)(const char *argument);
} kinds[] = {{"open", open_kind},       {"pipe", pipe_kind},     {"pair", pair_kind},
             {"tcp", tcp_kind},         {"udp", udp_kind},       {"epoll", epoll_kind},
             {"channel", channel_kind}, {"number", number_kind}, {"event", event_kind}};

static void attach(const char *what) {
  size_t i, n = strcspn(what, " ");
  for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strlen(kinds[i].name) == n && strncmp(kinds[i].name, what, n) == 0) {
      const char *argument = what + n + (what[n] == ' ');
      attached[count++] = checked(kinds[i].make(argument), what);
      return;
    }
  errno = EINVAL;
  die(what);
}

/* ---- what goes over the channel ---- */

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static size_t unhex(const char *text, char *bytes) {
  size_t n = 0;
  for (; n < BYTES && text[0] != '\0'; text += 2)
    bytes[n++] = (char)(digit(text[0]) << 4 | digit(text[1]));
  return n;
}

/* Waits until the socket takes more, and says so once if that lasts. */
static void wait_writable(void) {
  static char bytes[BYTES];
  struct pollfd p = {channel, POLLOUT, 0};
  if (!told_held && poll(&p, 1, 300) == 0) {
    printf("held %zu\n", sent);
    fflush(stdout);
    told_held = 1;
  }
  p.events = relents && told_held ? POLLIN | POLLOUT : POLLOUT;
  poll(&p, 1, -1);
  while (p.revents & POLLIN && recv(channel, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
  }
}

/* The descriptors go with the first byte. */
static void send_all(const char *bytes, size_t size) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MOST * sizeof(int))];
  } control;
  while (size > 0) {
    struct iovec piece = {(char *)bytes, size};
    struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
    size_t room = (size_t)count * sizeof(int);
    ssize_t n;
    if (count > 0) {
      memset(&control, 0, sizeof control);
      msg.msg_control = control.bytes;
      msg.msg_controllen = CMSG_SPACE(room);
      control.align.cmsg_level = SOL_SOCKET;
      control.align.cmsg_type = SCM_RIGHTS;
      control.align.cmsg_len = CMSG_LEN(room);
      memcpy(CMSG_DATA(&control.align), attached, room);
    }
    /* musl's function takes 251 descriptors at most */
    n = syscall(SYS_sendmsg, channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
      wait_writable();
      continue;
    }
    if (n < 0)
      exit(0); /* they listen no more */
    sent += (size_t)n;
    while (count > 0)
      close(attached[--count]);
    bytes += n;
    size -= (size_t)n;
  }
}

static void send_times(const char *text) {
  static char bytes[BYTES], many[BYTES];
  char *hex;
  unsigned long times = strtoul(text, &hex, 10);
  size_t size = unhex(hex + 1, bytes), each = BYTES / size, i;
  sent = 0;
  told_held = 0;
  for (i = 0; i < each; i++)
    memcpy(many + i * size, bytes, size);
  for (; times > each; times -= each)
    send_all(many, each * size);
  send_all(many, times * size);
  printf("sent %zu\n", sent);
  fflush(stdout);
}

static void receive(long least) {
  static char bytes[BYTES];
  ssize_t n;
  do {
    n = recv(channel, bytes, sizeof bytes, 0);
    if (n > 0 && write(STDOUT_FILENO, bytes, (size_t)n) != n)
      die("write");
    least -= n;
  } while (n > 0 && least > 0);
}

static void obey(const char *line) {
  static char bytes[BYTES];
  if (strncmp(line, "attach ", 7) == 0)
    attach(line + 7);
  else if (strncmp(line, "send ", 5) == 0)
    send_all(bytes, unhex(line + 5, bytes));
  else if (strncmp(line, "times ", 6) == 0)
    send_times(line + 6);
  else if (strncmp(line, "receive", 7) == 0)
    receive(atol(line + 7));
  else if (strcmp(line, "relent") == 0)
    relents = 1;
  else if (strcmp(line, "shut") == 0)
    shutdown(channel, SHUT_WR);
  else if (strcmp(line, "close") == 0)
    close(channel);
  else if (strcmp(line, "stay") == 0 && checked(fork(), "fork") > 0)
    exit(0);
  else if (strcmp(line, "stay") == 0)
    return;
  else
    die(line);
}

/* The other end is its descriptor 3; waits for nothing. */
static int run(char **argv) {
  int fds[2];
  checked(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
  if (checked(fork(), "fork") == 0) {
    close(fds[0]);
    if (fds[1] != 3) {
      checked(dup2(fds[1], 3), "dup2");
      close(fds[1]);
    }
    setenv("NODE_CHANNEL_FD", "3", 1);
    execvp(argv[0], argv);
    die(argv[0]);
  }
  close(fds[1]);
  return fds[0];
}

int main(int argc, char **argv) {
  const char *number = getenv("NODE_CHANNEL_FD");
  char *line = NULL;
  size_t room = 0;
  ssize_t n;
  channel = argc > 1 ? run(argv + 1) : number != NULL ? atoi(number) : -1;
  checked(fcntl(channel, F_SETFD, FD_CLOEXEC), "NODE_CHANNEL_FD");
  checked(fcntl(channel, F_SETFL, 0), "NODE_CHANNEL_FD");
  while ((n = getline(&line, &room, stdin)) > 0) {
    line[n - 1] = '\0';
    obey(line);
  }
  free(line);
  close(channel);
  return argc > 1 && wait(NULL) < 0;
}
