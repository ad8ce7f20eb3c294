/* spawn.c - what both implementations of spawn.h share. */
#include "os/spawn.h"

#include <unistd.h>

const char *lcp__stage_name(int stage) {
  static const char *const names[] = {[LCP_STAGE_STDIO] = "stdio",
                                      [LCP_STAGE_CGROUP] = "cgroup",
                                      [LCP_STAGE_FORK] = "fork",
                                      [LCP_STAGE_SETSID] = "setsid",
                                      [LCP_STAGE_SETPGID] = "setpgid",
                                      [LCP_STAGE_CHDIR] = "chdir",
                                      [LCP_STAGE_RLIMITS] = "rlimits",
                                      [LCP_STAGE_NICE] = "nice",
                                      [LCP_STAGE_SETGROUPS] = "setgroups",
                                      [LCP_STAGE_SETGID] = "setgid",
                                      [LCP_STAGE_SETUID] = "setuid",
                                      [LCP_STAGE_DEATH_SIGNAL] = "parentDeathSignal",
                                      [LCP_STAGE_NO_NEW_PRIVS] = "noNewPrivs",
                                      [LCP_STAGE_EXEC] = "exec"};
  return names[stage];
}

/* setuid(2) without the right to it changes the effective id only, so the saved one does
 * not matter. */
int lcp__spawn_drops_groups(const struct lcp_spawn *plan) {
  int other_user = plan->uid != getuid() || plan->uid != geteuid();
  int other_group = plan->gid != getgid() || plan->gid != getegid();
  return ((other_user && (plan->flags & LCP_SPAWN_SETUID)) ||
          (other_group && (plan->flags & LCP_SPAWN_SETGID))) &&
         getgroups(0, NULL) != 0;
}
