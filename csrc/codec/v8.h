/* v8.h - V8's structured-clone format (v8/src/objects/value-serializer.cc) to and from
 * Lua values, for messages: see codec.h.  Its tags, and which of its shapes a Lua table
 * takes.  Header of lua/child_process/ipc/advanced.lua: the mapping of values.
 *
 * A payload is 0xFF, the version, one value.  Lengths, counts and object ids are varints
 * of 32 bits; numbers and wide characters lie in the machine's byte order.  Each object
 * gets the next id when it begins; references to it come later.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_V8_H
#define LCP_V8_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/out.h"

int lcp__v8_encode(lua_State *L, int index, struct lcp__out *out);
int lcp__v8_decode(lua_State *L, const char *bytes, size_t size);

enum {
  V8_VERSION = 15, /* what Node 20 writes */
  V8_OLDEST = 13,
  V8_KIND_BUFFER = 10 /* a Buffer's number among the kinds of views */
};

/* The greatest whole number up to which a Number stands for every integer. */
#define V8_MAX_SAFE (INT64_C(1) << 53)

/* JavaScript's arrays are no longer than this. */
#define V8_MAX_LENGTH UINT32_C(0xFFFFFFFE)

enum lcp__v8_tag {
  V8_PADDING = '\0',
  V8_HEADER = 0xFF,
  V8_OBJECT_COUNT = '?', /* from old versions; skipped */
  V8_HOLE = '-',
  V8_UNDEFINED = '_',
  V8_NULL = '0',
  V8_TRUE = 'T',
  V8_FALSE = 'F',
  V8_INT32 = 'I', /* zigzag */
  V8_UINT32 = 'U',
  V8_DOUBLE = 'N',
  V8_BIGINT = 'Z',
  V8_ONE_BYTE = '"', /* Latin-1 */
  V8_TWO_BYTE = 'c', /* UTF-16 */
  V8_UTF8 = 'S',
  V8_REFERENCE = '^',
  V8_OBJECT = 'o',
  V8_OBJECT_END = '{',
  V8_DENSE = 'A',
  V8_DENSE_END = '$',
  V8_SPARSE = 'a',
  V8_SPARSE_END = '@',
  V8_MAP = ';',
  V8_MAP_END = ':',
  V8_SET = '\'',
  V8_SET_END = ',',
  V8_DATE = 'D',
  V8_REGEXP = 'R',
  V8_ERROR = 'r',
  V8_BOXED_TRUE = 'y',
  V8_BOXED_FALSE = 'x',
  V8_BOXED_NUMBER = 'n',
  V8_BOXED_BIGINT = 'z',
  V8_BOXED_STRING = 's',
  V8_ARRAY_BUFFER = 'B',
  V8_GROWING_BUFFER = '~',
  V8_VIEW = 'V',
  V8_HOST = '\\' /* written by Node's channel, not by V8: see enum lcp__v8_host */
};

/* lib/internal/child_process/serialization.js: V8 leaves typed arrays to Node, which
 * marks host objects that are not typed arrays. */
enum lcp__v8_host { V8_HOST_VIEW = 0, V8_HOST_OBJECT = 1 };

enum lcp__v8_error_tag {
  V8_ERROR_MESSAGE = 'm',
  V8_ERROR_CAUSE = 'c',
  V8_ERROR_STACK = 's',
  V8_ERROR_END = '.'
};

/* The classes of errors that the format can name, Error itself last and without a tag. */
struct lcp__v8_error_class {
  unsigned char tag;
  const char *name;
};
extern const struct lcp__v8_error_class lcp__v8_error_classes[];

/* Flags of a RegExp in the order in which JavaScript spells them, and their bits in V8's
 * JSRegExp::Flag. */
struct lcp__v8_flag {
  char letter;
  uint32_t bit;
};
extern const struct lcp__v8_flag lcp__v8_flags[];

enum lcp__v8_shape {
  V8_SHAPE_EMPTY,
  V8_SHAPE_OBJECT, /* string keys only, all of them UTF-8 */
  V8_SHAPE_ARRAY,  /* more than half of 1..length, and no other key */
  V8_SHAPE_PACKED, /* the same and `n`, the length: as table.pack makes it */
  V8_SHAPE_MAP
};

struct lcp__v8_layout {
  enum lcp__v8_shape shape;
  uint32_t length; /* of an array */
  uint32_t count;  /* entries in it */
};

struct lcp__v8_layout lcp__v8_layout(lua_State *L, int table);

#endif
