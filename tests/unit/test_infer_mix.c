// The mix of a bundle: ranked lists have the scores that the trainer evaluates, whichever way they are asked for, and u.v alone
// stays what it was.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "convert/export.h"
#include "eval/ranking.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_mix.h"
#include "souk/infer.h"

enum { USERS = 70, ITEMS = 40, MANY_ITEMS = 30000 };

static char dir[256];
static dataset *d;
static model *m;
static mix *x;
static souk_bundle *with, *without;

static const mix_config settings = {.scale = 0.6,
                                    .popularity = 0.3,
                                    .unseen = -1,
                                    .reached = 0.4,
                                    .reached_popularity = -0.1,
                                    .neighbours = 20,
                                    .window = 5,
                                    .distance_power = 0.5,
                                    .counted = "train and validation",
                                    .n = 2,
                                    .sums = {{.channel = MIX_NEXT,
                                              .span = 1,
                                              .decay = 1,
                                              .row_power = 1,
                                              .row_shrink = 2,
                                              .n = 2,
                                              .terms = {{0, 2}, {30, 0.5}}},
                                             {.channel = MIX_LATER,
                                              .span = 8,
                                              .decay = 0.7,
                                              .row_power = 0.5,
                                              .column_power = 0.5,
                                              .n = 1,
                                              .terms = {{3, 1.5}}}}};

// A data set, a model, its checkpoint with a mix, and bundles with it and without it.
static void make(int32_t items, int64_t hidden) {
  char data[PATH_MAX], place[PATH_MAX], bundle[PATH_MAX], plain[PATH_MAX];
  model_config c = tiny_config();
  c.hidden = hidden;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(place, sizeof place, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "mixed"));
  check_ok(path_join(plain, sizeof plain, dir, "plain"));
  tiny_dataset(data, USERS, items, 0);
  check_ok(dataset_open(&d, data, true));
  m = tiny_model(d, &c);
  tiny_export(dir, m, d);
  x = tiny_mix_saved(dir, d, EVAL_TEST, &settings);
  check_ok(export_bundle(place, bundle, &(export_config){.with_mix = true}, NULL));
  check_ok(export_bundle(place, plain, &(export_config){.force = false}, NULL));
  assert_int_equal(souk_open(&with, bundle, 0, NULL), SOUK_OK);
  assert_int_equal(souk_open(&without, plain, 0, NULL), SOUK_OK);
}

static int make_small(void **state) {
  (void)state;
  make(ITEMS, 16);
  return 0;
}

// So many items that the threads divide the catalogue for one question.
static int make_large(void **state) {
  (void)state;
  make(MANY_ITEMS, 72);
  return 0;
}

static int drop(void **state) {
  (void)state;
  souk_close(with);
  souk_close(without);
  mix_free(x);
  model_free(m);
  dataset_close(d);
  tiny_remove(dir);
  return 0;
}

// ---- questions -----------------------------------------------------------------------------------------------

typedef struct asked {
  int32_t n, items[300];
} asked;

static asked history_of(const query *q) {
  asked a = {.n = 0};
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  assert_true(q->n <= 300);
  for (int32_t i = 0; i < q->n; i++) a.items[a.n++] = q->tokens[i] - first;
  return a;
}

static souk_query question(const asked *a, const int32_t *events) {
  return (souk_query){.history = {.n = a->n, .items = a->items, .events = events}};
}

static float rank_one(const souk_bundle *b, const souk_query *q, const souk_rank_options *o, int32_t k,
                      int32_t *items, float *scores) {
  int32_t count;
  souk_error e;
  if (souk_rank(b, q, 1, k, o, items, scores, &count, NULL, &e) != SOUK_OK) fail_msg("%s", e.message);
  for (int32_t i = count; i < k; i++) items[i] = -1;
  return scores[0];
}

// ---- the trainer's scores --------------------------------------------------------------------------------------

static status compare_list(void *self, const query *q, const ranked_list *list) {
  static int32_t items[ITEMS];
  static float scores[ITEMS];
  static int32_t events[300];
  const asked a = history_of(q);
  for (int32_t i = 0; i < q->n; i++) events[i] = q->events[i];
  const souk_query one = question(&a, events);
  rank_one(with, &one, NULL, ITEMS, items, scores);
  for (int32_t i = 0; i < list->n; i++) {
    int32_t at = 0;
    while (at < ITEMS && items[at] != list->items[i]) at++;
    assert_true(at < ITEMS);
    check_near((double)scores[at], (double)list->scores[i], 2e-5 * (1 + fabs((double)list->scores[i])));
  }
  ++*(int *)self;
  return OK;
}

// The lists of souk eval --lists and those of the bundle, score by score.
static void scores_are_the_trainers(void **state) {
  (void)state;
  ranking *r;
  int compared = 0;
  ranking_config c = ranking_defaults();
  c.query.part = EVAL_TEST;
  check_ok(ranking_open(&r, d, &c));
  ranking_set_mix(r, x);
  check_ok(ranking_lists(r, m, ITEMS, compare_list, &compared));
  assert_int_equal(compared, USERS);
  ranking_close(r);
}

// scale u.v and what the mix adds; u.v alone where it is turned off, or where the bundle has no mix.
static void scores_are_sums(void **state) {
  (void)state;
  static float u[128], plain[ITEMS], scores[ITEMS];
  static int32_t items[ITEMS], all[ITEMS];
  const asked a = {.n = 4, .items = {3, 7, 8, 12}};
  souk_query q = question(&a, NULL);
  format_error e;
  mix_batch b;
  assert_true(mix_batch_new(&b, x, &e));
  assert_true(mix_batch_add(&b, x, a.items, a.n, &e));
  for (int32_t i = 0; i < ITEMS; i++) all[i] = i;
  assert_int_equal(souk_user_vectors(with, &q.history, 1, 1, u, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_score(with, u, 1, all, ITEMS, plain, NULL), SOUK_OK);
  const souk_rank_options keep = {.keep_history = 1}, off = {.keep_history = 1, .no_mix = 1};
  rank_one(with, &q, &keep, ITEMS, items, scores);
  for (int32_t i = 0; i < ITEMS; i++) {
    const double wanted =
        settings.scale * (double)plain[items[i]] + (double)mix_of(x, mix_batch_get(&b, 0), items[i]);
    check_near((double)scores[i], wanted, 2e-5 * (1 + fabs(wanted)));
  }
  q.u = u; // given, not computed; the mix reads the history all the same
  static float given[ITEMS];
  static int32_t given_items[ITEMS];
  rank_one(with, &q, &keep, ITEMS, given_items, given);
  assert_memory_equal(given_items, items, sizeof items);
  assert_memory_equal(given, scores, sizeof scores);
  const souk_bundle *const bundles[] = {with, without};
  for (int i = 0; i < 2; i++) {
    rank_one(bundles[i], &q, &off, ITEMS, items, scores);
    for (int32_t k = 0; k < ITEMS; k++)
      check_near((double)scores[k], (double)plain[items[k]], 1e-5 * (1 + fabs((double)plain[items[k]])));
  }
  mix_batch_free(&b);
}

// Whoever has no known item in the history is ranked by the encoder alone, in its order: with no history at all, with items that are none,
// and with a user vector that was given.
static void newcomers_get_the_encoders_list(void **state) {
  (void)state;
  static float scores[ITEMS], plain[ITEMS], u[128];
  static int32_t items[ITEMS], plain_items[ITEMS];
  const asked none = {.n = 0}, unknown = {.n = 2, .items = {-1, -1}};
  const souk_rank_options off = {.no_mix = 1};
  souk_query q[3] = {question(&none, NULL), question(&unknown, NULL), question(&none, NULL)};
  assert_int_equal(souk_user_vectors(with, &q[0].history, 1, 1, u, NULL, NULL), SOUK_OK);
  q[2].u = u;
  for (int i = 0; i < 3; i++) {
    rank_one(with, &q[i], NULL, ITEMS, items, scores);
    rank_one(with, &q[i], &off, ITEMS, plain_items, plain);
    assert_memory_equal(items, plain_items, sizeof items);
    for (int32_t k = 0; k < ITEMS; k++)
      check_near((double)scores[k], settings.scale * (double)plain[k], 1e-6 * (1 + fabs((double)plain[k])));
  }
}

// ---- every way of asking -----------------------------------------------------------------------------------------

static float score_in(const int32_t *items, const float *scores, int32_t n, int32_t item) {
  for (int32_t i = 0; i < n; i++)
    if (items[i] == item) return scores[i];
  fail_msg("item %d is not listed", item);
  return 0;
}

// Candidates, a few allowed items, many, and denied ones: the same bits as over the whole catalogue.
static void filters_change_no_score(void **state) {
  (void)state;
  static float scores[ITEMS], other[ITEMS];
  static int32_t items[ITEMS], found[ITEMS], most[30];
  static const int32_t few[] = {30, 1, 22, -1}, deny[] = {22, 5};
  const asked a = {.n = 3, .items = {11, 12, 13}};
  souk_query q = question(&a, NULL);
  rank_one(with, &q, NULL, ITEMS, items, scores);
  for (int32_t i = 0; i < 30; i++) most[i] = i;
  const souk_rank_options options[] = {{.allow = few, .n_allow = 4},
                                       {.allow = most, .n_allow = 30},
                                       {.deny = deny, .n_deny = 2},
                                       {.allow = few, .n_allow = 4, .deny = deny, .n_deny = 2}};
  static const int32_t wanted[] = {3, 27, 35, 2};
  for (size_t o = 0; o < 4; o++) {
    rank_one(with, &q, &options[o], ITEMS, found, other);
    int32_t n = 0;
    for (; n < ITEMS && found[n] >= 0; n++) assert_true(other[n] == score_in(items, scores, ITEMS, found[n]));
    assert_int_equal(n, wanted[o]);
  }
  q.candidates = few;
  q.n_candidates = 4;
  rank_one(with, &q, NULL, ITEMS, found, other);
  for (int32_t i = 0; i < 3; i++) assert_true(other[i] == score_in(items, scores, ITEMS, found[i]));
  assert_int_equal(found[3], -1);
}

// A batch, threads and flat arrays.
static void batches_change_no_score(void **state) {
  (void)state;
  enum { N = 50, K = 7 };
  static souk_query queries[N];
  static asked histories[N];
  static int32_t items[2][N * K], counts[N], flat[4 * N];
  static float scores[2][N * K];
  static int64_t offsets[N + 1];
  for (int32_t i = 0; i < N; i++) {
    histories[i].n = i % 4;
    for (int32_t k = 0; k < i % 4; k++) histories[i].items[k] = (i * 7 + k * 3) % ITEMS;
    queries[i] = question(&histories[i], NULL);
    offsets[i + 1] = offsets[i] + i % 4;
    memcpy(flat + offsets[i], histories[i].items, (size_t)(i % 4) * sizeof *flat);
    rank_one(with, &queries[i], NULL, K, items[0] + i * K, scores[0] + i * K);
  }
  for (int32_t threads = 1; threads <= 3; threads++) {
    const souk_rank_options o = {.threads = threads};
    assert_int_equal(souk_rank(with, queries, N, K, &o, items[1], scores[1], counts, NULL, NULL), SOUK_OK);
    assert_memory_equal(items[0], items[1], sizeof items[0]);
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    memset(items[1], 0, sizeof items[1]);
    assert_int_equal(
        souk_rank_flat(with, offsets, flat, NULL, N, K, &o, items[1], scores[1], counts, NULL, NULL),
        SOUK_OK);
    assert_memory_equal(items[0], items[1], sizeof items[0]);
  }
}

static void threads_divide_the_catalogue(void **state) {
  (void)state;
  enum { K = 50 };
  static int32_t items[2][K];
  static float scores[2][K];
  const asked a = {.n = 3, .items = {11, 12, 13}};
  const souk_query q = question(&a, NULL);
  for (int i = 0; i < 2; i++) {
    const souk_rank_options o = {.threads = i == 0 ? 1 : 4};
    rank_one(with, &q, &o, K, items[i], scores[i]);
  }
  assert_memory_equal(items[0], items[1], sizeof items[0]);
  assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
}

static void what_the_bundle_says(void **state) {
  (void)state;
  souk_info info;
  int32_t items[2], count;
  assert_int_equal(souk_get_info(with, &info, NULL), SOUK_OK);
  assert_int_equal(info.has_mix, 1);
  const size_t bytes = info.memory_bytes;
  assert_int_equal(souk_get_info(without, &info, NULL), SOUK_OK);
  assert_int_equal(info.has_mix, 0);
  assert_true(bytes > info.memory_bytes);
  const souk_query q = {.n_deny = 0};
  const souk_rank_options two = {.no_mix = 2}, later = {.reserved = 1};
  refuses(souk_rank(with, &q, 1, 2, &two, items, NULL, &count, NULL, error), SOUK_ERR_ARGUMENT,
          "options.no_mix = 2 is not 0 or 1");
  refuses(souk_rank(with, &q, 1, 2, &later, items, NULL, &count, NULL, error), SOUK_ERR_ARGUMENT,
          "options.reserved = 1 is not 0");
}

int main(void) {
  const struct CMUnitTest small[] = {
      cmocka_unit_test(scores_are_the_trainers),         cmocka_unit_test(scores_are_sums),
      cmocka_unit_test(newcomers_get_the_encoders_list), cmocka_unit_test(filters_change_no_score),
      cmocka_unit_test(batches_change_no_score),         cmocka_unit_test(what_the_bundle_says)};
  const struct CMUnitTest large[] = {cmocka_unit_test(threads_divide_the_catalogue)};
  const int failed = cmocka_run_group_tests(small, make_small, drop);
  return failed + cmocka_run_group_tests(large, make_large, drop);
}
