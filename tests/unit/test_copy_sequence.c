// The layout of sources and copy against hand-written rows, and against what its header promises at every size.
#include <string.h>
#include "format/copy_sequence.h"
#include "format/vocabulary.h"
#include "lib/check.h"

enum { MOST = 64, GUARD = -77 };

typedef struct rows {
  int32_t ids[MOST], types[MOST], positions[MOST];
} rows;

static void write_rows(rows *r, const copy_plan *plan, const copy_layout *layout, const copy_source *s) {
  for (int i = 0; i < MOST; i++) r->ids[i] = r->types[i] = r->positions[i] = GUARD;
  copy_write_source(plan, layout, s, r->ids, r->types, r->positions);
  for (int i = plan->source; i < MOST; i++)
    assert_true(r->ids[i] == GUARD && r->types[i] == GUARD && r->positions[i] == GUARD);
}

static const int32_t context[] = {30, 31}, item[] = {90, 40, 41, 42}, history[] = {50, 51, 10, 11, 12};
static const uint8_t events[] = {0, 0, 1, 7, 2};
static const copy_source source = {
    .context = context,
    .n_context = 2,
    .item = item,
    .n_item = 4,
    .history = {history, events, 5},
    .fixed = 2,
};

static copy_layout layout_of(int32_t positions, int32_t copy_tokens, int32_t item_tokens) {
  return (copy_layout){
      .sequence = {.cls_sep = true, .max_positions = positions, .n_event_types = 3, .segments = 2},
      .copy_tokens = copy_tokens,
      .item_tokens = item_tokens,
  };
}

static void all_of_it(void **state) {
  (void)state;
  const copy_layout layout = layout_of(64, 4, 16);
  copy_plan p;
  rows r;
  assert_true(copy_plan_make(&p, &layout, &source, 2));
  assert_true(p.source == 13 && p.item == 4 && p.history == 5 && p.written == 3 && p.rows == 15);
  write_rows(&r, &p, &layout, &source);
  assert_memory_equal(r.ids, ((int32_t[]){2, 30, 31, 90, 40, 41, 42, 50, 51, 10, 11, 12, 3}), 52);
  assert_memory_equal(r.types, ((int32_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0}), 52);
  for (int32_t i = 0; i < 13; i++) assert_int_equal(r.positions[i], i);
  assert_int_equal(copy_row_type(&layout), 3);
  assert_int_equal(copy_row_position(&p, 14), 14);
}

// 14 rows without copy: of the 12 beside [CLS] and [SEP] the copy takes 3, the context 2, the item 3 of its 4.
static void little_room(void **state) {
  (void)state;
  const copy_layout layout = layout_of(14, 4, 3);
  copy_plan p;
  rows r;
  assert_true(copy_plan_make(&p, &layout, &source, 9));
  assert_true(p.item == 3 && p.history == 4 && p.source == 11 && p.written == 4 && p.rows == 14);
  write_rows(&r, &p, &layout, &source);
  assert_memory_equal(r.ids, ((int32_t[]){2, 30, 31, 90, 40, 41, 50, 51, 11, 12, 3}), 44);
  assert_memory_equal(r.types, ((int32_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0}), 44);
}

static void counted_from_the_end(void **state) {
  (void)state;
  copy_layout layout = layout_of(14, 4, 3);
  layout.sequence.positions_from_end = true;
  copy_plan p;
  rows r;
  assert_true(copy_plan_make(&p, &layout, &source, 1));
  write_rows(&r, &p, &layout, &source);
  for (int32_t i = 0; i < p.source; i++) assert_int_equal(r.positions[i], 13 - i);
  assert_int_equal(copy_row_position(&p, p.source + layout.copy_tokens - 2),
                   0); // of the longest copy's last row
}

static void what_is_no_layout(void **state) {
  (void)state;
  copy_plan p;
  copy_layout layout = layout_of(7, 4, 3); // [CLS], two of context, [SEP], three of copy
  assert_true(copy_plan_make(&p, &layout, &source, NO_COPY) && p.source == 4 && p.rows == 4 &&
              p.written == 0);
  layout.sequence.max_positions = 6;
  assert_false(copy_plan_make(&p, &layout, &source, NO_COPY));
  layout = layout_of(64, 4, 3);
  layout.sequence.segments = 1;
  assert_false(copy_plan_make(&p, &layout, &source, NO_COPY));
  layout = layout_of(64, 4, 3);
  layout.sequence.cls_sep = false;
  assert_false(copy_plan_make(&p, &layout, &source, NO_COPY));
  layout = layout_of(64, 1, 3);
  assert_false(copy_plan_make(&p, &layout, &source, NO_COPY));
}

// Whatever the sizes: the source is the same before its copy is known and after, and everything fits.
static void source_does_not_know_its_copy(void **state) {
  (void)state;
  for (int32_t positions = 6; positions < 24; positions++)
    for (int32_t most = 2; most < 8; most++)
      for (int32_t n = 0; n < 10; n++)
        for (int end = 0; end < 2; end++) {
          copy_layout layout = layout_of(positions, most, 3);
          layout.sequence.positions_from_end = end == 1;
          copy_plan before, p;
          rows a, b;
          const bool fits = copy_plan_make(&before, &layout, &source, NO_COPY);
          assert_true(fits == (positions >= 4 + most - 1));
          assert_true(copy_plan_make(&p, &layout, &source, n) == fits);
          if (!fits) continue;
          write_rows(&a, &before, &layout, &source);
          write_rows(&b, &p, &layout, &source);
          assert_memory_equal(&a, &b, sizeof a);
          assert_int_equal(p.written, n + 1 < most ? n + 1 : most);
          assert_true(p.rows <= positions && p.rows == p.source + p.written - 1);
          for (int32_t i = 0; i < p.rows; i++) {
            const int32_t at = copy_row_position(&p, i);
            assert_true(at >= 0 && at < positions && (i < p.source ? b.positions[i] == at : true));
          }
        }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_of_it), cmocka_unit_test(little_room), cmocka_unit_test(counted_from_the_end),
      cmocka_unit_test(what_is_no_layout), cmocka_unit_test(source_does_not_know_its_copy)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
