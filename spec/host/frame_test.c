/* frame_test.c - what csrc/os/frame.c does with one stream, for spec/ipc/frame_spec.lua.
 * frame_test line|length LIMIT STEP [place]: reads a stream from stdin, feeds it in
 * pieces of STEP bytes (0: all at once), or puts them where the frame reader wants them,
 * and prints for each frame its length, whether it is a view of what was fed, and its
 * bytes in hexadecimal; then what is left, and how many bytes had a place.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/os/frame.h"

static size_t placed;

static char *slurp(size_t *size) {
  size_t room = 1 << 16, n;
  char *bytes = malloc(room);
  *size = 0;
  while (bytes != NULL && (n = fread(bytes + *size, 1, room - *size, stdin)) > 0) {
    *size += n;
    if (*size == room)
      bytes = realloc(bytes, room *= 2);
  }
  return bytes;
}

/* Like a read into `piece`, or into its place; how many bytes. */
static size_t give(struct lcp__frames *f, const char *bytes, size_t size, char *piece) {
  size_t room;
  char *place = lcp__frames_place(f, size, &room);
  if (place == NULL) {
    memcpy(piece, bytes, size);
    lcp__frames_feed(f, piece, size);
    return size;
  }
  size = size < room ? size : room;
  memcpy(place, bytes, size);
  lcp__frames_placed(f, size, piece);
  placed += size;
  return size;
}

/* The piece is a block of its own and freed at once, so that a view that outlives it is
 * found by the sanitizers. */
static int feed_piece(struct lcp__frames *f, const char *bytes, size_t *size,
                      int may_place) {
  const char *frame;
  size_t length;
  int rc;
  char *piece = malloc(*size);
  if (piece == NULL)
    return -1;
  if (may_place) {
    *size = give(f, bytes, *size, piece);
  } else {
    memcpy(piece, bytes, *size);
    lcp__frames_feed(f, piece, *size);
  }
  while ((rc = lcp__frames_next(f, &frame, &length)) > 0) {
    int view = frame >= piece && frame < piece + *size;
    printf("%zu %s ", length, view ? "view" : "held");
    for (size_t i = 0; i < length && i < 64; i++)
      printf("%02x", (unsigned char)frame[i]);
    putchar('\n');
  }
  free(piece);
  return rc;
}

static size_t total(const struct lcp__spare *spare) {
  size_t sum = 0;
  for (int i = 0; i < LCP__SPARES; i++)
    sum += spare->block[i].room;
  return sum;
}

static int try_spare(char **words) {
  struct lcp__spare spare = {0};
  for (; *words != NULL; words++) {
    size_t size = strtoul(*words + 1, NULL, 10);
    if (**words == '+') {
      lcp__spare_give(&spare, (struct lcp__block){malloc(size), size});
    } else {
      struct lcp__block block = lcp__spare_take(&spare, size);
      printf("got %zu, ", block.room);
      free(block.bytes);
    }
  }
  printf("total %zu\n", total(&spare));
  lcp__spare_free(&spare);
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "spare") == 0)
    return try_spare(argv + 2);
  struct lcp__frames f;
  struct lcp__spare spare = {0};
  size_t size, step, done = 0;
  int rc = 0;
  char *bytes = slurp(&size);
  if (argc < 4 || bytes == NULL)
    return 2;
  lcp__frames_init(&f, argv[1][1] == 'i' ? LCP__FRAME_LINE : LCP__FRAME_LENGTH,
                   strtoul(argv[2], NULL, 10), &spare);
  step = strtoul(argv[3], NULL, 10);
  if (step == 0)
    step = size;
  while (rc == 0 && done < size) {
    size_t n = size - done < step ? size - done : step;
    rc = feed_piece(&f, bytes + done, &n, argc > 4);
    done += n;
  }
  printf("rc %d, held %zu, placed %zu, spare %zu, room %zu\n", rc, lcp__frames_held(&f),
         placed, total(&spare), f.held_room);
  lcp__frames_free(&f);
  lcp__spare_free(&spare);
  free(bytes);
  return 0;
}
