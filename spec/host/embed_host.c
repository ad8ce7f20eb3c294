/* embed_host.c - a host that has the module inside and does what it is told.
 * embed_host WORD...: each word is a step, with its argument in the next word.
 *
 *   open          a new Lua state on the host's loop; it is the one that is used
 *   own           a new Lua state with a loop of its own
 *   bare          tries to open the module in a state without the standard libraries
 *   use N         the N-th state, from 1
 *   lua CODE      runs it
 *   run, turn     the host's loop: until nothing is left to do; once, without waiting
 *   leave         takes the state's module off the loop
 *   close         closes the state
 *   copy HOW      fork(2): the copy closes the state, the loop, and ends
 *
 * With HOW `run` it calls uv_loop_fork and turns the loop first, as libuv demands.
 *   walk          closes every handle on the host's loop
 *   end           closes the host's loop
 *   threads CODE  in four threads at once, each with a state and a loop of its own
 *
 * What is open after the last step is closed.  At the end it says what is left over, if
 * anything is.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <child_process.h>
#include <lauxlib.h>
#include <lualib.h>

#include "left_over.h"

enum { STATES = 8, THREADS = 4 };

static uv_loop_t loop;
static lua_State *states[STATES];
static int opened, used, ended;

static void report(lua_State *L, void *data) {
  printf("%s: %s\n", (const char *)data, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
}

static void run_code(lua_State *L, const char *code) {
  if (luaL_loadbuffer(L, code, strlen(code), "=code") || lua_pcall(L, 0, 0, 0)) {
    report(L, "raised");
    lua_pop(L, 1);
  }
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_warning(L, "@off", 0); /* Lua 5.5 has them on */
  return L;
}

static void open_module(lua_State *L) {
  luaL_requiref(L, "child_process", luaopen_child_process, 0);
  lua_pop(L, 1);
}

static void step_own(const char *word) {
  (void)word;
  used = opened++;
  states[used] = new_state();
  open_module(states[used]);
}

static void step_open(const char *word) {
  lua_State *L = new_state();
  (void)word;
  used = opened++;
  states[used] = L;
  if (lcp_set_loop(L, &loop) != 0 || lcp_set_loop(L, &loop) != UV_EBUSY)
    printf("set_loop does not work\n");
  lcp_on_error(L, report, "on_error");
  open_module(L);
}

static int l_open(lua_State *L) {
  open_module(L);
  return 0;
}

static void step_bare(const char *word) {
  lua_State *L = luaL_newstate();
  (void)word;
  lua_pushcfunction(L, l_open);
  if (lua_pcall(L, 0, 0, 0))
    report(L, "raised");
  lua_close(L);
}

static void step_use(const char *word) { used = atoi(word) - 1; }

static void step_lua(const char *word) { run_code(states[used], word); }

static void step_run(const char *word) {
  (void)word;
  uv_run(&loop, UV_RUN_DEFAULT);
}

static void step_turn(const char *word) {
  (void)word;
  uv_run(&loop, UV_RUN_NOWAIT);
}

static void step_leave(const char *word) {
  (void)word;
  printf("leave: %d\n", lcp_set_loop(states[used], NULL));
}

static void step_close(const char *word) {
  (void)word;
  lua_close(states[used]);
  states[used] = NULL;
}

static void step_copy(const char *how) {
  int status = 0;
  pid_t pid;
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    if (strcmp(how, "run") == 0) {
      uv_loop_fork(&loop);
      uv_run(&loop, UV_RUN_NOWAIT);
    }
    lua_close(states[used]);
    uv_run(&loop, UV_RUN_NOWAIT);
    fflush(stdout);
    _exit(uv_loop_close(&loop) != 0);
  }
  waitpid(pid, &status, 0);
  printf("copy: %d\n", status);
}

static void close_cb(uv_handle_t *handle, void *data) {
  (void)data;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

static void step_walk(const char *word) {
  (void)word;
  uv_walk(&loop, close_cb, NULL);
}

static void step_end(const char *word) {
  (void)word;
  ended = uv_loop_close(&loop) == 0;
  printf("end: %s\n", ended ? "done" : "busy");
}

static void *run_thread(void *code) {
  lua_State *L = new_state();
  open_module(L);
  run_code(L, code);
  lua_close(L);
  return NULL;
}

static void step_threads(const char *word) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, run_thread, (void *)word);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}

static const struct step {
  const char *name;
  int has_argument;
  void (*run)(const char *argument);
} steps[] = {
    {"open", 0, step_open},       {"own", 0, step_own},     {"bare", 0, step_bare},
    {"use", 1, step_use},         {"lua", 1, step_lua},     {"run", 0, step_run},
    {"turn", 0, step_turn},       {"leave", 0, step_leave}, {"close", 0, step_close},
    {"copy", 1, step_copy},       {"walk", 0, step_walk},   {"end", 0, step_end},
    {"threads", 1, step_threads}, {NULL, 0, NULL}};

static int take_steps(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const struct step *step = steps;
    while (step->name != NULL && strcmp(step->name, argv[i]) != 0)
      step++;
    if (step->name == NULL || i + step->has_argument >= argc)
      return 2;
    i += step->has_argument;
    step->run(argv[i]);
  }
  return 0;
}

static void close_all(void) {
  for (used = 0; used < opened; used++)
    if (states[used] != NULL)
      step_close(NULL);
  if (!ended) {
    step_run(NULL);
    if (uv_loop_close(&loop) != 0)
      printf("left: the loop is not empty\n");
  }
}

int main(int argc, char **argv) {
  int before, after, status;
  setvbuf(stdout, NULL, _IOLBF, 0);
  uv_loop_init(&loop); /* what libuv makes once a process */
  uv_loop_close(&loop);
  before = open_descriptors(0);
  uv_loop_init(&loop);
  status = take_steps(argc, argv);
  close_all();
  if (children_left())
    printf("left: children\n");
  after = open_descriptors(before);
  if (after != before)
    printf("left: %d descriptors\n", after - before);
  return status;
}
