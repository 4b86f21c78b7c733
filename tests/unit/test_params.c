// Describing parameters: names, shapes, buckets, places in the arenas, and what is refused.
#include "model/params.h"

#include <string.h>
#include "lib/check.h"

static void test_describe(void **unused) {
  (void)unused;
  param_set s = {0};
  params_next_bucket(&s);
  const int32_t bias = param_add_vector(&s, "head.", "bias", 5, INIT_ONE);
  params_next_bucket(&s);
  const int32_t w = param_add_matrix(&s, "body.", "weight", 13, 7);
  const param_spec stacked = {.rows = 6, .columns = 64, .kind = PARAM_ROW_SPARSE, .parts = 3};
  const int32_t qkv = param_add(&s, stacked, "body.", "qkv.weight");
  check_ok(params_lay_out(&s));
  assert_int_equal(s.count, 3);
  assert_int_equal(s.buckets, 2);
  const param *p = param_find(&s, "head.bias");
  assert_ptr_equal(p, &s.items[bias]);
  assert_true(p->ndim == 1 && p->shape[0] == 5 && p->shape[1] == 1 && p->size == 5);
  assert_true(!p->decay && p->init == INIT_ONE && p->parts == 1 && p->bucket == 0 && p->offset == 0);
  p = param_find(&s, "body.weight");
  assert_ptr_equal(p, &s.items[w]);
  assert_true(p->ndim == 2 && p->shape[0] == 13 && p->shape[1] == 7 && p->size == 91);
  assert_true(p->decay && p->trainable && p->init == INIT_NORMAL && p->kind == PARAM_REPLICATED);
  assert_true(p->bucket == 1 && p->offset == 64);
  p = &s.items[qkv];
  assert_true(!p->decay && p->parts == 3 && p->kind == PARAM_ROW_SPARSE && p->offset == 64 + 128);
  assert_int_equal(s.elements, 64 + 128 + 384);
  assert_null(param_find(&s, "body"));
  params_free(&s);
}

// More than the list's first capacity: what was added stays where its index says.
static void test_many(void **unused) {
  (void)unused;
  param_set s = {0};
  params_next_bucket(&s);
  for (int32_t i = 0; i < 1000; i++) {
    char name[32];
    snprintf(name, sizeof name, "%d.weight", i);
    assert_int_equal(param_add_vector(&s, "layer.", name, 1 + i % 100, INIT_ZERO), i);
  }
  check_ok(params_lay_out(&s));
  assert_int_equal(s.count, 1000);
  for (int32_t i = 1; i < 1000; i++) {
    assert_true(s.items[i].size == 1 + i % 100 && s.items[i].offset % 64 == 0);
    assert_true(s.items[i].offset >= s.items[i - 1].offset + s.items[i - 1].size);
  }
  params_free(&s);
}

static void test_refusals(void **unused) {
  (void)unused;
  param_set s = {0};
  params_next_bucket(&s);
  assert_int_equal(param_add_vector(&s, "a.", "b", 1, INIT_ZERO), 0);
  assert_int_equal(param_add_vector(&s, "", "a.b", 1, INIT_ZERO), -1);
  assert_int_equal(param_add_vector(&s, "", "c", 1, INIT_ZERO), -1); // the first error stays
  check_fails(params_lay_out(&s), ERR_INTERNAL, "the parameter a.b is described twice");
  params_free(&s);

  char longest[PARAM_NAME + 1];
  memset(longest, 'x', PARAM_NAME);
  longest[PARAM_NAME] = '\0';
  param_set t = {0};
  params_next_bucket(&t);
  assert_int_equal(param_add_vector(&t, "", longest + 1, 1, INIT_ZERO), 0);
  assert_int_equal(param_add_vector(&t, "", longest, 1, INIT_ZERO), -1);
  check_fails(params_lay_out(&t), ERR_INTERNAL, "is longer than 95 characters");
  params_free(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_describe), cmocka_unit_test(test_many),
                                     cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
