/* The machine's limit: the measures of this folder in plain C, with vfork (posix_spawn
 * for the calls that wait), exec, poll, read and write, and nothing between them. Pipes
 * that carry bulk get 256 KiB: more gains nothing, the default 64 KiB costs two to three
 * times the speed on two cores.
 * SPDX-License-Identifier: MIT */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, WARM_UP = 32, MIB = 1 << 20, PAGE = 4096, MAX_PARALLEL = 64 };

struct child {
  pid_t pid;
  int fd[3]; /* our ends, owned; -1 once closed */
};

extern char **environ;
/* At the beginning of a page, as a good program has it: csrc/os/block.c says why. */
static _Alignas(PAGE) char pages[CHUNK + PAGE];
static char *buffer = pages;

static void die(const char *what) {
  fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void close_end(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

/* theirs[] are the ends of the child; the parent is suspended until the exec. */
static pid_t start_child(char **argv, const int theirs[3]) {
  pid_t pid = vfork();
  if (pid == 0) {
    for (int i = 0; i < 3; i++)
      dup2(theirs[i], i);
    execve(argv[0], argv, environ);
    _exit(127);
  }
  return pid;
}

/* The same by posix_spawn: what a C program without our needs would write. */
static pid_t start_posix(char **argv, const int theirs[3]) {
  posix_spawn_file_actions_t actions;
  pid_t pid = -1;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 3; i++)
    posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
  errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

static void open_pipes(struct child *child, int theirs[3], bool bulk) {
  for (int i = 0; i < 3; i++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
      die("pipe2");
    theirs[i] = ends[i == 0 ? 0 : 1];
    child->fd[i] = ends[i == 0 ? 1 : 0];
    fcntl(child->fd[i], F_SETFL, O_NONBLOCK);
    if (bulk)
      fcntl(child->fd[i], F_SETPIPE_SZ, CHUNK);
  }
}

static void start_by(pid_t (*starter)(char **, const int[3]), struct child *child,
                     char **argv, bool bulk) {
  int theirs[3];
  open_pipes(child, theirs, bulk);
  child->pid = starter(argv, theirs);
  if (child->pid < 0)
    die(argv[0]);
  for (int i = 0; i < 3; i++)
    close(theirs[i]);
}

static void start(struct child *child, char **argv, bool bulk) {
  start_by(start_child, child, argv, bulk);
}

static void reap(struct child *child) {
  int status = 0;
  if (waitpid(child->pid, &status, 0) < 0 || status != 0)
    die("a child failed");
  for (int i = 0; i < 3; i++)
    close_end(&child->fd[i]);
}

/* Reads until EAGAIN, a full buffer or the end; the count, and the end closed at EOF. */
static size_t read_some(int *fd) {
  size_t got = 0;
  while (got < CHUNK) {
    ssize_t n = read(*fd, buffer + got, CHUNK - got);
    if (n == 0)
      close_end(fd);
    if (n <= 0)
      break;
    got += (size_t)n;
  }
  return got;
}

static void wait_for(int fd, short events) {
  struct pollfd entry = {.fd = fd, .events = events};
  if (poll(&entry, 1, -1) < 0)
    die("poll");
}

/* Spawn ------------------------------------------------------------------------------ */

/* Polls both outputs of all children; returns when at least one has ended both. */
static void turn(struct child *children, int parallel) {
  struct pollfd entries[2 * MAX_PARALLEL];
  for (int i = 0; i < 2 * parallel; i++)
    entries[i] = (struct pollfd){.fd = children[i / 2].fd[1 + i % 2], .events = POLLIN};
  if (poll(entries, (nfds_t)(2 * parallel), -1) < 0)
    die("poll");
  for (int i = 0; i < 2 * parallel; i++)
    if (entries[i].revents)
      read_some(&children[i / 2].fd[1 + i % 2]);
}

static void batch(char **argv, int count, int parallel) {
  struct child children[MAX_PARALLEL];
  int started = 0, ended = 0;
  for (int i = 0; i < parallel; i++)
    children[i] = (struct child){.pid = 0, .fd = {-1, -1, -1}};
  while (ended < count) {
    for (int i = 0; i < parallel; i++) {
      struct child *child = &children[i];
      if (child->pid && child->fd[1] < 0 && child->fd[2] < 0) {
        reap(child);
        child->pid = 0;
        ended++;
      }
      if (!child->pid && started < count) {
        start(child, argv, false);
        started++;
      }
    }
    if (ended < count)
      turn(children, parallel);
  }
}

static double measure_batch(char **argv, int count, int parallel) {
  batch(argv, count / 10 + parallel, parallel);
  double begin = now_us();
  batch(argv, count, parallel);
  return (now_us() - begin) / count;
}

/* One after another, each until its outputs have ended and it is reaped. */
static void one_by_one(char **argv, int count) {
  for (int i = 0; i < count; i++) {
    struct child child;
    start_by(start_posix, &child, argv, false);
    close_end(&child.fd[0]);
    while (child.fd[1] >= 0 || child.fd[2] >= 0)
      turn(&child, 1);
    reap(&child);
  }
}

static double measure_sync(char **argv, int count) {
  one_by_one(argv, count / 10 + 1);
  double begin = now_us();
  one_by_one(argv, count);
  return (now_us() - begin) / count;
}

/* Throughput ------------------------------------------------------------------------- */

static size_t read_all(struct child *child, int slot) {
  size_t total = 0;
  while (child->fd[slot] >= 0) {
    wait_for(child->fd[slot], POLLIN);
    total += read_some(&child->fd[slot]);
  }
  return total;
}

static void write_all(int fd, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, buffer + done, size - done);
    if (n >= 0)
      done += (size_t)n;
    else if (errno == EAGAIN)
      wait_for(fd, POLLOUT);
    else
      die("write");
  }
}

static void expect(size_t expected, size_t got) {
  if (expected == got)
    return;
  fprintf(stderr, "limit: %zu bytes instead of %zu\n", got, expected);
  exit(1);
}

/* `wc -c` has the last word on what arrived. */
static void finish_count(struct child *wc, size_t bytes) {
  close_end(&wc->fd[0]);
  read_all(wc, 1); /* leaves the digits in buffer */
  expect(bytes, strtoull(buffer, NULL, 10));
  reap(wc);
}

static char **head_command(size_t bytes) {
  static char number[32];
  static char *argv[] = {"/usr/bin/head", "-c", number, "/dev/zero", NULL};
  snprintf(number, sizeof number, "%zu", bytes);
  return argv;
}

static char *count_command[] = {"/usr/bin/wc", "-c", NULL};

static void do_read(size_t bytes, char *file) {
  char *cat[] = {"/bin/cat", file, NULL};
  struct child child;
  start(&child, file ? cat : head_command(bytes), true);
  expect(bytes, read_all(&child, 1));
  reap(&child);
}

/* All of it kept, as the calls that wait do. */
static void do_gather(size_t bytes, char *file) {
  char *all = malloc(bytes + CHUNK);
  size_t total = 0, n;
  struct child child;
  (void)file;
  start(&child, head_command(bytes), true);
  while (child.fd[1] >= 0) {
    wait_for(child.fd[1], POLLIN);
    n = read_some(&child.fd[1]);
    memcpy(all + total, buffer, n);
    total += n;
  }
  expect(bytes, total);
  reap(&child);
  free(all);
}

static void do_write(size_t bytes, char *file) {
  struct child wc;
  (void)file;
  start(&wc, count_command, true);
  for (size_t left = bytes; left > 0; left -= CHUNK)
    write_all(wc.fd[0], CHUNK);
  finish_count(&wc, bytes);
}

static void do_pipe(size_t bytes, char *file) {
  struct child head, wc;
  (void)file;
  start(&head, head_command(bytes), true);
  start(&wc, count_command, true);
  while (head.fd[1] >= 0) {
    wait_for(head.fd[1], POLLIN);
    write_all(wc.fd[0], read_some(&head.fd[1]));
  }
  reap(&head);
  finish_count(&wc, bytes);
}

static double measure_flow(void (*flow)(size_t, char *), size_t mib, char *file) {
  flow(WARM_UP * (size_t)MIB, NULL);
  double begin = now_us();
  flow(mib * MIB, file);
  return (double)mib / ((now_us() - begin) * 1e-6);
}

/* Reads of a full pipe into a buffer `offset` bytes after the beginning of a page,
 * without the time of the writes in between. */
static double measure_place(size_t mib, int offset) {
  double spent = 0;
  int ends[2];
  if (offset < 0 || offset > PAGE || pipe2(ends, O_CLOEXEC) < 0 ||
      fcntl(ends[1], F_SETPIPE_SZ, CHUNK) < CHUNK)
    die("pipe2");
  for (size_t i = 0; i < mib * (MIB / CHUNK); i++) {
    if (write(ends[1], pages, CHUNK) != CHUNK)
      die("write");
    double begin = now_us();
    if (read(ends[0], pages + offset, CHUNK) != CHUNK)
      die("read");
    spent += now_us() - begin;
  }
  return (double)mib / (spent * 1e-6);
}

/* Main ------------------------------------------------------------------------------- */

static void make_resident(size_t mib) {
  char *memory = mib ? malloc(mib * MIB) : NULL;
  if (memory)
    memset(memory, 'x', mib * MIB);
  __asm__ volatile("" : : "r"(memory) : "memory"); /* or the memset is optimised away */
}

static void open_many(int count) {
  while (count-- > 0)
    if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
      die("/dev/null");
}

int main(int argc, char **argv) {
  char *true_command[] = {"/bin/true", NULL};
  char *shell_command[] = {"/bin/sh", "-c", "true", NULL};
  const char *name = argc > 2 ? argv[1] : "";
  int count = argc > 2 ? atoi(argv[2]) : 0;
  int parallel = argc > 3 ? atoi(argv[3]) : 1;
  double result;
  make_resident(argc > 4 ? (size_t)atoi(argv[4]) : 0);
  open_many(argc > 5 ? atoi(argv[5]) : 0);
  if (!strcmp(name, "spawn"))
    result = measure_batch(true_command, count, parallel);
  else if (!strcmp(name, "exec"))
    result = measure_batch(shell_command, count, parallel);
  else if (!strcmp(name, "sync"))
    result = measure_sync(true_command, count);
  else if (!strcmp(name, "sync-exec"))
    result = measure_sync(shell_command, count);
  else if (!strcmp(name, "sync-read"))
    result = measure_flow(do_gather, (size_t)count, NULL);
  else if (!strcmp(name, "read"))
    result = measure_flow(do_read, (size_t)count, argv[3]);
  else if (!strcmp(name, "write"))
    result = measure_flow(do_write, (size_t)count, NULL);
  else if (!strcmp(name, "pipe"))
    result = measure_flow(do_pipe, (size_t)count, NULL);
  else if (!strcmp(name, "read-at"))
    result = measure_place((size_t)count, parallel);
  else
    return fprintf(stderr, "limit: spawn|exec|sync|sync-exec|read|sync-read|write|pipe|"
                           "read-at COUNT …\n"),
           2;
  printf("%.3f\n", result);
  return 0;
}
