/* scan_test.c - csrc/codec/scan.c against the plainest way of looking at a text, for
 * spec/ipc/scan_spec.lua: with each byte at each place of texts of each size, as this
 * processor does it and as one without AVX2.  Prints how many texts were alike.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t lcp__scan_plain(const char *text, size_t size, unsigned *high);
size_t lcp__scan_ascii(const char *text, size_t size);

#undef __x86_64__
#define lcp__scan_plain base_plain
#define lcp__scan_ascii base_ascii
#include "../../csrc/codec/scan.c"
#undef lcp__scan_plain
#undef lcp__scan_ascii

struct answer {
  size_t plain, ascii;
  unsigned high;
};

static struct answer look(const char *text, size_t size) {
  struct answer a = {0, 0, 0};
  while (a.ascii < size && (text[a.ascii] & 0x80) == 0)
    a.ascii++;
  for (; a.plain < size; a.plain++) {
    unsigned char c = (unsigned char)text[a.plain];
    if (c < 0x20 || c == '"' || c == '\\')
      break;
    a.high |= c & 0x80;
  }
  return a;
}

static int same(struct answer a, struct answer b) {
  return a.plain == b.plain && a.ascii == b.ascii && a.high == b.high;
}

static int check(const char *text, size_t size) {
  struct answer wanted = look(text, size), ours = {0, 0, 0}, base = {0, 0, 0};
  ours.plain = lcp__scan_plain(text, size, &ours.high);
  ours.ascii = lcp__scan_ascii(text, size);
  base.plain = base_plain(text, size, &base.high);
  base.ascii = base_ascii(text, size);
  return same(wanted, ours) && same(wanted, base);
}

static void try_byte(char *text, size_t size, size_t at, unsigned byte) {
  text[at] = (char)byte;
  if (!check(text, size)) {
    printf("byte %u at %zu of %zu\n", byte, at, size);
    exit(1);
  }
  text[at] = 'x';
}

/* The text is a block of its own, so that the sanitizers find what reads beyond it. */
static unsigned long try_size(size_t size, const unsigned char *bytes, int n) {
  char *text = malloc(size > 0 ? size : 1);
  if (text == NULL)
    exit(1);
  memset(text, 'x', size);
  for (size_t at = 0; at < size; at++) {
    for (int i = 0; i < n; i++)
      try_byte(text, size, at, bytes[i]);
  }
  free(text);
  return size * (unsigned long)n;
}

int main(void) {
  static const unsigned char some[] = {0,   0x1F, ' ',  '!',  '"',
                                       '#', '\\', 0x80, 0xA2, 255};
  unsigned char all[256];
  unsigned long count = 0;
  for (int i = 0; i < 256; i++)
    all[i] = (unsigned char)i;
  for (size_t size = 0; size < 400; size++)
    count += try_size(size, some, sizeof some);
  for (size_t size = 1; size < 400; size += 96)
    count += try_size(size, all, 256);
  printf("%lu texts alike\n", count);
  return 0;
}
