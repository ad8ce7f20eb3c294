/* uncompiled.c - in the place of what cmake/compile.lua makes, where no Lua was found to
 * compile with: all files are compiled when they are loaded.
 * SPDX-License-Identifier: MIT */
#include "compiled.h"

const struct lcp__compiler lcp__compiler;
const struct lcp__compiled lcp__compiled[] = {{0, 0, 0, 0}};
