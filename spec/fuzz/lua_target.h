/* lua_target.h - a libFuzzer target whose work is done by a Lua program, with the whole
 * module inside and a few system calls for the other side of a channel.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_TARGET_H
#define LUA_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls the function that spec/fuzz/NAME.lua returns with the input; an error of it ends
 * the run. */
int lua_target_run(const char *name, const uint8_t *data, size_t size);

#endif
