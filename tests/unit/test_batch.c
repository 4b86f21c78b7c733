// The batch: its table of fields, the order of its calls, and that nothing is ever written where there is no room.
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/batch.h"
#include "data/vocab.h"
#include "lib/check.h"

static const batch_caps small = {.tokens = 200, .seqs = 4, .masked = 3, .negatives = 2, .targets = 4};
static const seq_layout layout = {.cls_sep = true, .max_positions = 150, .n_event_types = 2, .segments = 2};
enum { VOCAB = 50, CLASSES_FROM = TOKEN_SPECIALS };

static bool add(batch *b, int32_t n, int64_t id) {
  static int32_t tokens[150];
  for (int32_t i = 0; i < 150; i++) tokens[i] = CLASSES_FROM + i % (VOCAB - CLASSES_FROM);
  const batch_input in = {.tokens = tokens, .n = n};
  return batch_add(b, &layout, &in, NULL, id, NULL, NULL);
}

static batch *new_batch(batch_caps caps) {
  batch *b;
  check_ok(batch_new(&b, caps));
  return b;
}

// Two sequences (of 70 and 8 rows), two masked rows and a negative.
static batch *finished(void) {
  batch *b = new_batch(small);
  batch_clear(b);
  assert_true(add(b, 68, 7) && add(b, 6, 1000000007));
  assert_true(batch_add_masked(b, 3, 20, 1.0f) && batch_add_masked(b, 72, 21, 0.5f));
  assert_true(batch_add_negative(b, 30, -1.0f));
  const int32_t labels[] = {2, -1, 0, 1};
  const float weights[] = {1.0f, 0.0f, 0.5f, 2.0f};
  assert_true(batch_add_targets(b, 2, labels, weights) && batch_add_targets(b, 2, labels + 2, weights + 2));
  batch_finish(b);
  return b;
}

static const batch_limits limits = {.vocab = VOCAB,
                                    .types = 4,
                                    .positions = 150,
                                    .class_begin = CLASSES_FROM,
                                    .class_end = VOCAB,
                                    .seq_classes = 2,
                                    .target_classes = 3};

// ---- the table -----------------------------------------------------------------------------------------------

// Each field has a place of its own, aligned as device memory is and long enough.
static void test_places(void **unused) {
  (void)unused;
  batch *b = new_batch(small);
  const char *end = b->memory;
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const char *at = batch_array(&b->arrays, f);
    assert_true(at >= end && (at - b->memory) % 256 == 0 && f->text[0] != '\0');
    assert_int_equal(at - b->memory, batch_offset(small, i));
    end = at + batch_elements(f, b->caps) * f->size;
    for (int32_t k = 0; k < i; k++) assert_string_not_equal(f->name, batch_fields[k].name);
  }
  assert_true((size_t)(end - b->memory) <= batch_bytes(small));
  assert_int_equal(batch_bytes(small), batch_bytes(b->caps)); // work of 0 stands for the most there can be
  batch_view view;
  batch_place(&view, b->caps, b->memory);
  assert_ptr_equal(view.ids, b->ids);
  assert_ptr_equal(view.negative_logq, b->negative_logq);
  assert_memory_equal(&view, &b->arrays, sizeof view);
  batch_free(b);
}

static bool same_field(const batch *a, const batch *b, const batch_field *f) {
  return memcmp(batch_array(&a->arrays, f), batch_array(&b->arrays, f),
                batch_elements(f, a->live) * f->size) == 0;
}

static void test_copy(void **unused) {
  (void)unused;
  batch *b = finished(), *copy = new_batch(small);
  batch_copy(copy, b);
  check_ok(batch_ready(copy));
  assert_memory_equal(&copy->live, &b->live, sizeof b->live);
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) assert_true(same_field(b, copy, &batch_fields[i]));
  batch_clear(b);
  assert_true(add(b, 9, 3));
  assert_int_equal(copy->tokens, 78); // memory of its own
  assert_int_equal(copy->seq_ids[0], 7);
  batch_free(b);
  batch_free(copy);
}

static int64_t get(const batch *b, const batch_field *f, size_t i) {
  const void *array = batch_array(&b->arrays, f);
  return f->size == sizeof(int64_t) ? ((const int64_t *)array)[i] : ((const int32_t *)array)[i];
}

static void set(batch *b, const batch_field *f, size_t i, int64_t x) {
  void *array = batch_array(&b->arrays, f);
  if (f->size == sizeof(int64_t))
    ((int64_t *)array)[i] = x;
  else
    ((int32_t *)array)[i] = (int32_t)x;
}

// Is x refused as element i of a field? The sentence begins with the field's name, except for a length: the sentence may
// name the field that does not agree with it.
static void check_lie(batch *b, const batch_field *f, size_t i, int64_t x) {
  const int64_t honest = get(b, f, i);
  if (x == honest) return;
  set(b, f, i, x);
  assert_int_equal(batch_check(&b->arrays, b->live, &limits), ERR_FORMAT);
  if (f->kind != BATCH_LAYOUT) assert_ptr_equal(strstr(fail_message(), f->name), fail_message());
  set(b, f, i, honest);
}

// A value outside the range that the table gives a field is found in its first and in its last element. Fields that follow
// from the lengths must not have any value but the one that follows.
static void test_values(void **unused) {
  (void)unused;
  batch *b = finished();
  batch_limits limit = limits;
  limit.tokens = b->tokens;
  limit.seqs = b->seqs;
  batch_range may[N_BATCH_FIELDS];
  batch_ranges(&limit, may);
  check_ok(batch_check(&b->arrays, b->live, &limits));
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    if (f->real || may[i].from == INT64_MIN) continue;
    const size_t last = batch_elements(f, b->live) - 1;
    for (size_t at = 0; at <= last; at += last > 0 ? last : 1) {
      check_lie(b, f, at, may[i].from - 1);
      check_lie(b, f, at, may[i].below);
    }
  }
  check_lie(b, &batch_fields[0], 40, VOCAB); // and in the middle of one
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    if (f->kind == BATCH_ROW) check_lie(b, f, 1, get(b, f, 0)); // twice
    if (f->kind != BATCH_LAYOUT || may[i].from == INT64_MIN || strcmp(f->name, "prefix_len") == 0) continue;
    for (size_t at = 0; at < batch_elements(f, b->live); at++) check_lie(b, f, at, 1 - (get(b, f, at) == 1));
  }
  b->prefix_len[1] = 9; // of 8
  check_fails(batch_check(&b->arrays, b->live, &limits), ERR_FORMAT, "prefix_len has 9 of 8 tokens");
  batch_free(b);
}

// ---- the order of calls --------------------------------------------------------------------------------------

static void call_add(batch *b) {
  assert_false(add(b, 3, 0));
}
static void call_query(batch *b) {
  static const int32_t token = CLASSES_FROM;
  const batch_input in = {.tokens = &token, .n = 1};
  assert_false(batch_add_query(b, &layout, &in, 0, -1));
}
static void call_end(batch *b) {
  assert_false(batch_end_sequence(b, 3, 0));
}
static void call_masked(batch *b) {
  assert_false(batch_add_masked(b, 0, 20, 1.0f));
}
static void call_negative(batch *b) {
  assert_false(batch_add_negative(b, 20, 0.0f));
}

// Every call that writes is found after batch_finish and before batch_clear, changes nothing, and is not forgotten.
static void test_order(void **unused) {
  (void)unused;
  static const struct {
    const char *name;
    void (*call)(batch *b);
  } calls[] = {{"batch_add", call_add},
               {"batch_add_query", call_query},
               {"batch_end_sequence", call_end},
               {"batch_add_masked", call_masked},
               {"batch_add_negative", call_negative},
               {"batch_finish", batch_finish}};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    for (int cleared = 0; cleared < 2; cleared++) {
      batch *b = cleared ? finished() : new_batch(small), *before = new_batch(small);
      batch_copy(before, b);
      assert_false(batch_has_room(b, 1));
      calls[i].call(b);
      assert_memory_equal(&b->live, &before->live, sizeof b->live);
      assert_memory_equal(b->memory, before->memory, batch_live_bytes(before));
      char text[80];
      snprintf(text, sizeof text, "%s was called %s", calls[i].name,
               cleared ? "after batch_finish" : "before batch_clear");
      check_fails(batch_ready(b), ERR_INTERNAL, text);
      batch_clear(b);
      assert_true(add(b, 3, 0));
      batch_finish(b);
      check_fails(batch_ready(b), ERR_INTERNAL, text);
      batch_free(before);
      batch_free(b);
    }
  }
}

static void test_unfinished(void **unused) {
  (void)unused;
  batch *b = finished();
  check_ok(batch_ready(b));
  batch_clear(b);
  assert_true(add(b, 3, 0));
  check_fails(batch_ready(b), ERR_INTERNAL, "before batch_finish");
  batch_finish(b);
  check_ok(batch_ready(b));
  batch_free(b);
  b = new_batch(small);
  check_fails(batch_ready(b), ERR_INTERNAL, "before batch_finish");
  batch_free(b);
}

// ---- capacities ----------------------------------------------------------------------------------------------

// A batch whose memory was filled with PATTERN at first, which shows what was never written, and what it should hold.
enum { PATTERN = 0xA5, TRIES = 400 };

typedef struct walk {
  batch *b;
  rng r;
  bool masked[256]; // by row: is it masked?
  int32_t refused, done;
} walk;

static bool fits(const batch *b, int32_t n) {
  return n >= 1 && b->tokens + n <= b->caps.tokens && b->seqs + 1 <= b->caps.seqs &&
         b->n_work + (n + 63) / 64 <= b->caps.work;
}

// No live count beyond its capacity, and no byte written behind the live elements of a field.
static void check_bounds(const batch *b) {
  assert_true(b->tokens <= b->caps.tokens && b->seqs <= b->caps.seqs && b->n_masked <= b->caps.masked &&
              b->n_negatives <= b->caps.negatives && b->n_targets <= b->caps.targets &&
              b->n_work <= b->caps.work);
  assert_int_equal(b->cu_seqlens[b->seqs], b->tokens);
  assert_null(batch_exceeds(b->live, b->caps));
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const bool listed =
        f->count != BATCH_COUNT_work || b->stage == BATCH_FINISHED; // the work list comes last
    const size_t live = listed ? batch_elements(f, b->live) * f->size : 0;
    const unsigned char *at = batch_array(&b->arrays, f);
    for (size_t k = live; k < batch_offset(b->caps, i + 1) - batch_offset(b->caps, i); k++)
      if (at[k] != PATTERN) fail_msg("%s was written %zu bytes past its live elements", f->name, k - live);
  }
}

// Does what random calls do agree with `wanted`, and did a refused one leave everything as it was?
static void check_call(walk *w, const batch *before, bool got, bool wanted, batch_counts more) {
  if (got != wanted) fail_msg("a call returned %d, not %d", got, wanted);
  for (int32_t i = 0; i < N_BATCH_COUNTS; i++) {
    batch_counts was = before->live, now = w->b->live;
    assert_int_equal(*batch_count(&now, i), *batch_count(&was, i) + (got ? *batch_count(&more, i) : 0));
  }
  if (!got) assert_memory_equal(w->b->memory, before->memory, batch_bytes(w->b->caps));
  *(got ? &w->done : &w->refused) += 1;
  check_bounds(w->b);
}

static void add_sequence(walk *w, const batch *before) {
  int32_t tokens[150];
  for (int32_t i = 0; i < 150; i++)
    tokens[i] = CLASSES_FROM + (int32_t)rng_below(&w->r, VOCAB - CLASSES_FROM);
  const bool query = rng_below(&w->r, 2) == 0, pair = !query && rng_below(&w->r, 2) == 0;
  const seq_layout how = {.cls_sep = rng_below(&w->r, 2) == 0,
                          .max_positions = 1 + (int32_t)rng_below(&w->r, 100),
                          .n_event_types = 1,
                          .segments = 2};
  const int32_t most = rng_below(&w->r, 3) == 0 ? 150 : 8;
  const batch_input a = {.tokens = tokens, .n = (int32_t)rng_below(&w->r, (uint64_t)most)},
                    second = {.tokens = tokens, .n = (int32_t)rng_below(&w->r, (uint64_t)most)};
  seq_plan plan = {.rows = 0};
  const bool planned = sequence_plan(&plan, &how, a.n, pair ? second.n : NO_SECOND, query);
  const bool wanted = planned && fits(w->b, plan.rows) && (!query || w->b->n_masked < w->b->caps.masked);
  const batch_counts more = {.tokens = plan.rows, .seqs = 1, .masked = query, .work = batch_work(plan.rows)};
  int32_t first, kept;
  const bool got = query ? batch_add_query(w->b, &how, &a, 5, (int32_t)rng_below(&w->r, VOCAB) - 1)
                         : batch_add(w->b, &how, &a, pair ? &second : NULL, 5, &first, &kept);
  check_call(w, before, got, wanted, more);
  if (got && query) w->masked[before->tokens + plan.mask] = true;
}

static void end_sequence(walk *w, const batch *before) {
  const int32_t n = (int32_t)rng_below(&w->r, rng_below(&w->r, 2) == 0 ? 6 : 152) - 2;
  const bool wanted = fits(w->b, n);
  assert_int_equal(batch_has_room(w->b, n), wanted);
  assert_false(batch_has_room(w->b, INT32_MAX));
  for (int32_t i = 0; wanted && i < n; i++) {
    w->b->ids[w->b->tokens + i] = CLASSES_FROM;
    w->b->types[w->b->tokens + i] = 0;
    w->b->positions[w->b->tokens + i] = i;
  }
  const batch_counts more = {.tokens = n, .seqs = 1, .work = batch_work(n)};
  check_call(w, before, batch_end_sequence(w->b, n, 6), wanted, more);
}

static void mask_row(walk *w, const batch *before) {
  const int32_t row = (int32_t)rng_below(&w->r, (uint64_t)w->b->tokens + 4) - 2;
  const bool real = row >= 0 && row < w->b->tokens;
  if (real && w->masked[row]) return; // a row is masked once
  const bool wanted = real && w->b->n_masked < w->b->caps.masked;
  check_call(w, before, batch_add_masked(w->b, row, CLASSES_FROM, 1.0f), wanted, (batch_counts){.masked = 1});
  if (wanted) w->masked[row] = true;
}

static void add_negative(walk *w, const batch *before) {
  const bool wanted = w->b->n_negatives < w->b->caps.negatives;
  check_call(w, before, batch_add_negative(w->b, CLASSES_FROM, 0), wanted, (batch_counts){.negatives = 1});
}

static void add_targets(walk *w, const batch *before) {
  const int32_t labels[] = {0, -1, 1}, n = (int32_t)rng_below(&w->r, 4);
  const float weights[] = {1, 0, 2};
  const bool wanted = w->b->n_targets + n <= w->b->caps.targets;
  check_call(w, before, batch_add_targets(w->b, n, labels, weights), wanted, (batch_counts){.targets = n});
}

static void walk_once(rng *r, int32_t *refused, int32_t *done) {
  const batch_caps caps = {.tokens = 1 + (int32_t)rng_below(r, 200),
                           .seqs = 1 + (int32_t)rng_below(r, 6),
                           .masked = 1 + (int32_t)rng_below(r, 5),
                           .negatives = (int32_t)rng_below(r, 4),
                           .targets = (int32_t)rng_below(r, 7),
                           .work = (int32_t)rng_below(r, 6)};
  walk w = {.b = new_batch(caps), .r = *r};
  batch *before = new_batch(w.b->caps);
  memset(w.b->memory, PATTERN, batch_bytes(w.b->caps));
  batch_clear(w.b);
  static void (*const calls[])(walk *, const batch *) = {add_sequence, end_sequence, mask_row, add_negative,
                                                         add_targets};
  for (int32_t i = 0; i < 40; i++) {
    memcpy(before->memory, w.b->memory, batch_bytes(w.b->caps));
    before->live = w.b->live;
    calls[rng_below(&w.r, 5)](&w, before);
  }
  batch_finish(w.b);
  check_bounds(w.b);
  check_ok(batch_ready(w.b));
  for (int32_t i = 0; i < w.b->n_masked; i++) // queries without a known label have -1
    if (w.b->labels[i] < CLASSES_FROM) w.b->labels[i] = CLASSES_FROM;
  if (w.b->seqs > 0) check_ok(batch_check(&w.b->arrays, w.b->live, &limits));
  *refused += w.refused;
  *done += w.done;
  *r = w.r;
  batch_free(before);
  batch_free(w.b);
}

static void test_capacities(void **unused) {
  (void)unused;
  rng r = rng_at(83, 1, 0, 0);
  int32_t refused = 0, done = 0;
  for (int32_t i = 0; i < TRIES; i++) walk_once(&r, &refused, &done);
  assert_true(refused > 10 * TRIES && done > 3 * TRIES);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_places),     cmocka_unit_test(test_copy),
                                     cmocka_unit_test(test_values),     cmocka_unit_test(test_order),
                                     cmocka_unit_test(test_unfinished), cmocka_unit_test(test_capacities)};
  return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
