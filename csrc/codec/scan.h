/* scan.h - how far a text is plain, or ASCII, many bytes at a time.
 * No Lua, no libuv.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SCAN_H
#define LCP_SCAN_H

#include <stddef.h>

/* How many bytes from `text` on can stand in a JSON string as they are: no quotation
 * mark, no backslash, no control character.  *high gets bit 7 when one of them is not
 * ASCII. */
size_t lcp__scan_plain(const char *text, size_t size, unsigned *high);

/* How many bytes are below 0x80. */
size_t lcp__scan_ascii(const char *text, size_t size);

#endif
