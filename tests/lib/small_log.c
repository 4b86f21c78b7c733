// Data sets from a few letters, for tests that check by hand.
#include "lib/small_log.h"

#include <string.h>
#include "data/writer.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static int32_t token_of(char c) {
  return c == '?' ? TOKEN_UNK : c == '.' ? TOKEN_SPECIALS : TOKEN_SPECIALS + 1 + (c - 'A');
}

void small_log(const char *dir, int32_t items, const char *const *sequences, int32_t n) {
  vocab *v;
  dataset_writer *w;
  int64_t counts[26] = {0};
  for (int32_t i = 0; i < n; i++)
    for (const char *p = sequences[i]; *p != '|'; p++)
      if (*p >= 'A' && *p <= 'Z') counts[*p - 'A']++;
  check_ok(vocab_new(&v));
  check_ok(vocab_add(v, RANGE_WORDS, "word", 1, NULL));
  for (int32_t i = 0; i < items; i++)
    check_ok(vocab_add(v, RANGE_ITEMS, (char[2]){(char)('A' + i)}, counts[i], NULL));
  check_ok(writer_open(&w, dir, 1 << 20, 4, true));
  for (int32_t i = 0; i < n; i++) {
    int32_t tokens[256], sessions[256] = {0}, cut[2] = {0}, cuts = 0;
    uint8_t events[256] = {0};
    int64_t times[256] = {0};
    sequence s = {.user = i, .tokens = tokens, .events = events, .times = times, .sessions = sessions};
    for (const char *p = sequences[i]; *p != '\0'; p++)
      if (*p == '|')
        cut[cuts++] = s.n;
      else
        tokens[s.n++] = token_of(*p);
    assert_int_equal(cuts, 2);
    s.valid_from = cut[0];
    s.test_from = cut[1];
    char name[32];
    snprintf(name, sizeof name, "user\t%d", i); // names are escaped in users.tsv
    check_ok(writer_add(w, &s, name));
  }
  dataset_info info = {
      .name = "small", .n_event_types = 1, .event_types = {"none"}, .window = 8, .stride = 4};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}

dataset *small_open(char dir[256], int32_t items, const char *const *sequences, int32_t n) {
  dataset *d;
  tiny_directory(dir, 256);
  small_log(dir, items, sequences, n);
  check_ok(dataset_open(&d, dir, true));
  return d;
}

void small_close(dataset *d, const char *dir) {
  dataset_close(d);
  tiny_remove(dir);
}
