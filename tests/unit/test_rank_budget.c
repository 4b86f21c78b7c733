// AdaLoRA's budget over steps of a small model whose learning rate is 0, so that what changes e is the budget alone.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "train/optimizer.h"
#include "train/rank_budget.h"

typedef struct fixture {
  model *m;
  optimizer *by;
  rank_budget *budget;
  int64_t refused; // the gradients of this step are not finite
} fixture;

static model_config config_of(int64_t rank, int64_t init_rank, int64_t tfinal) {
  model_config c = tiny_config();
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + 50};
  check_ok(model_config_resolve(&c, range_end, 1));
  check_ok(peft_from_json(&c.peft, NULL, NULL)); // the defaults
  c.peft.kind = PEFT_ADALORA;
  c.peft.rank = rank;
  c.peft.init_rank = init_rank;
  c.peft.tinit = 0;
  c.peft.tfinal = tfinal;
  c.peft.deltat = 100; // the last cut alone
  strcpy(c.peft.targets, "query,value");
  return c;
}

static const model_run run = {
    .caps = {.tokens = 16, .seqs = 2, .masked = 2}, .training = true, .averages = true, .threads = 1};

static void open_budget(fixture *f, int64_t steps) {
  rank_budget_close(f->budget);
  check_ok(rank_budget_open(&f->budget, f->m, steps));
}

static bool is_e(const param *p) {
  return p->tuned && strcmp(p->name + strlen(p->name) - 2, "_E") == 0;
}

// Every e, and every lag, is 1.
static void set_up(fixture *f, const model_config *c, int64_t steps) {
  const optim_config o = {.kind = OPTIM_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
  *f = (fixture){.refused = -1};
  check_ok(model_create(&f->m, "cpu", c, &run));
  param_set *s = model_params(f->m);
  check_ok(params_make_moments(s));
  check_ok(optimizer_open(&f->by, f->m, &o));
  open_budget(f, steps);
  for (int32_t i = 0; i < s->count; i++)
    for (int64_t j = 0; is_e(&s->items[i]) && j < s->items[i].size; j++)
      param_master(s, &s->items[i])[j] = param_lag(s, &s->items[i])[j] = 1;
}

static void tear_down(fixture *f) {
  rank_budget_close(f->budget);
  optimizer_close(f->by);
  model_free(f->m);
}

static void step(fixture *f, int64_t at) {
  const backend *be = model_backend(f->m);
  const param_set *s = model_params(f->m);
  const step_state state = {.step = at, .lag_rate = 1};
  rng r = rng_at(5, 1, (uint32_t)at, 0);
  for (int64_t i = 0; i < s->elements; i++) s->grad[i] = (float)rng_normal(&r);
  if (at == f->refused) s->grad[0] = NAN;
  check_ok(be->state_write(model_ctx(f->m), &state));
  check_ok(be->result_clear(model_ctx(f->m)));
  check_ok(rank_budget_before(f->budget));
  check_ok(optimizer_step(f->by));
  check_ok(rank_budget_after(f->budget, at));
}

// How many ranks have e = 0; the others must still be 1, and the average goes with the value.
static int64_t cut_ranks(const fixture *f) {
  const param_set *s = model_params(f->m);
  int64_t n = 0;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    for (int64_t j = 0; is_e(p) && j < p->size; j++) {
      const float e = param_master(s, p)[j];
      assert_true(e == 0.0f || e == 1.0f);
      assert_true(param_lag(s, p)[j] == e);
      n += e == 0.0f;
    }
  }
  return n;
}

enum { ADAPTERS = 4, STEPS = 8, LAST = 5 }; // query and value of two layers

// What has been cut for good stays so, whatever the optimiser makes of e and of its average.
static void test_cut(void **unused) {
  (void)unused;
  const model_config c = config_of(2, 4, STEPS - LAST);
  fixture f;
  set_up(&f, &c, STEPS);
  for (int64_t t = 0; t < STEPS; t++) {
    step(&f, t);
    assert_int_equal(cut_ranks(&f), t < LAST ? 0 : ADAPTERS * (4 - 2));
  }
  const param_set *s = model_params(f.m);
  for (int32_t i = 0; i < s->count; i++)
    for (int64_t j = 0; is_e(&s->items[i]) && j < s->items[i].size; j++)
      param_master(s, &s->items[i])[j] = param_lag(s, &s->items[i])[j] = 1;
  step(&f, STEPS);
  assert_int_equal(cut_ranks(&f), ADAPTERS * (4 - 2));
  tear_down(&f);
}

// A budget that never falls leaves every rank as it is.
static void test_nothing_to_cut(void **unused) {
  (void)unused;
  const model_config c = config_of(4, 4, STEPS - LAST);
  fixture f;
  set_up(&f, &c, STEPS);
  for (int64_t t = 0; t < STEPS; t++) step(&f, t);
  assert_int_equal(cut_ranks(&f), 0);
  tear_down(&f);
}

// Where the step of the last cut is refused, the next one cuts, in a run that is resumed before or behind it too.
static void test_refused_at_the_last_cut(void **unused) {
  (void)unused;
  for (int64_t resumed = LAST; resumed <= STEPS; resumed++) {
    const model_config c = config_of(2, 4, STEPS - LAST);
    fixture f;
    set_up(&f, &c, STEPS);
    f.refused = LAST;
    for (int64_t t = 0; t < STEPS; t++) {
      if (t == resumed) open_budget(&f, STEPS);
      step(&f, t);
      assert_int_equal(cut_ranks(&f), t <= LAST ? 0 : ADAPTERS * (4 - 2));
    }
    tear_down(&f);
  }
}

// The ranks of the table's A are its columns: the one with large values stays, and the term keeps columns orthogonal.
static void test_table(void **unused) {
  (void)unused;
  enum { RANKS = 4, KEPT = 2 };
  model_config c = config_of(1, RANKS, STEPS - LAST);
  fixture f;
  strcpy(c.peft.targets, "word_embeddings");
  set_up(&f, &c, STEPS);
  const param_set *s = model_params(f.m);
  const param *a = param_find(s, "bert.embeddings.word_embeddings.lora_embedding_A"),
              *e = param_find(s, "bert.embeddings.word_embeddings.lora_embedding_E");
  float *const x = param_master(s, a), *const g = param_grad(s, a);
  for (int64_t i = 0; i < a->shape[0]; i++) x[i * RANKS + KEPT] = 1e4f;
  for (int64_t t = 0; t < STEPS; t++) step(&f, t);
  for (int k = 0; k < RANKS; k++) assert_true(param_master(s, e)[k] == (k == KEPT ? 1.0f : 0.0f));
  // |A' A - 1| of one column that is longer than 1 and three zeros: (L^2 - 1)^2 + 3 under the root.
  const double L2 = 4 * (double)a->shape[0], norm = sqrt((L2 - 1) * (L2 - 1) + 3);
  for (int64_t i = 0; i < a->size; i++) x[i] = i % RANKS == KEPT ? 2 : 0;
  memset(g, 0, (size_t)a->size * sizeof *g);
  check_ok(rank_budget_before(f.budget));
  const double wanted = c.peft.orthogonality / 2 * 2 * 2 * (L2 - 1) / norm;
  for (int64_t i = 0; i < a->size; i++)
    assert_true(fabs((double)g[i] - (i % RANKS == KEPT ? wanted : 0)) < 1e-5);
  tear_down(&f);
}

static void test_frozen_factors(void **unused) {
  (void)unused;
  static const char *const frozen[] = {"*.lora_E", "*.layer.1.*.query.lora_A", "*.lora_B"};
  for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++) {
    const model_config c = config_of(2, 4, 1);
    model_run some = run;
    model *m;
    rank_budget *b;
    some.freeze = frozen[i];
    check_ok(model_create(&m, "cpu", &c, &some));
    check_fails(rank_budget_open(&b, m, STEPS), ERR_ARGUMENT, "adalora measures the importance of ranks");
    assert_null(b);
    model_free(m);
  }
}

// The products of many ranks need more memory than the model's own ops do.
static void test_memory_of_many_ranks(void **unused) {
  (void)unused;
  enum { RANKS = 600 };
  const model_config c = config_of(2, RANKS, 1);
  model_memory need;
  check_ok(model_plan(&need, "cpu", &c, &run));
  assert_true(need.scratch >= sizeof(double) * RANKS * RANKS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut),
                                     cmocka_unit_test(test_nothing_to_cut),
                                     cmocka_unit_test(test_refused_at_the_last_cut),
                                     cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_frozen_factors),
                                     cmocka_unit_test(test_memory_of_many_ranks)};
  return cmocka_run_group_tests_name("rank_budget", tests, NULL, NULL);
}
