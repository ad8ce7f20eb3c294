/* embedded.h - the module's Lua files, inside the static library.  The build generates
 * the table from lua/child_process (cmake/embed.cmake).
 * SPDX-License-Identifier: MIT */
#ifndef LCP_EMBEDDED_H
#define LCP_EMBEDDED_H

#include <stddef.h>

struct lcp__embedded {
  const char *name;  /* for require */
  const char *chunk; /* for tracebacks; `=…`, since it is not the name of a file */
  const unsigned char *text;
  size_t size;
};

/* The last one has no name. */
extern const struct lcp__embedded lcp__embedded[];

#endif
