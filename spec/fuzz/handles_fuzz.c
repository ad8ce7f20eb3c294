/* handles_fuzz.c - the protocol of handles, step by step: see handles.lua.
 * SPDX-License-Identifier: MIT */
#include "lua_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return lua_target_run("handles", data, size);
}
