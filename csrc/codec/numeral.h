/* numeral.h - numbers as JSON writes them, exactly.  No Lua, no libuv, no locale.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_NUMERAL_H
#define LCP_NUMERAL_H

#include <stdint.h>

#define LCP__NUMERAL_MAX 32 /* bytes that either writer may need */

/* Both return the number of bytes written.  A double comes back as the same double when
 * it is read, and has only as many digits as that takes, or very rarely one more; it must
 * be finite.  An integral one in the range of int64_t is written as an integer. */
unsigned lcp__numeral_integer(int64_t n, char *out);
unsigned lcp__numeral_double(double x, char *out);

enum lcp__numeral {
  LCP__NUMERAL_BAD,
  LCP__NUMERAL_INTEGER, /* integral, however it is written, and not -0 */
  LCP__NUMERAL_DOUBLE
};

/* Reads the longest number that begins at *at and moves *at behind it, or to the first
 * wrong byte.  Ends at `end` at the latest, where there must be a byte that cannot be
 * part of a number. */
enum lcp__numeral lcp__numeral_read(const char **at, const char *end, int64_t *n,
                                    double *x);

#endif
