/* v8in.h - a payload being read: its bytes, the objects begun so far, and the values that
 * contain no other values.
 * A function returns 0 (lcp__in_bytes NULL) with `problem` set when the next bytes are
 * invalid; nothing is read beyond `end`.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_V8IN_H
#define LCP_V8IN_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/v8.h"

struct lcp__in {
  const unsigned char *begin, *at, *end;
  const char *problem;
  lua_State *L;
  uint32_t version; /* of the format */
  uint32_t next_id; /* of the next object */
  int objects;      /* the slot of a table with them by id + 1; 0: no references occur */
};

static inline int lcp__in_fail(struct lcp__in *in, const char *problem) {
  in->problem = problem;
  return 0;
}

static inline size_t lcp__in_left(const struct lcp__in *in) {
  return (size_t)(in->end - in->at);
}

static inline int lcp__in_varint(struct lcp__in *in, uint32_t *value) {
  uint32_t sum = 0;
  for (unsigned shift = 0; in->at < in->end; shift += 7) {
    unsigned char byte = *in->at++;
    if (shift > 28 || (shift == 28 && byte > 0x0F))
      return lcp__in_fail(in, "a number of more than 32 bits");
    sum |= (uint32_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *value = sum;
      return 1;
    }
  }
  return lcp__in_fail(in, "the end of the data");
}

/* The next `size` bytes; NULL when there are fewer. */
static inline const unsigned char *lcp__in_bytes(struct lcp__in *in, size_t size) {
  const unsigned char *bytes = in->at;
  if (size > lcp__in_left(in)) {
    lcp__in_fail(in, "the end of the data");
    return NULL;
  }
  in->at += size;
  return bytes;
}

static inline int lcp__in_double(struct lcp__in *in, double *value) {
  const unsigned char *bytes = lcp__in_bytes(in, sizeof *value);
  if (bytes)
    memcpy(value, bytes, sizeof *value);
  return bytes != NULL;
}

/* Skips padding, which V8 puts in front of UTF-16 to align it, and counts of old
 * versions. A Lua peer puts padding in front of a float that is a whole number: *padded.
 */
static inline int lcp__in_tag(struct lcp__in *in, int *tag, int *padded) {
  uint32_t ignored;
  *padded = 0;
  while (in->at < in->end) {
    *tag = *in->at++;
    if (*tag == V8_PADDING)
      *padded = 1;
    else if (*tag != V8_OBJECT_COUNT)
      return 1;
    else if (!lcp__in_varint(in, &ignored))
      return 0;
  }
  return lcp__in_fail(in, "the end of the data");
}

/* Whether `tag` comes next; if so, skips it. */
static inline int lcp__in_if(struct lcp__in *in, enum lcp__v8_tag tag) {
  const unsigned char *at = in->at;
  while (at < in->end && *at == V8_PADDING)
    at++;
  if (at == in->end || *at != tag)
    return 0;
  in->at = at + 1;
  return 1;
}

/* A number that the writer had to count right. */
static inline int lcp__in_count(struct lcp__in *in, uint32_t expected) {
  uint32_t count;
  if (!lcp__in_varint(in, &count))
    return 0;
  return count == expected || lcp__in_fail(in, "a wrong count");
}

/* The two bytes before the value: a mark, and the version of the format.  0 with
 * `problem` set unless it can be read. */
int lcp__in_header(struct lcp__in *in);

/* ---- in v8in.c; each pushes one value ---- */

/* The table of an object that begins here. */
void lcp__in_object(struct lcp__in *in, int positions, int fields);

/* stack: object; references may refer to it from now on */
void lcp__in_keep(struct lcp__in *in, uint32_t id);

/* A length and as many bytes. */
int lcp__in_push_bytes(struct lcp__in *in);

/* A text with its tag, where only text is allowed. */
int lcp__in_push_text(struct lcp__in *in);

/* Reads one part of an error into the table.  Tags other than those of enum
 * lcp__v8_error_tag name its class. */
int lcp__in_error_part(struct lcp__in *in, int table, int tag);

/* The rest of a value that contains no other values; -1 for another kind of value. */
int lcp__in_push_plain(struct lcp__in *in, int tag, int padded);

#endif
