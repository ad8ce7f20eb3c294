/* child_process.h - what a host program may call.
 *
 *   luaL_openlibs(L);
 *   lcp_set_loop(L, loop);          (only for a host that runs a loop of its own)
 *   luaL_requiref(L, "child_process", luaopen_child_process, 0);
 *
 * Link libchild_process.a, libuv and the host's Lua: `child_process::static` in CMake,
 * `child_process` in pkg-config.  C11 or C++.
 *
 * A lua_State and everything of it here belongs to one thread at a time.  States share
 * nothing: there may be any number, on as many threads, each with a loop or several on
 * one loop of the host.  Like Lua's own functions these raise an error when memory runs
 * out.
 *
 * lua_close() waits for one thing only: a pending look-up of a host name (by net or
 * dgram) in a state with its own loop, since getaddrinfo(3) cannot be interrupted.  On a
 * host's loop it does not wait; the request then stays with the loop until the answer
 * comes.
 * SPDX-License-Identifier: MIT */
#ifndef CHILD_PROCESS_H
#define CHILD_PROCESS_H

#ifdef __cplusplus
extern "C" {
#endif
#include <lua.h> /* if Lua is built as C++, include it before this file */
#ifdef __cplusplus
}
#endif
#include <uv.h>

#if LUA_VERSION_NUM != 504 && LUA_VERSION_NUM != 505
#error "child_process needs Lua 5.4 or 5.5"
#endif
/* The installed files say for which Lua the library was built. */
#if defined(LCP_LUA_VERSION_NUM) && LCP_LUA_VERSION_NUM != LUA_VERSION_NUM
#error "this libchild_process is for another version of Lua than lua.h"
#endif

/* Semantic Versioning; the build takes its version from here. */
#define LCP_VERSION_MAJOR 0
#define LCP_VERSION_MINOR 1
#define LCP_VERSION_PATCH 0
#define LCP_VERSION "0.1.0"
#define LCP_VERSION_NUM                                                                  \
  (LCP_VERSION_MAJOR * 10000 + LCP_VERSION_MINOR * 100 + LCP_VERSION_PATCH)

#if defined(__GNUC__)
#define LCP_API __attribute__((visibility("default")))
#else
#define LCP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the module and pushes its table: for luaL_requiref, or for package.preload.  Its
 * Lua files are in the library; from then on `require` does not look for them elsewhere.
 * Needs the standard libraries (luaL_openlibs).  Only in libchild_process.a: the module
 * that an interpreter loads has its Lua files beside it. */
LCP_API int luaopen_child_process(lua_State *L);

/* Opens only the C part, "child_process.core": for a host that has the Lua files on its
 * package.path and prefers those. */
LCP_API int luaopen_child_process_core(lua_State *L);

/* Makes the module use `loop`, which the host owns, runs and closes.  Call it before the
 * module is opened.  0, or a libuv error; UV_EBUSY: the state already has a loop.
 *
 * There are two ways to end, and in both the host's loop must run once more before
 * uv_loop_close, since libuv closes a handle in the turn that follows:
 *   lua_close(L);           uv_run(loop, …); uv_loop_close(loop);
 *   lcp_set_loop(L, NULL);  uv_run(loop, …); uv_loop_close(loop);  …  lua_close(L);
 * NULL takes the module off its loop, whoever owns that, for good: streams and timers
 * close without an event, nothing can be started any more, and running children continue
 * unattended, as after lua_close.  Do not call it from one of the module's callbacks.
 *
 * While the host is inside uv_run, Lua code must not run the loop a second time: no
 * cp.run(), and wait(), lines() and the like in a coroutine only.  The library refuses
 * this in its own callbacks; in the host's callbacks it cannot tell. */
LCP_API int lcp_set_loop(lua_State *L, uv_loop_t *loop);

/* Where errors in callbacks go while the host runs the loop: `handler` is called with the
 * error value on top of the stack, a string with its traceback or an error value of ours
 * with the field `traceback`.  It leaves the stack as it was, and must not raise.  `L`
 * may be another thread (coroutine) of the state.  NULL: no handler; errors are then
 * raised by the next cp.run(). */
LCP_API void lcp_on_error(lua_State *L, void (*handler)(lua_State *L, void *data),
                          void *data);

/* The program fork() starts if `execPath` is not given.  Called as
 *   path [execArgv…] FILE ARGUMENT…
 * it must run the Lua file FILE as lua5.4 does: with the arguments in the global table
 * `arg`, FILE in arg[0], and with the module available to `require`. lua5.4 does so where
 * the module is installed; the host itself can, with nothing installed at all, if it runs
 * a FILE given on its command line (uv_exepath returns the host's path).  NULL, the
 * default: the running program if its name begins with `lua` or it has set a negative
 * index in `arg`, as interpreters do; otherwise lua5.4 or lua5.5, found in PATH. */
LCP_API void lcp_set_exec_path(lua_State *L, const char *path);

#ifdef __cplusplus
}
#endif

#endif
