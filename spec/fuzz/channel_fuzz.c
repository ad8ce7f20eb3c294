/* channel_fuzz.c - any bytes on a channel, through a socket and the loop: see
 * channel.lua.
 * SPDX-License-Identifier: MIT */
#include "lua_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return lua_target_run("channel", data, size);
}
