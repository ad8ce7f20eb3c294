/* sandbox.c - runs a program in surroundings that are short of something.
 * sandbox WORD... -- COMMAND ARGUMENT...: for the command and its children, in turn,
 *   CALL=ERRNO    this system call fails; clone_pidfd: clone(2) with CLONE_PIDFD
 *   group_signal  pidfd_send_signal(2) fails with flags, as before Linux 6.9
 *   old_kernel    all calls fail that Linux 5.1 does not have
 *   fd=NUMBER     /dev/null is open there
 *   soft=NUMBER   the soft limit of descriptors; hard=NUMBER: both
 * Calls are refused by a seccomp filter, as in containers and browsers; status 77: this
 * system has none.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

enum { MOST = 128 };

static struct sock_filter filter[MOST] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
static unsigned short length = 1;

struct number {
  const char *name;
  int value;
};

static const struct number calls[] = {{"close_range", SYS_close_range},
                                      {"pidfd_open", SYS_pidfd_open},
                                      {"pidfd_send_signal", SYS_pidfd_send_signal},
                                      {"clone3", SYS_clone3},
                                      {"waitid", SYS_waitid},
                                      {"preadv2", SYS_preadv2},
                                      {"pwritev2", SYS_pwritev2},
                                      {"epoll_pwait2", 441},
                                      {"prlimit64", SYS_prlimit64},
                                      {"memfd_create", SYS_memfd_create},
                                      {"getdents64", SYS_getdents64},
                                      {"setgroups", SYS_setgroups},
                                      {"sched_getaffinity", SYS_sched_getaffinity},
                                      {NULL, 0}};

static const struct number errnos[] = {{"ENOSYS", ENOSYS},
                                       {"EPERM", EPERM},
                                       {"EACCES", EACCES},
                                       {"EINVAL", EINVAL},
                                       {NULL, 0}};

static int lookup(const struct number *list, const char *name) {
  for (; list->name != NULL; list++)
    if (strcmp(list->name, name) == 0)
      return list->value;
  fprintf(stderr, "sandbox: what is %s?\n", name);
  exit(2);
}

static void add(struct sock_filter step) {
  if (length == MOST)
    exit(2);
  filter[length++] = step;
}

static void refuse_call(int nr, unsigned err) {
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1));
  add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err));
}

/* The flags are the first argument; the number is loaded again afterwards. */
static void refuse_clone_pidfd(unsigned err) {
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
  add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                   offsetof(struct seccomp_data, args[0])));
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_PIDFD, 0, 1));
  add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err));
  add(filter[0]);
}

static void refuse_what_is_new(void) {
  static const char *const names[] = {"pidfd_open",  "pidfd_send_signal", "clone3",
                                      "close_range", "preadv2",           "pwritev2",
                                      NULL};
  for (int i = 0; names[i] != NULL; i++)
    refuse_call(lookup(calls, names[i]), ENOSYS);
  refuse_clone_pidfd(EINVAL);
}

static void refuse_group_signal(void) {
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0,
                                   4));
  add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                   offsetof(struct seccomp_data, args[3])));
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
  add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL));
  add(filter[0]);
}

static void fail(const char *what) {
  perror(what);
  exit(2);
}

static void open_at(int fd) {
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, fd) < 0)
    fail("sandbox: descriptor");
  close(null);
}

static void limit_descriptors(rlim_t n, int is_hard) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    fail("sandbox: limit");
  limit.rlim_cur = n;
  if (is_hard)
    limit.rlim_max = n;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    fail("sandbox: limit");
}

static void apply(char *word) {
  char *value = strchr(word, '=');
  if (value == NULL) {
    if (strcmp(word, "old_kernel") == 0)
      refuse_what_is_new();
    else if (strcmp(word, "group_signal") == 0)
      refuse_group_signal();
    else
      exit(2);
    return;
  }
  *value++ = '\0';
  if (strcmp(word, "fd") == 0)
    open_at(atoi(value));
  else if (strcmp(word, "soft") == 0 || strcmp(word, "hard") == 0)
    limit_descriptors((rlim_t)atol(value), *word == 'h');
  else if (strcmp(word, "clone_pidfd") == 0)
    refuse_clone_pidfd((unsigned)lookup(errnos, value));
  else
    refuse_call(lookup(calls, word), (unsigned)lookup(errnos, value));
}

int main(int argc, char **argv) {
  int i;
  for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
    apply(argv[i]);
  if (++i >= argc)
    return 2;
  add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  struct sock_fprog program = {length, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("sandbox: seccomp");
    return 77;
  }
  execvp(argv[i], argv + i);
  perror(argv[i]);
  return 127;
}
