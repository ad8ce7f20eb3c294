/* transcode.h - converts between bytes and text in Node's encodings.  No Lua, no libuv.
 *
 * Decoding turns bytes into a UTF-8 text and works in pieces: a character (or a group of
 * three bytes of base64) that ends in a later piece is kept until then.
 *
 *   struct lcp__decoder d = {.encoding = LCP__UTF8};
 *   char *out = malloc(lcp__decode_bound(&d, size));
 *   n = lcp__decode(&d, in, size, out);
 *   n = lcp__decode_finish(&d, out);            // the bytes kept so far; resets d
 *
 * Encoding is the reverse, in one piece.  No function fails: malformed input becomes
 * U+FFFD or is skipped, as in Node.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_TRANSCODE_H
#define LCP_TRANSCODE_H

#include <stddef.h>
#include <stdint.h>

enum lcp__encoding {
  LCP__BYTES, /* untouched */
  LCP__UTF8,
  LCP__LATIN1,
  LCP__ASCII,
  LCP__UTF16LE,
  LCP__HEX,
  LCP__BASE64,
  LCP__BASE64URL
};

struct lcp__decoder {
  enum lcp__encoding encoding;
  unsigned kept;         /* how many bytes of `tail` are in use */
  unsigned char tail[4]; /* input that is not yet a whole character or group */
};

/* Most bytes that a lcp__decode of `size` bytes and a lcp__decode_finish can write. */
size_t lcp__decode_bound(const struct lcp__decoder *d, size_t size);

/* Both return the number of bytes written to `out`. */
size_t lcp__decode(struct lcp__decoder *d, const char *in, size_t size, char *out);
size_t lcp__decode_finish(struct lcp__decoder *d, char *out);

/* Most bytes that lcp__encode can write. */
size_t lcp__encode_bound(enum lcp__encoding encoding, size_t size);

/* `text` as bytes of the encoding; returns the number of bytes written to `out`. */
size_t lcp__encode(enum lcp__encoding encoding, const char *text, size_t size, char *out);

/* The length of the longest prefix that is well-formed UTF-8 and ends with a character.
 */
size_t lcp__utf8_prefix(const char *text, size_t size);

#define LCP__UTF8_MAX 4 /* bytes of a character */
#define LCP__REPLACEMENT UINT32_C(0xFFFD)

/* Writes a character; returns the place behind it. */
static inline char *lcp__utf8_put(char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (char)code;
    return out;
  }
  if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *out++ = (char)(0xE0 | code >> 12);
    } else {
      *out++ = (char)(0xF0 | code >> 18);
      *out++ = (char)(0x80 | (code >> 12 & 0x3F));
    }
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
  }
  *out++ = (char)(0x80 | (code & 0x3F));
  return out;
}

/* The character of a surrogate pair. */
static inline uint32_t lcp__utf16_pair(uint32_t high, uint32_t low) {
  return 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
}

#endif
