/* spawn.c - the parts that both implementations of spawn.h share.
 * SPDX-License-Identifier: MIT */
#include "os/spawn.h"

#include <unistd.h>

const char *lcp__stage_name(int stage) {
  static const char *const names[] = {[LCP__STAGE_STDIO] = "stdio",
                                      [LCP__STAGE_CGROUP] = "cgroup",
                                      [LCP__STAGE_FORK] = "fork",
                                      [LCP__STAGE_SETSID] = "setsid",
                                      [LCP__STAGE_SETPGID] = "setpgid",
                                      [LCP__STAGE_CHDIR] = "chdir",
                                      [LCP__STAGE_RLIMITS] = "rlimits",
                                      [LCP__STAGE_NICE] = "nice",
                                      [LCP__STAGE_SETGROUPS] = "setgroups",
                                      [LCP__STAGE_SETGID] = "setgid",
                                      [LCP__STAGE_SETUID] = "setuid",
                                      [LCP__STAGE_DEATH_SIGNAL] = "parentDeathSignal",
                                      [LCP__STAGE_NO_NEW_PRIVS] = "noNewPrivs",
                                      [LCP__STAGE_EXEC] = "exec"};
  return names[stage];
}

/* The saved id does not matter: without privileges setuid(2) changes only the effective
 * id. */
int lcp__spawn_drops_groups(const struct lcp__spawn *plan) {
  int other_user = (plan->flags & LCP__SPAWN_SETUID) &&
                   (plan->uid != getuid() || plan->uid != geteuid());
  int other_group = (plan->flags & LCP__SPAWN_SETGID) &&
                    (plan->gid != getgid() || plan->gid != getegid());
  return (other_user || other_group) && getgroups(0, NULL) != 0;
}
