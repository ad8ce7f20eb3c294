/* open_and_close.c - threads of a host that open and close descriptors all the while, at
 * low and at high numbers, and look whether each stays what it is until they close it.
 * A Lua module for the specs.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

enum { THREADS = 3, PIPES = 8, HIGH = 300 };

static pthread_t threads[THREADS];
static atomic_int stopping;
static atomic_long rounds, wrongs;

struct held {
  int fd, flags;
  struct stat st;
};

/* Whether close-on-exec is set differs from one to the next, as in any host. */
static void hold(struct held *h, int fd, int i) {
  h->fd = fd;
  h->flags = i % 2 ? FD_CLOEXEC : 0;
  if (fd < 0 || fcntl(fd, F_SETFD, h->flags) != 0 || fstat(fd, &h->st) != 0)
    wrongs++;
}

static void let_go(const struct held *h) {
  struct stat st;
  if (fstat(h->fd, &st) != 0 || st.st_dev != h->st.st_dev || st.st_ino != h->st.st_ino ||
      fcntl(h->fd, F_GETFD) != h->flags || close(h->fd) != 0)
    wrongs++;
}

static void *go(void *unused) {
  (void)unused;
  while (!stopping) {
    struct held held[3 * PIPES];
    int ends[2];
    for (int i = 0; i < PIPES; i++) {
      if (pipe(ends) != 0)
        wrongs++;
      hold(&held[3 * i], ends[0], i);
      hold(&held[3 * i + 1], ends[1], i + 1);
      hold(&held[3 * i + 2], fcntl(ends[0], F_DUPFD, HIGH), i);
    }
    for (int i = 0; i < 3 * PIPES; i++)
      let_go(&held[i]);
    rounds++;
  }
  return NULL;
}

/* open_and_close.start() */
static int l_start(lua_State *L) {
  stopping = 0;
  rounds = wrongs = 0;
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, go, NULL) != 0)
      return luaL_error(L, "no threads");
  return 0;
}

/* open_and_close.stop() -> how often they did so, how often something was wrong */
static int l_stop(lua_State *L) {
  stopping = 1;
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  lua_pushinteger(L, rounds);
  lua_pushinteger(L, wrongs);
  return 2;
}

static const luaL_Reg functions[] = {{"start", l_start}, {"stop", l_stop}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_open_and_close(lua_State *L);

int luaopen_open_and_close(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
