/* v8format.h - V8's structured-clone format: its tags, and which of its shapes a Lua
 * table takes.  The mapping of values is told in lua/child_process/ipc/advanced.lua.
 *
 * A payload is 0xFF, the version, one value.  Lengths, counts and object ids are varints
 * of 32 bits; numbers and wide characters lie in the machine's byte order.  Each object
 * gets the next id when it begins, whoever refers to it comes later. */
#ifndef LCP_V8FORMAT_H
#define LCP_V8FORMAT_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

enum {
  V8_VERSION = 15, /* what Node 20 writes */
  V8_OLDEST = 13,
  V8_DEPTH = 200, /* levels of nesting, each one of the C stack, that either way takes */
  V8_BUFFER = 10  /* a Buffer's number among the kinds of views */
};

/* The greatest whole number up to which a Number stands for every integer. */
#define V8_MAX_SAFE (INT64_C(1) << 53)

/* JavaScript's arrays are no longer than this. */
#define V8_MAX_LENGTH UINT32_C(0xFFFFFFFE)

enum v8_tag {
  TAG_PADDING = '\0',
  TAG_VERSION = 0xFF,
  TAG_OBJECT_COUNT = '?', /* of old versions; to be skipped */
  TAG_HOLE = '-',
  TAG_UNDEFINED = '_',
  TAG_NULL = '0',
  TAG_TRUE = 'T',
  TAG_FALSE = 'F',
  TAG_INT32 = 'I', /* zigzag */
  TAG_UINT32 = 'U',
  TAG_DOUBLE = 'N',
  TAG_BIGINT = 'Z',
  TAG_ONE_BYTE = '"', /* Latin-1 */
  TAG_TWO_BYTE = 'c', /* UTF-16 */
  TAG_UTF8 = 'S',
  TAG_REFERENCE = '^',
  TAG_OBJECT = 'o',
  TAG_OBJECT_END = '{',
  TAG_DENSE = 'A',
  TAG_DENSE_END = '$',
  TAG_SPARSE = 'a',
  TAG_SPARSE_END = '@',
  TAG_MAP = ';',
  TAG_MAP_END = ':',
  TAG_SET = '\'',
  TAG_SET_END = ',',
  TAG_DATE = 'D',
  TAG_REGEXP = 'R',
  TAG_ERROR = 'r',
  TAG_BOXED_TRUE = 'y',
  TAG_BOXED_FALSE = 'x',
  TAG_BOXED_NUMBER = 'n',
  TAG_BOXED_BIGINT = 'z',
  TAG_BOXED_STRING = 's',
  TAG_ARRAY_BUFFER = 'B',
  TAG_GROWING_BUFFER = '~',
  TAG_VIEW = 'V',
  TAG_HOST = '\\' /* what the channel of Node writes by itself, see enum v8_host */
};

enum v8_host { HOST_VIEW = 0, HOST_OBJECT = 1 };

enum v8_error_tag {
  ERROR_MESSAGE = 'm',
  ERROR_CAUSE = 'c',
  ERROR_STACK = 's',
  ERROR_END = '.'
};

/* The classes of errors that the format can name, Error itself last and without a tag. */
struct v8_error_class {
  unsigned char tag;
  const char *name;
};
extern const struct v8_error_class lcp__v8_error_classes[];

/* Flags of a RegExp in the order in which JavaScript spells them, and their bits. */
struct v8_flag {
  char letter;
  uint32_t bit;
};
extern const struct v8_flag lcp__v8_flags[];

enum v8_shape {
  SHAPE_EMPTY,
  SHAPE_OBJECT, /* string keys only, all of them UTF-8 */
  SHAPE_ARRAY,  /* more than half of 1..length, and no other key */
  SHAPE_PACKED, /* the same and `n`, the length: as table.pack makes it */
  SHAPE_MAP
};

struct v8_layout {
  enum v8_shape shape;
  uint32_t length; /* of an array */
  uint32_t count;  /* entries in it */
};

struct v8_layout lcp__v8_layout(lua_State *L, int table);

/* Whether all bytes are below 0x80: a text that is its own Latin-1. */
int lcp__v8_is_ascii(const char *bytes, size_t size);

#endif
