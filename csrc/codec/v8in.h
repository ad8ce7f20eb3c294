/* v8in.h - the bytes of a payload while it is read.  No Lua.
 * A function returns 0 (take_bytes NULL) with `problem` set when they do not go on as
 * they must; nothing is read beyond `end`. */
#ifndef LCP_V8IN_H
#define LCP_V8IN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/v8format.h"

struct in {
  const unsigned char *begin, *at, *end;
  const char *problem;
};

static inline int in_fail(struct in *in, const char *problem) {
  in->problem = problem;
  return 0;
}

static inline size_t in_left(const struct in *in) { return (size_t)(in->end - in->at); }

static inline int take_varint(struct in *in, uint32_t *value) {
  uint32_t sum = 0;
  for (unsigned shift = 0; in->at < in->end; shift += 7) {
    unsigned char byte = *in->at++;
    if (shift > 28 || (shift == 28 && byte > 0x0F))
      return in_fail(in, "a number of more than 32 bits");
    sum |= (uint32_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *value = sum;
      return 1;
    }
  }
  return in_fail(in, "the end of the data");
}

/* The next `size` bytes; NULL when there are fewer. */
static inline const unsigned char *take_bytes(struct in *in, size_t size) {
  const unsigned char *bytes = in->at;
  if (size > in_left(in)) {
    in_fail(in, "the end of the data");
    return NULL;
  }
  in->at += size;
  return bytes;
}

static inline int take_double(struct in *in, double *value) {
  const unsigned char *bytes = take_bytes(in, sizeof *value);
  if (bytes)
    memcpy(value, bytes, sizeof *value);
  return bytes != NULL;
}

/* Passes padding and counts of old versions; *padded tells of a float of ours. */
static inline int take_tag(struct in *in, int *tag, int *padded) {
  uint32_t ignored;
  *padded = 0;
  while (in->at < in->end) {
    *tag = *in->at++;
    if (*tag == TAG_PADDING)
      *padded = 1;
    else if (*tag != TAG_OBJECT_COUNT)
      return 1;
    else if (!take_varint(in, &ignored))
      return 0;
  }
  return in_fail(in, "the end of the data");
}

/* Whether `tag` comes next; then it is passed. */
static inline int take_if(struct in *in, enum v8_tag tag) {
  const unsigned char *at = in->at;
  while (at < in->end && *at == TAG_PADDING)
    at++;
  if (at == in->end || *at != tag)
    return 0;
  in->at = at + 1;
  return 1;
}

/* A number that the writer had to count right. */
static inline int take_count(struct in *in, uint32_t expected) {
  uint32_t count;
  if (!take_varint(in, &count))
    return 0;
  return count == expected || in_fail(in, "a wrong count");
}

#endif
