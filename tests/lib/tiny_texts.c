// Small data sets with texts; see tiny_texts.h.
#include "lib/tiny_texts.h"

#include <stdlib.h>
#include "data/item_texts.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static vocab *vocabulary(int32_t items) {
  vocab *v;
  char name[32];
  check_ok(vocab_new(&v));
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "w%d", i);
    check_ok(vocab_add(v, RANGE_WORDS, name, 0, NULL));
  }
  check_ok(vocab_add(v, RANGE_WORDS, "##a", 0, NULL));
  check_ok(vocab_add(v, RANGE_WORDS, "##b", 0, NULL));
  check_ok(vocab_add(v, RANGE_ATTRIBUTES, "brand=x", 0, NULL));
  check_ok(vocab_add(v, RANGE_ATTRIBUTES, "brand=y", 0, NULL));
  for (int32_t i = 0; i < items; i++) {
    snprintf(name, sizeof name, "item%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, 0, NULL));
  }
  return v;
}

static void write_texts(dataset_writer *w, int32_t items) {
  char path[400];
  int64_t *offsets = calloc((size_t)items + 1, sizeof *offsets);
  int32_t *tokens = calloc((size_t)items * 20 + 1, sizeof *tokens);
  assert_true(offsets != NULL && tokens != NULL);
  for (int32_t i = 0; i < items; i++) {
    int64_t at = offsets[i];
    for (int32_t k = 0; k < i % 7; k++) {
      tokens[at++] = TOKEN_SPECIALS + (i + k) % 10;
      if (k % 3 != 2) continue;
      tokens[at++] = TOKEN_SPECIALS + 10;
      tokens[at++] = TOKEN_SPECIALS + 11;
    }
    tokens[at++] = TOKEN_SPECIALS + TINY_WORDS + i % 2;
    offsets[i + 1] = at;
  }
  check_ok(writer_path(w, "texts.h5", path, sizeof path));
  check_ok(item_texts_write(&(item_texts){items, offsets, tokens}, path, 4));
  check_ok(writer_list(w, "texts.h5"));
  free(offsets);
  free(tokens);
}

void tiny_texts(const char *dir, int32_t users, int32_t items) {
  dataset_writer *w;
  int32_t tokens[16], sessions[16] = {0};
  uint8_t events[16];
  int64_t times[16];
  check_ok(writer_open(&w, dir, 500, 4, true));
  for (int32_t u = 0; u < users; u++) {
    const int32_t n = 3 + u % 7;
    for (int32_t i = 0; i < n; i++) {
      tokens[i] = TINY_FIRST + (u * 5 + i * 3) % items;
      events[i] = (uint8_t)(1 + (i + u) % 2);
      times[i] = 1000 * u + i;
    }
    tiny_add(w, u, n, tokens, events, times, sessions);
  }
  write_texts(w, items);
  vocab *v = vocabulary(items);
  dataset_info info = {.name = "texts",
                       .n_event_types = 3,
                       .event_types = {"none", "view", "buy"},
                       .window = 8,
                       .stride = 4,
                       .has_time = true};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}
