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

static param_set small_set(void) {
  param_set s = {0};
  params_next_bucket(&s);
  param_add_vector(&s, "cls.", "bias", 70, INIT_ZERO);
  param_add_vector(&s, "encoder.0.", "LayerNorm.weight", 10, INIT_ONE);
  param_add_matrix(&s, "encoder.0.", "dense.weight", 4, 10);
  const param_spec words = {.rows = 30, .columns = 10, .kind = PARAM_ROW_SPARSE};
  param_add(&s, words, "embeddings.", "word.weight");
  return s;
}

// Which of the four are frozen by a list of patterns, as bits; -1: the list is refused. Both functions must agree.
static int frozen_by(const char *patterns) {
  param_set s = small_set();
  int frozen = 0;
  if (params_freeze(&s, patterns) != OK) frozen = -1;
  for (int32_t i = 0; frozen >= 0 && i < s.count; i++) {
    bool also;
    check_ok(params_freezes(&also, patterns != NULL ? patterns : "", s.items[i].name));
    assert_int_equal(also, !s.items[i].trainable);
    frozen |= also << i;
  }
  params_free(&s);
  return frozen;
}

static void test_patterns(void **unused) {
  (void)unused;
  assert_int_equal(frozen_by(NULL), 0);
  assert_int_equal(frozen_by(""), 0);
  assert_int_equal(frozen_by("embeddings.*"), 8);
  assert_int_equal(frozen_by("*.LayerNorm.*"), 2);
  assert_int_equal(frozen_by("encoder.[0-9].*,cls.bias"), 7);
  assert_int_equal(frozen_by(" *.bias , embeddings.word.?eight "), 9);
  assert_int_equal(frozen_by("*.dense.*,*.dense.weight"), 4); // twice is no harm
  assert_int_equal(frozen_by("embeddings"), -1);              // the whole name
  check_fails(frozen_by("cls.*,encoder.1.*") < 0 ? ERR_ARGUMENT : OK, ERR_ARGUMENT,
              "train.freeze: no parameter's name matches \"encoder.1.*\"; there are cls.bias, "
              "embeddings.word.weight and 2 others");
  assert_int_equal(frozen_by("cls.*,"), -1);
  assert_int_equal(frozen_by("*"), -1);
  check_fails(frozen_by("cls.*,e*") < 0 ? ERR_ARGUMENT : OK, ERR_ARGUMENT,
              "\"cls.*,e*\" leaves no parameter");
}

// Frozen parameters lie in an arena of their own, which costs nothing but itself.
static void test_frozen_arena(void **unused) {
  (void)unused;
  const size_t a = 64 * sizeof(float); // bytes of the smallest place
  param_set all = small_set(), some = small_set();
  all.be = some.be = &backend_cpu;
  check_ok(params_freeze(&some, "encoder.*,embeddings.*"));
  check_ok(params_lay_out(&all));
  check_ok(params_lay_out(&some));
  const param_bytes x = params_bytes(&all, true), y = params_bytes(&some, true),
                    e = params_bytes(&some, false);
  assert_true(x.weights == 9 * a && x.gradients == 9 * a && x.moments == 18 * a && x.row_flags == 30);
  assert_true(x.frozen == 0 && x.copies == 0);
  assert_true(y.weights == 2 * a && y.frozen == 7 * a && y.gradients == 2 * a && y.moments == 4 * a);
  assert_true(y.row_flags == 0);
  assert_true(e.weights == 2 * a && e.frozen == 7 * a && e.gradients == 0 && e.moments == 0);
  check_ok(backend_cpu.open(&some.ctx, &(backend_config){.threads = 1}));
  op_ctx *const ctx = some.ctx;
  check_ok(params_allocate(&some, true));
  check_ok(params_make_moments(&some));
  const param *bias = &some.items[0], *norm = &some.items[1], *dense = &some.items[2],
              *words = &some.items[3];
  assert_true(param_master(&some, bias) == some.master && param_grad(&some, bias) == some.grad);
  assert_true(param_m(&some, bias) == some.m && param_v(&some, bias) == some.m + some.elements);
  assert_true(param_master(&some, norm) == some.frozen && param_master(&some, dense) == some.frozen + 64);
  assert_true(param_compute(&some, words) == (act *)(some.frozen + 128));
  assert_true(param_grad(&some, words) == NULL && param_m(&some, words) == NULL &&
              param_v(&some, norm) == NULL);
  assert_null(param_touched(&some, words));
  check_ok(params_initialise(&some, 7, 0.02));
  assert_true(param_master(&some, norm)[9] == 1.0f && param_master(&some, bias)[3] == 0.0f);
  float *copy;
  param_values v;
  check_ok(params_to_host(&some, true, &v, &copy));
  assert_null(copy); // the host can read it in place
  assert_true(value_master(&v, words) == param_master(&some, words) && value_m(&v, words) == NULL);
  assert_true(value_v(&v, bias) == param_v(&some, bias) && value_master(&v, bias) == some.master);
  params_free(&all);
  params_free(&some);
  backend_cpu.close(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_describe), cmocka_unit_test(test_many),
                                     cmocka_unit_test(test_refusals), cmocka_unit_test(test_patterns),
                                     cmocka_unit_test(test_frozen_arena)};
  return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
