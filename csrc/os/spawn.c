/* spawn.c - what both implementations of spawn.h share. */
#include "os/spawn.h"

const char *lcp__stage_name(int stage) {
  static const char *const names[] = {
      [LCP_STAGE_STDIO] = "stdio",         [LCP_STAGE_FORK] = "fork",
      [LCP_STAGE_SETSID] = "setsid",       [LCP_STAGE_CHDIR] = "chdir",
      [LCP_STAGE_SETGROUPS] = "setgroups", [LCP_STAGE_SETGID] = "setgid",
      [LCP_STAGE_SETUID] = "setuid",       [LCP_STAGE_EXEC] = "exec"};
  return names[stage];
}
