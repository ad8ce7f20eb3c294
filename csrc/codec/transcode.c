/* transcode.c - see transcode.h.  Owns nothing; all state is in the caller's decoder.
 * SPDX-License-Identifier: MIT */
#include "codec/transcode.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "codec/scan.h"

#define ASCII_MASK UINT64_C(0x8080808080808080)

typedef unsigned char byte;

/* ---- UTF-8 ---- */

enum sequence {
  SEQUENCE_WHOLE, /* a character */
  SEQUENCE_CUT,   /* the beginning of one, at the end of the input */
  SEQUENCE_BAD    /* a maximal subpart: stands for one U+FFFD */
};

/* How many bytes follow a lead byte, and what the first of them may be (Unicode 15,
 * table 3-7); 0 for a byte that cannot lead. */
static unsigned trailer_of(byte lead, byte *low, byte *high) {
  *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (lead < 0xC2 || lead > 0xF4)
    return 0;
  return lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
}

/* Looks at the character that begins at `p`, which is not ASCII; n >= 1.  Ends at the
 * first byte that cannot follow (a "maximal subpart", Unicode 15, 3.9), so that a broken
 * text gets as many U+FFFD as in Node, Python and browsers. */
static enum sequence sequence_scan(const byte *p, size_t n, size_t *length) {
  byte low, high;
  size_t i, trailer = trailer_of(p[0], &low, &high);
  for (i = 1; i <= trailer && i < n; i++) {
    if (p[i] < low || p[i] > high)
      break;
    low = 0x80, high = 0xBF;
  }
  *length = i;
  if (trailer > 0 && i > trailer)
    return SEQUENCE_WHOLE;
  return trailer > 0 && i == n ? SEQUENCE_CUT : SEQUENCE_BAD;
}

/* What lies between two other characters is mostly short: see scan.h for long texts. */
static size_t ascii_run(const byte *p, size_t n) {
  size_t i = 0;
  uint64_t word;
  while (n - i >= sizeof word) {
    memcpy(&word, p + i, sizeof word);
    if (word & ASCII_MASK)
      break;
    i += sizeof word;
  }
  while (i < n && p[i] < 0x80)
    i++;
  return i;
}

size_t lcp__utf8_prefix(const char *text, size_t size) {
  const byte *p = (const byte *)text;
  size_t i = lcp__scan_ascii(text, size), length;
  while (i < size && sequence_scan(p + i, size - i, &length) == SEQUENCE_WHOLE) {
    i += length;
    i += ascii_run(p + i, size - i);
  }
  return i;
}

/* How many bytes that takes. */
static size_t utf8_put(uint32_t code, char *out) {
  return (size_t)(lcp__utf8_put(out, code) - out);
}

/* The code point at `p` and its length; U+FFFD for a malformed sequence. */
static uint32_t utf8_get(const byte *p, size_t n, size_t *length) {
  static const byte mask[] = {0, 0, 0x1F, 0x0F, 0x07};
  *length = 1;
  if (p[0] < 0x80)
    return p[0];
  if (sequence_scan(p, n, length) != SEQUENCE_WHOLE)
    return LCP__REPLACEMENT;
  uint32_t code = p[0] & mask[*length];
  for (size_t i = 1; i < *length; i++)
    code = code << 6 | (p[i] & 0x3F);
  return code;
}

/* Keeps the rest of the input for the next piece. */
static void keep(struct lcp__decoder *d, const byte *p, size_t n) {
  assert(n < sizeof d->tail);
  memcpy(d->tail, p, n);
  d->kept = (unsigned)n;
}

/* Ends the character whose beginning was kept; returns how much of `p` that took. */
static size_t utf8_resume(struct lcp__decoder *d, const byte *p, size_t n, char *out,
                          size_t *written) {
  byte joined[sizeof d->tail + 3];
  size_t length, extra = n < 3 ? n : 3, had = d->kept;
  memcpy(joined, d->tail, had);
  memcpy(joined + had, p, extra);
  enum sequence what = sequence_scan(joined, had + extra, &length);
  if (what == SEQUENCE_CUT) {
    keep(d, joined, had + extra);
    return n;
  }
  d->kept = 0;
  if (what == SEQUENCE_WHOLE)
    memcpy(out, joined, *written = length);
  else
    *written = utf8_put(LCP__REPLACEMENT, out);
  return length - had;
}

static size_t utf8_decode(struct lcp__decoder *d, const byte *p, size_t n, char *out) {
  size_t i = 0, used = 0;
  if (d->kept > 0 && n > 0)
    i = utf8_resume(d, p, n, out, &used);
  while (i < n) {
    size_t length, run = lcp__utf8_prefix((const char *)p + i, n - i);
    memcpy(out + used, p + i, run);
    i += run, used += run;
    if (i == n)
      break;
    if (sequence_scan(p + i, n - i, &length) == SEQUENCE_CUT) {
      keep(d, p + i, n - i);
      break;
    }
    used += utf8_put(LCP__REPLACEMENT, out + used);
    i += length;
  }
  return used;
}

/* ---- UTF-16LE and single bytes ---- */

static uint32_t unit_at(const byte *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }

static int is_high(uint32_t unit) { return (unit & 0xFC00) == 0xD800; }

static int is_low(uint32_t unit) { return (unit & 0xFC00) == 0xDC00; }

/* The character at `p`; returns the bytes it takes, or 0 when more are needed.  Half of a
 * surrogate pair is U+FFFD: UTF-8 cannot represent it. */
static size_t utf16_get(const byte *p, size_t n, uint32_t *code) {
  if (n < 2)
    return 0;
  *code = unit_at(p);
  if (is_high(*code)) {
    if (n < 4)
      return 0;
    uint32_t low = unit_at(p + 2);
    if (is_low(low)) {
      *code = lcp__utf16_pair(*code, low);
      return 4;
    }
  }
  if (is_high(*code) || is_low(*code))
    *code = LCP__REPLACEMENT;
  return 2;
}

static size_t utf16_decode(struct lcp__decoder *d, const byte *p, size_t n, char *out) {
  size_t used = 0, taken;
  uint32_t code;
  while (d->kept > 0 && n > 0) {
    d->tail[d->kept++] = *p++;
    n--;
    taken = utf16_get(d->tail, d->kept, &code);
    if (taken > 0) {
      used += utf8_put(code, out + used);
      /* a lone high surrogate: the unit behind it is looked at again */
      d->kept -= (unsigned)taken;
      memmove(d->tail, d->tail + taken, d->kept);
      if (d->kept == 2 && (taken = utf16_get(d->tail, 2, &code)) > 0) {
        used += utf8_put(code, out + used);
        d->kept = 0;
      }
    }
  }
  for (; (taken = utf16_get(p, n, &code)) > 0; p += taken, n -= taken)
    used += utf8_put(code, out + used);
  if (n > 0)
    keep(d, p, n);
  return used;
}

/* Latin-1, or ASCII, of which Node ignores the highest bit: `mask`. */
static size_t latin1_decode(const byte *p, size_t n, byte mask, char *out) {
  size_t used = 0;
  for (size_t i = 0; i < n; i++)
    used += utf8_put(p[i] & mask, out + used);
  return used;
}

/* ---- hex and base64 ---- */

static const char hex_digits[] = "0123456789abcdef";

static size_t hex_decode(const byte *p, size_t n, char *out) {
  for (size_t i = 0; i < n; i++) {
    out[2 * i] = hex_digits[p[i] >> 4];
    out[2 * i + 1] = hex_digits[p[i] & 15];
  }
  return 2 * n;
}

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char *alphabet_of(enum lcp__encoding encoding) {
  return encoding == LCP__BASE64URL ? url_alphabet : alphabet;
}

/* One group of 1 to 3 bytes as 2 to 4 digits. */
static size_t base64_put(const char *digits, const byte *p, size_t n, char *out) {
  uint32_t bits = (uint32_t)p[0] << 16;
  if (n > 1)
    bits |= (uint32_t)p[1] << 8;
  if (n > 2)
    bits |= p[2];
  for (size_t i = 0; i <= n; i++)
    out[i] = digits[bits >> (18 - 6 * i) & 63];
  return n + 1;
}

static size_t base64_decode(struct lcp__decoder *d, const byte *p, size_t n, char *out) {
  const char *digits = alphabet_of(d->encoding);
  size_t used = 0;
  if (d->kept > 0) {
    for (; d->kept < 3 && n > 0; n--)
      d->tail[d->kept++] = *p++;
    if (d->kept < 3)
      return 0;
    used = base64_put(digits, d->tail, 3, out);
    d->kept = 0;
  }
  for (; n >= 3; p += 3, n -= 3)
    used += base64_put(digits, p, 3, out + used);
  if (n > 0)
    keep(d, p, n);
  return used;
}

/* ---- decoding, by encoding ---- */

size_t lcp__decode_bound(const struct lcp__decoder *d, size_t size) {
  size += d->kept;
  switch (d->encoding) {
  case LCP__UTF8:
    return 3 * size; /* each byte a U+FFFD */
  case LCP__UTF16LE:
    return 3 * (size / 2 + 1);
  case LCP__LATIN1:
  case LCP__HEX:
    return 2 * size;
  case LCP__BASE64:
  case LCP__BASE64URL:
    return 4 * (size / 3 + 1);
  default:
    return size;
  }
}

size_t lcp__decode(struct lcp__decoder *d, const char *in, size_t size, char *out) {
  const byte *p = (const byte *)in;
  switch (d->encoding) {
  case LCP__UTF8:
    return utf8_decode(d, p, size, out);
  case LCP__UTF16LE:
    return utf16_decode(d, p, size, out);
  case LCP__LATIN1:
    return latin1_decode(p, size, 0xFF, out);
  case LCP__ASCII:
    return latin1_decode(p, size, 0x7F, out);
  case LCP__HEX:
    return hex_decode(p, size, out);
  case LCP__BASE64:
  case LCP__BASE64URL:
    return base64_decode(d, p, size, out);
  default:
    memcpy(out, in, size);
    return size;
  }
}

size_t lcp__decode_finish(struct lcp__decoder *d, char *out) {
  size_t kept = d->kept, used;
  d->kept = 0;
  switch (d->encoding) {
  case LCP__UTF8: /* one maximal subpart */
    return kept > 0 ? utf8_put(LCP__REPLACEMENT, out) : 0;
  case LCP__UTF16LE: /* a high surrogate counts, an odd byte does not */
    return kept >= 2 ? utf8_put(LCP__REPLACEMENT, out) : 0;
  case LCP__BASE64:
  case LCP__BASE64URL:
    used = kept > 0 ? base64_put(alphabet_of(d->encoding), d->tail, kept, out) : 0;
    while (d->encoding == LCP__BASE64 && used % 4 != 0)
      out[used++] = '=';
    return used;
  default:
    return 0;
  }
}

/* ---- encoding ---- */

/* Node's strings are UTF-16: a character beyond U+FFFF gives two bytes. */
static size_t latin1_encode(const byte *p, size_t n, char *out) {
  size_t used = 0, length;
  for (size_t i = 0; i < n; i += length) {
    uint32_t code = utf8_get(p + i, n - i, &length);
    if (code > 0xFFFF)
      out[used++] = (char)((code - 0x10000) >> 10 & 0xFF);
    out[used++] = (char)(code & 0xFF);
  }
  return used;
}

static size_t unit_put(uint32_t unit, char *out) {
  out[0] = (char)(unit & 0xFF);
  out[1] = (char)(unit >> 8);
  return 2;
}

static size_t utf16_encode(const byte *p, size_t n, char *out) {
  size_t used = 0, length;
  for (size_t i = 0; i < n; i += length) {
    uint32_t code = utf8_get(p + i, n - i, &length);
    if (code > 0xFFFF) {
      code -= 0x10000;
      used += unit_put(0xD800 | code >> 10, out + used);
      code = 0xDC00 | (code & 0x3FF);
    }
    used += unit_put(code, out + used);
  }
  return used;
}

static int hex_value(byte c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to the first pair that is not hexadecimal, as Buffer.from(text, 'hex') does. */
static size_t hex_encode(const byte *p, size_t n, char *out) {
  size_t used = 0;
  for (; used < n / 2; used++) {
    int high = hex_value(p[2 * used]), low = hex_value(p[2 * used + 1]);
    if (high < 0 || low < 0)
      break;
    out[used] = (char)(high << 4 | low);
  }
  return used;
}

static int base64_value(byte c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Both alphabets in either encoding; other characters are skipped, `=` ends the text, and
 * a single digit at the end is dropped. */
static size_t base64_encode(const byte *p, size_t n, char *out) {
  size_t used = 0;
  uint32_t bits = 0;
  unsigned have = 0;
  for (size_t i = 0; i < n && p[i] != '='; i++) {
    int value = base64_value(p[i]);
    if (value < 0)
      continue;
    bits = bits << 6 | (uint32_t)value;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[used++] = (char)(bits >> have & 0xFF);
    }
  }
  return used;
}

size_t lcp__encode_bound(enum lcp__encoding encoding, size_t size) {
  return encoding == LCP__UTF16LE ? 2 * size : size;
}

size_t lcp__encode(enum lcp__encoding encoding, const char *text, size_t size,
                   char *out) {
  const byte *p = (const byte *)text;
  switch (encoding) {
  case LCP__LATIN1:
  case LCP__ASCII:
    return latin1_encode(p, size, out);
  case LCP__UTF16LE:
    return utf16_encode(p, size, out);
  case LCP__HEX:
    return hex_encode(p, size, out);
  case LCP__BASE64:
  case LCP__BASE64URL:
    return base64_encode(p, size, out);
  default:
    memcpy(out, text, size);
    return size;
  }
}
