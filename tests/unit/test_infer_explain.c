// Explanations: gradients against finite differences, leave-one-out against histories without the event, and sums that make
// the score.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "convert/export.h"
#include "infer/encode.h"
#include "infer/gradient.h"
#include "infer/workspace.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_mix.h"
#include "souk/infer.h"

enum { USERS = 40, ITEMS = 60, H = 16, W = 17, MOST = 14, K = 4 };

static void as_is(model_config *c) {
  (void)c;
}
static void pre_norm(model_config *c) {
  c->pre_norm = true;
  c->layers = 3;
}
static void cosine(model_config *c) {
  c->score = 1;
  c->temperature = 0.1;
  c->cls_sep = true;
}
static void causal(model_config *c) {
  strcpy(c->objectives, "next_item");
  c->activation = 1;
}
static void plain(model_config *c) {
  strcpy(c->objectives, "next_item");
  c->head = HEAD_PLAIN;
  c->score = 1;
  c->pre_norm = true;
}
static void one_layer(model_config *c) {
  c->layers = 1;
  c->positions_from_end = true;
}

typedef struct world {
  void (*change)(model_config *c);
  char dir[256];
  souk_bundle *b;
} world;
static world worlds[] = {{.change = as_is},  {.change = pre_norm}, {.change = cosine},
                         {.change = causal}, {.change = plain},    {.change = one_layer}};
enum { WORLDS = sizeof worlds / sizeof *worlds };

static int open_all(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) {
    model_config c = tiny_config();
    worlds[i].change(&c);
    tiny_directory(worlds[i].dir, sizeof worlds[i].dir);
    tiny_bundle(worlds[i].dir, USERS, ITEMS, &c);
    worlds[i].b = tiny_open(worlds[i].dir);
  }
  return 0;
}

static int close_all(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) {
    souk_close(worlds[i].b);
    tiny_remove(worlds[i].dir);
  }
  return 0;
}

// ---- gradients -----------------------------------------------------------------------------------------------

static double value_at(gradient *g, const float *input, const float *du) {
  float u[W];
  double sum = 0;
  gradient_forward(g, input, u);
  for (int i = 0; i < W; i++) sum += (double)u[i] * (double)du[i];
  return sum;
}

// Along random directions and along single elements.
static void check_gradient(gradient *g, const float *input, int32_t T, rng *r) {
  enum { DIRECTIONS = 12 };
  const size_t floats = (size_t)T * H;
  float du[W], u[W], drows[MOST * H], moved[MOST * H], direction[MOST * H];
  for (int i = 0; i < W; i++) du[i] = (float)(2 * rng_unit(r) - 1);
  gradient_forward(g, input, u);
  gradient_backward(g, du, drows);
  double largest = 0;
  for (size_t i = 0; i < floats; i++) largest = fmax(largest, fabs((double)drows[i]));
  assert_true(largest > 1e-3);
  for (int d = 0; d < DIRECTIONS; d++) {
    const double step = 4e-3;
    double slope = 0, across[2];
    memset(direction, 0, sizeof direction);
    if (d % 2 == 0)
      direction[rng_below(r, floats)] = 1;
    else
      for (size_t i = 0; i < floats; i++) direction[i] = (float)(rng_unit(r) - 0.5) / sqrtf((float)floats);
    for (int side = 0; side < 2; side++) {
      for (size_t i = 0; i < floats; i++)
        moved[i] = input[i] + (float)(side == 0 ? step : -step) * direction[i];
      across[side] = value_at(g, moved, du);
    }
    for (size_t i = 0; i < floats; i++) slope += (double)drows[i] * (double)direction[i];
    check_near((across[0] - across[1]) / (2 * step), slope, 4e-3 * largest);
  }
}

static void gradients_are_slopes(void **state) {
  (void)state;
  for (int w = 0; w < WORLDS; w++) {
    const souk_bundle *b = worlds[w].b;
    row_weights *weights;
    assert_int_equal(row_weights_new(&weights, b, -1, NULL), SOUK_OK);
    for (uint32_t round = 0; round < 6; round++) {
      rng r = rng_at(9, 3, (uint32_t)w, round);
      const int32_t T = 1 + (int32_t)rng_below(&r, 10);
      const int32_t asked = b->layout.asks == ASKS_MASKED ? (int32_t)rng_below(&r, (uint64_t)T) : T - 1;
      float input[MOST * H];
      gradient *g;
      for (int32_t i = 0; i < T * H; i++) input[i] = (float)(2 * rng_unit(&r) - 1);
      assert_int_equal(gradient_new(&g, b, weights, T, asked, NULL), SOUK_OK);
      check_gradient(g, input, T, &r);
      gradient_free(g);
    }
    row_weights_free(weights);
  }
}

// ---- explanations --------------------------------------------------------------------------------------------

typedef struct asked {
  int32_t n, items[MOST], events[MOST];
} asked;

// Longer ones than the model reads and unknown items among them.
static asked random_history(uint32_t number) {
  rng r = rng_at(9, 4, number, 0);
  asked a = {.n = number % 5 == 0 ? MOST : (int32_t)rng_below(&r, MOST + 1)};
  for (int32_t i = 0; i < a.n; i++) {
    a.items[i] = (int32_t)rng_below(&r, ITEMS + 8) - 8;
    if (a.items[i] < -1) a.items[i] = -1;
    a.events[i] = (int32_t)rng_below(&r, 3);
  }
  return a;
}

static souk_history history_of(const asked *a) {
  return (souk_history){.n = a->n, .items = a->items, .events = a->events};
}

static void scores_of(const souk_bundle *b, const asked *a, const int32_t *items, float *scores) {
  const souk_history h = history_of(a);
  float u[W];
  assert_int_equal(souk_user_vectors(b, &h, 1, 1, u, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_score(b, u, 1, items, K, scores, NULL), SOUK_OK);
}

// The newest known events that the model reads, and which of the history's they are.
static asked read_part(const souk_bundle *b, const asked *a, int32_t *sources) {
  asked known = {.n = 0}, kept = {.n = 0};
  int32_t all[MOST];
  souk_info info;
  souk_get_info(b, &info, NULL);
  for (int32_t i = 0; i < a->n; i++) {
    if (a->items[i] < 0) continue;
    all[known.n] = i;
    known.items[known.n] = a->items[i];
    known.events[known.n++] = a->events[i];
  }
  for (int32_t i = known.n > info.max_history ? known.n - info.max_history : 0; i < known.n; i++) {
    sources[kept.n] = all[i];
    kept.items[kept.n] = known.items[i];
    kept.events[kept.n++] = known.events[i];
  }
  return kept;
}

static void explain(const souk_bundle *b, const asked *a, const int32_t *items, const souk_explain_options *o,
                    souk_explanation *out, float *shares) {
  const souk_history h = history_of(a);
  souk_error e;
  if (souk_explain(b, &h, items, K, o, out, shares, &e) != SOUK_OK) fail_msg("%s", e.message);
}

static void check_sum(const asked *a, const souk_explanation *out, const float *shares) {
  double sum = out->base + out->counts + out->rest;
  for (int32_t i = 0; i < a->n; i++) sum += (double)shares[i];
  check_near(sum, out->score, 1e-6 * (1 + fabs(out->score)));
}

static void leaving_out_is_exact(void **state) {
  (void)state;
  const int32_t items[K] = {3, 59, 0, 17};
  for (uint32_t round = 0; round < 60; round++) {
    const souk_bundle *b = worlds[round % WORLDS].b;
    const asked a = random_history(round), none = {.n = 0};
    const souk_explain_options o = {.threads = (int32_t)round % 4};
    souk_explanation out[K];
    float shares[K * MOST], whole[K], left[K];
    int32_t sources[MOST], share_seen[MOST] = {0};
    const asked kept = read_part(b, &a, sources);
    explain(b, &a, items, &o, out, shares);
    scores_of(b, &a, items, whole);
    scores_of(b, &none, items, left);
    for (int k = 0; k < K; k++) {
      assert_int_equal(out[k].method, SOUK_WHY_LEAVE_ONE_OUT);
      assert_int_equal(out[k].passes, kept.n + 2);
      assert_true(out[k].score == (double)whole[k] && out[k].base == (double)left[k]);
      assert_true(out[k].counts == 0);
      check_sum(&a, &out[k], shares + k * a.n);
    }
    for (int32_t p = 0; p < kept.n; p++) {
      asked without = {.n = 0};
      for (int32_t i = 0; i < kept.n; i++) {
        if (i == p) continue;
        without.items[without.n] = kept.items[i];
        without.events[without.n++] = kept.events[i];
      }
      scores_of(b, &without, items, left);
      share_seen[sources[p]] = 1;
      for (int k = 0; k < K; k++) assert_true(shares[k * a.n + sources[p]] == whole[k] - left[k]);
    }
    for (int32_t i = 0; i < a.n; i++)
      for (int k = 0; k < K && share_seen[i] == 0; k++) assert_true(shares[k * a.n + i] == 0);
  }
}

static void gradients_add_up(void **state) {
  (void)state;
  const int32_t items[K] = {3, 59, 0, 17};
  double moved = 0;
  for (uint32_t round = 0; round < 30; round++) {
    const asked a = random_history(round);
    const souk_explain_options one = {.method = SOUK_WHY_INTEGRATED_GRADIENTS},
                               many = {.method = SOUK_WHY_INTEGRATED_GRADIENTS, .threads = 3};
    souk_explanation out[K], again[K];
    float shares[K * MOST] = {0}, shares_again[K * MOST] = {0}, whole[K];
    explain(worlds[round % WORLDS].b, &a, items, &one, out, shares);
    explain(worlds[round % WORLDS].b, &a, items, &many, again, shares_again);
    assert_memory_equal(out, again, sizeof out);
    assert_memory_equal(shares, shares_again, sizeof shares);
    scores_of(worlds[round % WORLDS].b, &a, items, whole);
    for (int k = 0; k < K; k++) {
      const double change = out[k].score - out[k].base;
      assert_int_equal(out[k].method, SOUK_WHY_INTEGRATED_GRADIENTS);
      assert_true(out[k].score == (double)whole[k]);
      check_sum(&a, &out[k], shares + k * a.n);
      if (fabs(out[k].rest) > 0.0011 * (1 + fabs(change)))
        fail_msg("world %u: %g of %g is missing after %d points", round % WORLDS, out[k].rest, change,
                 out[k].passes);
      moved = fmax(moved, fabs(change));
      for (int32_t i = 0; i < a.n; i++)
        if (a.items[i] < 0) assert_true(shares[k * a.n + i] == 0);
    }
  }
  assert_true(moved > 0.5);
}

// Many items go through in blocks, and get what each gets alone.
static void many_items_share_blocks(void **state) {
  (void)state;
  enum { N = 20000 };
  const asked a = {.n = 8, .items = {3, 1, 4, 1, 5, 9, 2, 6}};
  const souk_history h = history_of(&a);
  const souk_explain_options o = {.method = SOUK_WHY_INTEGRATED_GRADIENTS, .tolerance = 0.5, .threads = 2};
  int32_t *items = malloc(N * sizeof *items);
  float *shares = malloc(N * 8 * sizeof *shares);
  souk_explanation *out = malloc(N * sizeof *out), one;
  souk_error e;
  assert_true(items != NULL && shares != NULL && out != NULL);
  for (int32_t i = 0; i < N; i++) items[i] = i % ITEMS;
  if (souk_explain(worlds[0].b, &h, items, N, &o, out, shares, &e) != SOUK_OK) fail_msg("%s", e.message);
  for (int32_t i = N - 1; i > 0; i -= 3001) {
    float alone[8];
    assert_int_equal(souk_explain(worlds[0].b, &h, &items[i], 1, &o, &one, alone, NULL), SOUK_OK);
    assert_int_equal(one.passes, out[i].passes);
    assert_memory_equal(alone, shares + i * 8, sizeof alone);
  }
  free(items);
  free(shares);
  free(out);
}

// One item of a long history: gradients cost less.
static void a_long_history_takes_gradients(void **state) {
  (void)state;
  enum { LONG = 200 };
  char where[PATH_MAX];
  model_config c = tiny_config();
  souk_bundle *b;
  souk_error e;
  int32_t items[LONG], one = 5, methods[2];
  float shares[LONG * K];
  souk_explanation out[K];
  c.max_positions = LONG + 2;
  tiny_directory(where, sizeof where);
  tiny_bundle(where, USERS, ITEMS, &c);
  b = tiny_open(where);
  for (int32_t i = 0; i < LONG; i++) items[i] = i * 7 % ITEMS;
  for (int i = 0; i < 2; i++) {
    const souk_history h = {.n = i == 0 ? LONG : LONG / 10, .items = items};
    assert_int_equal(souk_explain(b, &h, &one, 1, NULL, out, shares, &e), SOUK_OK);
    methods[i] = out->method;
  }
  assert_int_equal(methods[0], SOUK_WHY_INTEGRATED_GRADIENTS);
  assert_int_equal(methods[1], SOUK_WHY_LEAVE_ONE_OUT);
  souk_close(b);
  tiny_remove(where);
}

// ---- with a mix ----------------------------------------------------------------------------------------------

static const mix_config settings = {
    .scale = 0.6,
    .popularity = 0.3,
    .unseen = -1,
    .reached = 0.4,
    .neighbours = 20,
    .window = 5,
    .distance_power = 0.5,
    .counted = "train",
    .n = 1,
    .sums = {{.channel = MIX_NEXT, .span = 3, .decay = 0.8, .row_power = 1, .n = 1, .terms = {{30, 0.5}}}}};

static souk_bundle *open_mixed(const char *where) {
  char path[PATH_MAX], place[PATH_MAX];
  dataset *d;
  souk_bundle *b;
  tiny_bundle(where, USERS, ITEMS, NULL);
  check_ok(path_join(path, sizeof path, where, "data"));
  check_ok(path_join(place, sizeof place, where, "checkpoint"));
  check_ok(dataset_open(&d, path, true));
  mix_free(tiny_mix_saved(where, d, EVAL_TEST, &settings));
  dataset_close(d);
  check_ok(path_join(path, sizeof path, where, "mixed"));
  check_ok(export_bundle(place, path, &(export_config){.with_mix = true}, NULL));
  assert_int_equal(souk_open(&b, path, 0, NULL), SOUK_OK);
  return b;
}

static void counts_are_told_apart(void **state) {
  (void)state;
  char where[256];
  tiny_directory(where, sizeof where);
  souk_bundle *b = open_mixed(where);
  double counted = 0;
  for (uint32_t round = 0; round < 20; round++) {
    const asked a = random_history(round);
    const souk_query q = {.history = history_of(&a)};
    int32_t items[K], count;
    float scores[K], shares[K * MOST] = {0}, alone[K * MOST] = {0}, vectors[K];
    souk_explanation out[K], without[K];
    assert_int_equal(souk_rank(b, &q, 1, K, NULL, items, scores, &count, NULL, NULL), SOUK_OK);
    assert_int_equal(count, K);
    scores_of(b, &a, items, vectors);
    for (int32_t method = SOUK_WHY_LEAVE_ONE_OUT; method <= SOUK_WHY_INTEGRATED_GRADIENTS; method++) {
      const souk_explain_options o = {.method = method}, no_mix = {.method = method, .no_mix = 1};
      explain(b, &a, items, &o, out, shares);
      explain(b, &a, items, &no_mix, without, alone);
      for (int k = 0; k < K; k++) {
        assert_true(out[k].score == (double)scores[k]); // the same bits as in the list
        assert_true(without[k].score == (double)vectors[k] && without[k].counts == 0);
        check_near(out[k].score - out[k].counts, 0.6 * without[k].score, 1e-5);
        check_near(out[k].base, 0.6 * without[k].base, 1e-5);
        check_sum(&a, &out[k], shares + k * a.n);
        counted = fmax(counted, fabs(out[k].counts));
        for (int32_t i = 0; i < a.n; i++)
          check_near(shares[k * a.n + i], 0.6 * (double)alone[k * a.n + i], 2e-4);
      }
    }
  }
  assert_true(counted > 0.1);
  souk_close(b);
  tiny_remove(where);
}

static void arguments(void **state) {
  (void)state;
  const souk_bundle *b = worlds[0].b;
  const int32_t items[2] = {1, ITEMS}, event = 2;
  const souk_history h = {.n = 1, .items = &event}, bad = {.n = 1, .items = &items[1]};
  souk_explanation out[2];
  float shares[2];
  const souk_explain_options method = {.method = 3}, tolerance = {.tolerance = NAN}, mixed = {.no_mix = 2},
                             adapter = {.adapter = 1}, threads = {.threads = -2};
#define EXPLAIN(b_, h_, i_, m_, o_, out_, s_) souk_explain(b_, h_, i_, m_, o_, out_, s_, error)
  refuses(EXPLAIN(NULL, &h, items, 1, NULL, out, shares), SOUK_ERR_ARGUMENT, "not an open bundle");
  refuses(EXPLAIN(b, NULL, items, 1, NULL, out, shares), SOUK_ERR_ARGUMENT, "history must not be NULL");
  refuses(EXPLAIN(b, &bad, items, 1, NULL, out, shares), SOUK_ERR_ARGUMENT, "history.items[0] = 60");
  refuses(EXPLAIN(b, &h, NULL, 1, NULL, out, shares), SOUK_ERR_ARGUMENT, "items must not be NULL");
  refuses(EXPLAIN(b, &h, items, 2, NULL, out, shares), SOUK_ERR_ARGUMENT, "items[1] = 60");
  refuses(EXPLAIN(b, &h, items, (size_t)-1, NULL, out, shares), SOUK_ERR_ARGUMENT, "2^31 - 1");
  refuses(EXPLAIN(b, &h, items, 1, &method, out, shares), SOUK_ERR_ARGUMENT, "options.method = 3");
  refuses(EXPLAIN(b, &h, items, 1, &tolerance, out, shares), SOUK_ERR_ARGUMENT, "options.tolerance");
  refuses(EXPLAIN(b, &h, items, 1, &mixed, out, shares), SOUK_ERR_ARGUMENT, "options.no_mix = 2");
  refuses(EXPLAIN(b, &h, items, 1, &adapter, out, shares), SOUK_ERR_ARGUMENT,
          "options.adapter = 1 is not an adapter");
  refuses(EXPLAIN(b, &h, items, 1, &threads, out, shares), SOUK_ERR_ARGUMENT, "threads = -2");
  refuses(EXPLAIN(b, &h, items, 1, NULL, NULL, shares), SOUK_ERR_ARGUMENT, "out must not be NULL");
  refuses(EXPLAIN(b, &h, items, 1, NULL, out, NULL), SOUK_ERR_ARGUMENT, "shares must not be NULL");
  assert_int_equal(souk_explain(b, &h, NULL, 0, NULL, NULL, NULL, NULL), SOUK_OK);
  // A program of an older or a newer version.
  char wide[2 * (sizeof(souk_explanation) + 8)] __attribute__((aligned(8)));
  struct {
    souk_explain_options known;
    int64_t more;
  } newer = {.more = 0};
  memset(wide, 1, sizeof wide);
  assert_int_equal(souk_explain_sized(b, &h, items, 1, &newer.known, sizeof newer, (void *)wide,
                                      sizeof(souk_explanation) + 8, shares, NULL),
                   SOUK_OK);
  for (size_t i = 0; i < 8; i++) assert_int_equal(wide[sizeof(souk_explanation) + i], 0);
  newer.more = 1;
  refuses(souk_explain_sized(b, &h, items, 1, &newer.known, sizeof newer, out, sizeof *out, shares, error),
          SOUK_ERR_ARGUMENT, "does not know");
  refuses(souk_explain_sized(b, &h, items, 1, NULL, 0, out, 0, shares, error), SOUK_ERR_ARGUMENT,
          "out_bytes = 0");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_slopes),
                                     cmocka_unit_test(leaving_out_is_exact),
                                     cmocka_unit_test(gradients_add_up),
                                     cmocka_unit_test(many_items_share_blocks),
                                     cmocka_unit_test(a_long_history_takes_gradients),
                                     cmocka_unit_test(counts_are_told_apart),
                                     cmocka_unit_test(arguments)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
