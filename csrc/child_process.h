/* child_process.h - what a host program may call.
 *
 * Everything here belongs to the thread of its lua_State. */
#ifndef CHILD_PROCESS_H
#define CHILD_PROCESS_H

#include <lua.h>
#include <uv.h>

#if LUA_VERSION_NUM != 504
#error "child_process needs Lua 5.4"
#endif

#if defined(__GNUC__)
#define LCP_API __attribute__((visibility("default")))
#else
#define LCP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the core, for luaL_requiref(L, "child_process.core", …) or package.preload; the
 * Lua files of the module find it by that name. */
LCP_API int luaopen_child_process_core(lua_State *L);

/* Lets the module live in `loop`, which the host owns, runs and closes; to be called
 * before the first require.  Closing the state starts to close the module's handles; the
 * host must run its loop once more to let them end.  0, or a libuv error (UV_EBUSY: the
 * state has a loop already). */
LCP_API int lcp_set_loop(lua_State *L, uv_loop_t *loop);

/* Where errors in callbacks go while the host runs the loop: `handler` is called with the
 * error value on top of the stack, which it must leave as it was.  Without a handler they
 * are raised by the next cp.run(). */
LCP_API void lcp_on_error(lua_State *L, void (*handler)(lua_State *L, void *data),
                          void *data);

/* What fork() starts where `execPath` is not given: the path of a Lua interpreter.
 * Without it the program that runs us, if that is one. */
LCP_API void lcp_set_exec_path(lua_State *L, const char *path);

#ifdef __cplusplus
}
#endif

#endif
