/* v8codec.h - the 'advanced' serialization of IPC messages. */
#ifndef LCP_V8CODEC_H
#define LCP_V8CODEC_H

#include <lua.h>

/* Adds v8_encode, v8_decode and v8_classes to the core table on top of the stack. */
int lcp__v8codec_open(lua_State *L);

#endif
