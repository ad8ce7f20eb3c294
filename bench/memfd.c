/* memfd.c - what a large message costs between two processes: over a socket, as the
 * channel sends it, and as a sealed memfd (memfd_create(2)) passed over that socket.
 * memfd [socket|memfd] BYTES COUNT: the milliseconds for COUNT messages one way, each
 * read once by the receiver, who answers at the end.  See bench/large.lua.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024 }; /* of the loop, see csrc/loop.h */

static const int SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void wait_for(int fd, short events) {
  struct pollfd p = {fd, events, 0};
  poll(&p, 1, -1);
}

/* Stands for the codec, which reads each byte once: here as fast as memory allows. */
static uint64_t use(const char *bytes, size_t size) {
  uint64_t sum = 0, word;
  for (size_t i = 0; i + sizeof word <= size; i += sizeof word) {
    memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  return sum;
}

static void send_fd(int sock, int fd) {
  char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
  struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
  cm->cmsg_level = SOL_SOCKET;
  cm->cmsg_type = SCM_RIGHTS;
  cm->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(cm), &fd, sizeof fd);
  while (sendmsg(sock, &msg, MSG_DONTWAIT) < 0) {
    if (errno != EAGAIN)
      die("sendmsg");
    wait_for(sock, POLLOUT);
  }
}

static int receive_fd(int sock) {
  char control[CMSG_SPACE(sizeof(int))], byte;
  struct iovec iov = {&byte, 1};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
  int fd;
  while (recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) {
    if (errno != EAGAIN)
      die("recvmsg");
    wait_for(sock, POLLIN);
  }
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
  return fd;
}

static void send_memfd(int sock, const char *bytes, size_t size) {
  int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    die("memfd_create");
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, bytes + done, size - done);
    if (n < 0)
      die("write");
    done += (size_t)n;
  }
  if (fcntl(fd, F_ADD_SEALS, SEALS) != 0)
    die("seal");
  send_fd(sock, fd);
  close(fd);
}

static uint64_t receive_memfd(int sock, size_t size) {
  int fd = receive_fd(sock);
  struct stat st;
  if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) != 0 ||
      (size_t)st.st_size != size)
    die("not sealed");
  char *map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (map == MAP_FAILED)
    die("mmap");
  uint64_t sum = use(map, size);
  munmap(map, size);
  close(fd);
  return sum;
}

static void send_bytes(int sock, const char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    struct iovec iov = {(char *)bytes + done, size - done};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = sendmsg(sock, &msg, MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
      die("sendmsg");
    if (n < 0)
      wait_for(sock, POLLOUT);
    else
      done += (size_t)n;
  }
}

/* Assembled in memory of its own, as csrc/os/frame.c does. */
static uint64_t receive_bytes(int sock, size_t size) {
  static char buffer[BUFFER];
  char *frame = malloc(size);
  if (frame == NULL)
    die("malloc");
  for (size_t got = 0; got < size;) {
    size_t room = size - got < BUFFER ? size - got : BUFFER;
    ssize_t n = recv(sock, buffer, room, MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
      die("recv");
    if (n < 0) {
      wait_for(sock, POLLIN);
      continue;
    }
    memcpy(frame + got, buffer, (size_t)n);
    got += (size_t)n;
  }
  uint64_t sum = use(frame, size);
  free(frame);
  return sum;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  int socks[2], by_memfd = argc > 1 && strcmp(argv[1], "memfd") == 0;
  if (argc != 4)
    return 2;
  size_t size = strtoul(argv[2], NULL, 10);
  int count = atoi(argv[3]);
  char *bytes = malloc(size);
  if (bytes == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, socks) != 0)
    die("start");
  memset(bytes, 'x', size);
  double start = now();
  if (fork() == 0) {
    uint64_t sum = 0;
    for (int i = 0; i < count; i++)
      sum += by_memfd ? receive_memfd(socks[1], size) : receive_bytes(socks[1], size);
    send(socks[1], &sum, sizeof sum, 0);
    _exit(0);
  }
  for (int i = 0; i < count; i++)
    by_memfd ? send_memfd(socks[0], bytes, size) : send_bytes(socks[0], bytes, size);
  uint64_t sum;
  recv(socks[0], &sum, sizeof sum, MSG_WAITALL);
  printf("%.3f\n", now() - start);
  wait(NULL);
  return 0;
}
