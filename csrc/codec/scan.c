/* scan.c - see scan.h.  Owns nothing.
 *
 * Long texts go in steps of 128 bytes.  Each loop over steps is compiled twice: as the
 * compiler is set, for x86-64 with registers of 16 bytes, and for processors with AVX2,
 * where it takes less than half the time: 20 us for a megabyte, as long as copying it.
 * SPDX-License-Identifier: MIT */
#include "codec/scan.h"

#include <stdint.h>
#include <string.h>

/* Vector types of gcc and clang, which use the processor's instructions for them.  Gcc
 * warns that i386 has none in its calling convention; no other file calls these. */
#pragma GCC diagnostic ignored "-Wpsabi"
typedef unsigned char block __attribute__((vector_size(16)));
typedef signed char signed_block __attribute__((vector_size(16)));
typedef unsigned char wide __attribute__((vector_size(32)));
typedef signed char signed_wide __attribute__((vector_size(32)));

enum { SHORT = 64, STEP = 128, WIDES = STEP / sizeof(wide) };

#define HIGH UINT64_C(0x8080808080808080)

/* All ones where a byte is not plain.  With bit 1 flipped, the quotation mark comes right
 * behind the control characters; with bit 7 as well, one signed comparison finds both. */
#define SPECIAL(type, signed_type, b)                                                    \
  ((type)((signed_type)((b) ^ 0x82) < (signed char)(0x21 - 0x80)) | (type)((b) == '\\'))

/* ---- steps ---- */

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define FOR_AVX2 __attribute__((target("avx2")))
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define FOR_AVX2
#define HAS_AVX2 0
#endif

INLINE wide wide_at(const char *p) {
  wide b;
  memcpy(&b, p, sizeof b);
  return b;
}

INLINE uint64_t wide_any(wide b) {
  uint64_t words[4];
  memcpy(words, &b, sizeof words);
  return words[0] | words[1] | words[2] | words[3];
}

INLINE wide wide_special(wide b) { return SPECIAL(wide, signed_wide, b); }

/* From `i` on in whole steps, as long as it is plain. */
INLINE size_t plain_steps(const char *text, size_t i, size_t size, unsigned *high) {
  wide all = {0};
  for (; size - i >= STEP; i += STEP) {
    wide special = {0}, seen = {0};
    for (size_t j = 0; j < WIDES; j++) {
      wide b = wide_at(text + i + j * sizeof b);
      special |= wide_special(b);
      seen |= b;
    }
    if (wide_any(special))
      break;
    all |= seen;
  }
  *high |= (wide_any(all) & HIGH) != 0 ? 0x80 : 0;
  return i;
}

INLINE size_t ascii_steps(const char *text, size_t i, size_t size) {
  for (; size - i >= STEP; i += STEP) {
    wide seen = {0};
    for (size_t j = 0; j < WIDES; j++)
      seen |= wide_at(text + i + j * sizeof seen);
    if (wide_any(seen) & HIGH)
      break;
  }
  return i;
}

static size_t plain_baseline(const char *text, size_t i, size_t size, unsigned *high) {
  return plain_steps(text, i, size, high);
}

static size_t ascii_baseline(const char *text, size_t i, size_t size) {
  return ascii_steps(text, i, size);
}

FOR_AVX2 static size_t plain_avx2(const char *text, size_t i, size_t size,
                                  unsigned *high) {
  return plain_steps(text, i, size, high);
}

FOR_AVX2 static size_t ascii_avx2(const char *text, size_t i, size_t size) {
  return ascii_steps(text, i, size);
}

/* ---- whole texts: the first SHORT bytes and the last in small pieces, since what lies
 * between two other characters is often short ---- */

static int is_plain(char c) { return (unsigned char)c >= 0x20 && c != '"' && c != '\\'; }

static uint64_t block_any(block b) {
  uint64_t halves[2];
  memcpy(halves, &b, sizeof halves);
  return halves[0] | halves[1];
}

static block block_special(block b) { return SPECIAL(block, signed_block, b); }

static size_t plain_blocks(const char *text, size_t i, size_t size, unsigned *high) {
  for (block b; size - i >= sizeof b; i += sizeof b) {
    memcpy(&b, text + i, sizeof b);
    if (block_any(block_special(b)))
      break;
    *high |= (block_any(b) & HIGH) != 0 ? 0x80 : 0;
  }
  return i;
}

size_t lcp__scan_plain(const char *text, size_t size, unsigned *high) {
  size_t i = plain_blocks(text, 0, size < STEP ? size : SHORT, high);
  if (i == SHORT && size >= STEP)
    i = HAS_AVX2 ? plain_avx2(text, i, size, high) : plain_baseline(text, i, size, high);
  i = plain_blocks(text, i, size, high);
  unsigned seen = 0;
  for (; i < size && is_plain(text[i]); i++)
    seen |= (unsigned char)text[i];
  *high |= seen & 0x80;
  return i;
}

static int is_ascii_word(const char *text) {
  uint64_t word;
  memcpy(&word, text, sizeof word);
  return (word & HIGH) == 0;
}

static size_t ascii_words(const char *text, size_t i, size_t size) {
  while (size - i >= sizeof(uint64_t) && is_ascii_word(text + i))
    i += sizeof(uint64_t);
  return i;
}

size_t lcp__scan_ascii(const char *text, size_t size) {
  size_t i = ascii_words(text, 0, size < STEP ? size : SHORT);
  if (i == SHORT && size >= STEP)
    i = HAS_AVX2 ? ascii_avx2(text, i, size) : ascii_baseline(text, i, size);
  i = ascii_words(text, i, size);
  while (i < size && (unsigned char)text[i] < 0x80)
    i++;
  return i;
}
