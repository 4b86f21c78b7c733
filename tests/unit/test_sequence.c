// The layout of sequences against hand-written rows, and against the rule said in the plainest way.
#include <string.h>
#include "base/philox.h"
#include "data/batch.h"
#include "data/vocab.h"
#include "format/sequence.h"
#include "format/vocabulary.h"
#include "lib/check.h"

enum { MOST = 64, GUARD = -77 };

typedef struct rows {
  int32_t ids[MOST], types[MOST], positions[MOST];
} rows;

static void write_rows(rows *r, const seq_plan *plan, const seq_layout *layout, const seq_input *a,
                       const seq_input *b) {
  for (int i = 0; i < MOST; i++) r->ids[i] = r->types[i] = r->positions[i] = GUARD;
  sequence_write(plan, layout, a, b, r->ids, r->types, r->positions);
  for (int i = plan->rows; i < MOST; i++)
    assert_true(r->ids[i] == GUARD && r->types[i] == GUARD && r->positions[i] == GUARD);
}

static const int32_t tokens[] = {10, 11, 12, 13, 14, 15}, others[] = {20, 21, 22};
static const uint8_t events[] = {0, 1, 2, 1, 7, 2}, other_events[] = {2, 0, 1};

static void history(void **state) {
  (void)state;
  const seq_layout layout = {
      .max_positions = 4, .n_event_types = 3, .segments = 1, .positions_from_end = true};
  const seq_input in = {tokens, events, 6};
  seq_plan p;
  rows r;
  assert_true(sequence_plan(&p, &layout, 6, NO_SECOND, false));
  assert_true(p.rows == 4 && p.kept == 4 && p.first == 0 && p.mask == -1);
  write_rows(&r, &p, &layout, &in, NULL);
  assert_memory_equal(r.ids, ((int32_t[]){12, 13, 14, 15}), 16);
  assert_memory_equal(r.types, ((int32_t[]){2, 1, 0, 2}), 16); // the layout has no event 7
  assert_memory_equal(r.positions, ((int32_t[]){3, 2, 1, 0}), 16);
}

static void query(void **state) {
  (void)state;
  seq_layout layout = {.max_positions = 5, .n_event_types = 3, .segments = 1, .cls_sep = true};
  const seq_input in = {tokens, NULL, 6};
  seq_plan p;
  rows r;
  assert_true(sequence_plan(&p, &layout, 6, NO_SECOND, true));
  assert_true(p.rows == 5 && p.kept == 2 && p.first == 1 && p.mask == 3);
  write_rows(&r, &p, &layout, &in, NULL);
  assert_memory_equal(r.ids, ((int32_t[]){2, 14, 15, 4, 3}), 20);
  assert_memory_equal(r.types, ((int32_t[]){0, 0, 0, 0, 0}), 20);
  assert_memory_equal(r.positions, ((int32_t[]){0, 1, 2, 3, 4}), 20);
  // A query may be its [MASK] alone; without one there must be a token.
  layout.max_positions = 3;
  assert_true(sequence_plan(&p, &layout, 6, NO_SECOND, true) && p.rows == 3 && p.kept == 0 && p.mask == 1);
  layout.max_positions = 2;
  assert_false(sequence_plan(&p, &layout, 6, NO_SECOND, true));
  assert_false(sequence_plan(&p, &layout, 6, NO_SECOND, false));
  layout.cls_sep = false;
  assert_false(sequence_plan(&p, &layout, 0, NO_SECOND, false));
}

// A causal model is asked at the newest event, with [CLS] and a history without events there, and at [MASK] where there is nothing.
static void causal_query(void **state) {
  (void)state;
  seq_layout layout = {
      .max_positions = 4, .n_event_types = 3, .segments = 1, .positions_from_end = true, .asks = ASKS_NEXT};
  const seq_input in = {tokens, NULL, 6}, none = {NULL, NULL, 0};
  seq_plan p;
  rows r;
  assert_true(sequence_plan(&p, &layout, 6, NO_SECOND, true));
  assert_true(p.rows == 4 && p.kept == 4 && p.first == 0 && p.mask == -1 && p.asked == 3);
  write_rows(&r, &p, &layout, &in, NULL);
  assert_memory_equal(r.ids, ((int32_t[]){12, 13, 14, 15}), 16);
  assert_true(sequence_plan(&p, &layout, 0, NO_SECOND, true) && p.rows == 1 && p.mask == 0 && p.asked == 0);
  write_rows(&r, &p, &layout, &none, NULL);
  assert_true(r.ids[0] == 4 && r.positions[0] == 0);
  layout.cls_sep = true;
  layout.asks = ASKS_BOTH;
  assert_true(sequence_plan(&p, &layout, 6, NO_SECOND, true));
  assert_true(p.rows == 4 && p.kept == 2 && p.first == 1 && p.mask == -1 && p.asked == 2);
  write_rows(&r, &p, &layout, &in, NULL);
  assert_memory_equal(r.ids, ((int32_t[]){2, 14, 15, 3}), 16);
  assert_true(sequence_plan(&p, &layout, 0, NO_SECOND, true) && p.rows == 2 && p.asked == 0 && p.mask == -1);
  // Without a query nothing is asked.
  assert_true(sequence_plan(&p, &layout, 6, NO_SECOND, false) && p.asked == -1);
  layout.cls_sep = false;
  assert_false(sequence_plan(&p, &layout, 0, NO_SECOND, false));
}

static void pair(void **state) {
  (void)state;
  const seq_layout layout = {.max_positions = 8, .n_event_types = 3, .segments = 2, .cls_sep = true};
  const seq_input a = {tokens, events, 6}, b = {others, other_events, 3};
  seq_plan p;
  rows r;
  assert_true(sequence_plan(&p, &layout, 6, 3, false));
  assert_true(p.rows == 8 && p.kept == 2 && p.second_kept == 3 && p.first == 1);
  write_rows(&r, &p, &layout, &a, &b);
  assert_memory_equal(r.ids, ((int32_t[]){2, 14, 15, 3, 20, 21, 22, 3}), 32);
  assert_memory_equal(r.types, ((int32_t[]){0, 0, 2, 0, 5, 3, 4, 3}), 32);
  assert_memory_equal(r.positions, ((int32_t[]){0, 1, 2, 3, 4, 5, 6, 7}), 32);
}

// Token by token, as the header says it.
static void drop(int32_t room, int32_t *a, int32_t *b) {
  while (*a + *b > room) {
    if (*a >= *b)
      --*a;
    else
      --*b;
  }
}

static void longer_segment_gives_way(void **state) {
  (void)state;
  for (int32_t room = 1; room < 12; room++)
    for (int32_t n = 0; n < 20; n++)
      for (int32_t m = 0; m < 20; m++) {
        const seq_layout layout = {.max_positions = room + 3, .cls_sep = true, .n_event_types = 1};
        int32_t a = n, b = m;
        seq_plan p;
        drop(room, &a, &b);
        assert_true(sequence_plan(&p, &layout, n, m, false));
        if (p.kept != a || p.second_kept != b)
          fail_msg("%d and %d in %d rows: %d and %d, not %d and %d", n, m, room, p.kept, p.second_kept, a, b);
      }
  const seq_layout layout = {.max_positions = INT32_MAX, .cls_sep = true, .n_event_types = 1};
  seq_plan p; // nothing overflows
  assert_true(sequence_plan(&p, &layout, INT32_MAX, INT32_MAX, false));
  assert_int_equal(p.rows, INT32_MAX);
}

// What a batch holds is what the layout writes, behind whatever the batch holds already.
static void batches_hold_it(void **state) {
  (void)state;
  const seq_layout layout = {.max_positions = 9, .n_event_types = 3, .segments = 2, .cls_sep = true};
  const seq_input a = {tokens, events, 6}, b = {others, other_events, 3};
  batch *to;
  seq_plan p;
  rows r;
  int32_t first, kept;
  check_ok(batch_new(&to, (batch_caps){.tokens = 17, .seqs = 4, .masked = 2}));
  batch_clear(to);
  assert_true(batch_add_query(to, &layout, &a, 1, -1));
  assert_true(to->n_masked == 1 && to->ids[to->masked[0]] == TOKEN_MASK);
  assert_true(batch_add(to, &layout, &b, &b, 2, &first, &kept) == false); // 9 and 9 rows
  assert_int_equal(to->tokens, 9);
  const seq_input one = {others, other_events, 1};
  assert_true(batch_add(to, &layout, &b, &one, 2, &first, &kept));
  assert_true(first == 10 && kept == 3);
  assert_true(sequence_plan(&p, &layout, 3, 1, false));
  write_rows(&r, &p, &layout, &b, &one);
  const size_t bytes = (size_t)p.rows * sizeof(int32_t);
  assert_memory_equal(to->ids + 9, r.ids, bytes);
  assert_memory_equal(to->types + 9, r.types, bytes);
  assert_memory_equal(to->positions + 9, r.positions, bytes);
  batch_free(to);
}

// Ids are in files: they may never change.
_Static_assert(TOKEN_PAD == 0 && TOKEN_UNK == 1 && TOKEN_CLS == 2 && TOKEN_SEP == 3 && TOKEN_MASK == 4 &&
                   TOKEN_SPECIALS == 5,
               "the ids of the special tokens");

static void special_tokens_agree(void **state) {
  (void)state;
  static const char *const texts[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  vocab *v;
  check_ok(vocab_new(&v));
  assert_int_equal(vocab_size(v), TOKEN_SPECIALS);
  for (int32_t id = 0; id < TOKEN_SPECIALS; id++) {
    assert_string_equal(special_tokens[id], texts[id]);
    assert_string_equal(vocab_token(v, id), texts[id]);
    assert_int_equal(vocab_find(v, RANGE_SPECIAL, texts[id]), id);
    // No vocabulary is read that has another token there.
    static const int32_t end[RANGE_COUNT] = {5, 5, 5, 6};
    char file[128] = "";
    for (int32_t line = 0; line < TOKEN_SPECIALS; line++)
      snprintf(file + strlen(file), sizeof file - strlen(file), "%s\t0\n",
               line == id ? "other" : texts[line]);
    strcat(file, "item\t1\n");
    vocab *other;
    format_error e;
    assert_false(vocabulary_parse(&other, file, strlen(file), end, "vocab.tsv", &e));
    if (strstr(e.message, texts[id]) == NULL) fail_msg("\"%s\" does not name %s", e.message, texts[id]);
  }
  vocab_free(v);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(history),
                                     cmocka_unit_test(query),
                                     cmocka_unit_test(causal_query),
                                     cmocka_unit_test(pair),
                                     cmocka_unit_test(longer_segment_gives_way),
                                     cmocka_unit_test(batches_hold_it),
                                     cmocka_unit_test(special_tokens_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
