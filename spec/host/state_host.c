/* state_host.c - a host that outlives its Lua states.
 * state_host ROUNDS SCRIPT ARGUMENT...: runs the script ROUNDS times, each time in a
 * state of its own that is closed afterwards, and says what was left over then.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static int count_entries(const char *folder) {
  DIR *dir = opendir(folder);
  int n = 0;
  if (dir == NULL)
    return -1;
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

static int run_script(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int failed;
  if (L == NULL)
    return 1;
  luaL_openlibs(L);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
  failed = luaL_dofile(L, argv[0]);
  if (failed)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}

/* Children end by themselves once our ends are closed.  Waits for each end without
 * collecting it: that is the business of the library. */
static int children_left(void) {
  for (int i = 0; i < 1000000; i++) {
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0 && errno == ECHILD)
      return 0;
    sched_yield();
  }
  return 1;
}

/* Whoever reaps the last child closes a descriptor just after that: the least of many
 * looks counts. */
static int open_descriptors(void) {
  int least = count_entries("/proc/self/fd");
  for (int i = 0; i < 1000; i++) {
    int n = count_entries("/proc/self/fd");
    least = n < least ? n : least;
    sched_yield();
  }
  return least;
}

int main(int argc, char **argv) {
  int before, after, children;
  if (argc < 3)
    return 2;
  if (run_script(argc - 2, argv + 2)) /* what is made once a process */
    return 1;
  children = children_left();
  before = open_descriptors();
  for (int i = 1; i < atoi(argv[1]); i++)
    if (run_script(argc - 2, argv + 2))
      return 1;
  children += children_left();
  after = open_descriptors();
  printf("children %d, descriptors +%d\n", children, after - before);
  return children > 0 || after != before;
}
