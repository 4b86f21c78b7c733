// Ranking evaluation: tiles against plain double-precision ranks, row scorers, losses, lists, what is refused.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "eval/ranking.h"
#include "lib/check.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"
#include "model/objectives/item_head.h"

static char dir[256];

static dataset *open_tiny(int32_t users, int32_t items) {
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, users, items, 0);
  check_ok(dataset_open(&d, dir, true));
  return d;
}

static void close_tiny(dataset *d) {
  dataset_close(d);
  tiny_remove(dir);
}

static model_config small_model(const dataset *d, int score) {
  const dataset_info *info = dataset_get_info(d);
  model_config c = {.hidden = 12,
                    .layers = 1,
                    .heads = 2,
                    .max_positions = 10, // shorter than most histories
                    .segments = 1,
                    .layer_norm_eps = 1e-12,
                    .init_std = 0.3,
                    .score = score,
                    .temperature = score == 1 ? 0.1 : 1.0,
                    .item_classes = score == 1};
  check_ok(model_config_resolve(&c, info->range_end, info->n_event_types));
  return c;
}

static model *make_model(const model_config *c) {
  const model_run run = {.caps = {.tokens = 64, .seqs = 9, .masked = 9}, .seed = 5};
  model *m;
  check_ok(model_create(&m, "cpu", c, &run));
  // Biases are zero at first; give items some, so that folding them in is seen.
  const param *bias = param_find(model_params(m), "cls.predictions.bias");
  assert_non_null(bias);
  float *values = param_master(model_params(m), bias);
  for (int64_t i = 0; i < bias->size; i++) values[i] = 0.1f * (float)(i * 7 % 11);
  return m;
}

// ---- the plain way -------------------------------------------------------------------------------------------

typedef struct plain {
  int32_t items, W;
  float *v;       // [items][W]
  float *u;       // [W]
  double *scores; // [items]
  batch *b;
} plain;

static void plain_open(plain *p, model *m, const dataset *d) {
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  p->items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - first;
  p->W = (int32_t)model_get_config(m)->hidden + 1;
  check_ok(batch_new(&p->b, model_get_run(m)->caps));
  p->v = calloc((size_t)p->items * (size_t)p->W, sizeof *p->v);
  p->u = calloc((size_t)p->W, sizeof *p->u);
  p->scores = calloc((size_t)p->items, sizeof *p->scores);
  assert_true(p->v != NULL && p->u != NULL && p->scores != NULL);
  check_ok(model_item_vectors(m, first - model_get_config(m)->class_base, p->items, p->v));
}

static void plain_close(plain *p) {
  batch_free(p->b);
  free(p->v);
  free(p->u);
  free(p->scores);
}

// One question alone in a batch, scores in double.
static void plain_scores(plain *p, model *m, const query *q) {
  const seq_layout layout = model_layout(model_get_config(m));
  const batch_input history = {.tokens = q->tokens, .events = q->events, .n = q->n};
  const step_state state = {.scale = {1}};
  batch_clear(p->b);
  assert_true(batch_add_query(p->b, &layout, &history, q->sequence, -1));
  batch_finish(p->b);
  check_ok(model_set_batch(m, p->b, &state));
  check_ok(model_forward(m, false));
  check_ok(model_user_vectors(m, p->u));
  for (int32_t i = 0; i < p->items; i++) {
    p->scores[i] = 0;
    for (int32_t j = 0; j < p->W; j++)
      p->scores[i] += (double)p->u[j] * (double)p->v[(size_t)i * (size_t)p->W + (size_t)j];
  }
}

static bool is_candidate(const query *q, int32_t protocol, int32_t item, bool filter) {
  if (item == q->target) return false;
  if (protocol == RANK_FULL) {
    for (int32_t i = 0; filter && i < q->n; i++)
      if (q->tokens[i] == TOKEN_SPECIALS + item) return false;
    return true;
  }
  for (int32_t i = 0; i < q->n_negatives[protocol]; i++)
    if (q->negatives[protocol][i] == item) return true;
  return false;
}

// The rank lies between that with all near candidates below the target and that with all above; *exact counts questions
// where both are the same.
static void check_rank(const plain *p, const query *q, int32_t protocol, bool filter, int32_t rank,
                       int *exact) {
  const double near = 1e-4;
  int32_t least = 1, most = 1;
  for (int32_t i = 0; i < p->items; i++) {
    if (!is_candidate(q, protocol, i, filter)) continue;
    least += p->scores[i] > p->scores[q->target] + near;
    most += p->scores[i] >= p->scores[q->target] - near;
  }
  assert_in_range(rank, least, most);
  *exact += least == most;
}

// Tiles, packed batches and single precision against one question at a time in double.
static void check_model(int score, int32_t items, bool filter) {
  enum { USERS = 150 };
  dataset *d = open_tiny(USERS, items);
  const model_config mc = small_model(d, score);
  model *m = make_model(&mc);
  plain p;
  ranking_config c = ranking_defaults();
  c.query.part = EVAL_TEST;
  c.query.protocols[RANK_UNIFORM] = c.query.protocols[RANK_POPULARITY] = true;
  c.query.negatives = 12;
  c.query.filter_history = filter;
  c.loss = true;
  ranking *r;
  ranking_result result;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run(r, m, &result));
  assert_int_equal(result.queries, USERS);
  assert_int_equal(result.users, USERS);
  plain_open(&p, m, d);
  query_chunk k;
  query_source *s;
  check_ok(queries_open(&s, d, &c.query));
  check_ok(queries_chunk(s, 0, &k));
  int exact = 0;
  double loss = 0, hits = 0;
  for (int64_t i = 0; i < k.count; i++) {
    const query *q = &k.queries[i];
    plain_scores(&p, m, q);
    for (int32_t protocol = 0; protocol < RANK_PROTOCOLS; protocol++)
      check_rank(&p, q, protocol, filter, result.ranks[protocol][i], &exact);
    if (score == 1) { // the classes are the items: the loss can be had from the scores
      double sum = 0;
      bool best = true;
      for (int32_t j = 0; j < p.items; j++) {
        sum += exp(p.scores[j] - p.scores[q->target]);
        best = best && p.scores[j] <= p.scores[q->target];
      }
      loss += log(sum) / USERS;
      hits += (double)best / USERS;
    }
  }
  assert_true(exact > 3 * USERS * 9 / 10);
  assert_true(result.has_loss && isfinite(result.loss));
  if (score == 1) check_near(result.loss, loss, 1e-4);
  if (score == 1) check_near(result.accuracy, hits, 1e-6);
  rank_metrics metrics;
  rank_metrics_of(result.ranks[RANK_FULL], USERS, &metrics);
  assert_memory_equal(&metrics, &result.metrics[RANK_FULL], sizeof metrics);

  // Again, and with another number of threads: the same ranks. Without the catalogue: the same among negatives.
  const int threads = omp_get_max_threads();
  for (int round = 0; round < 3; round++) {
    ranking_result other;
    ranking *again;
    c.query.protocols[RANK_FULL] = round < 2;
    c.loss = round == 0;
    omp_set_num_threads(round == 0 ? threads : 1);
    check_ok(ranking_open(&again, d, &c));
    check_ok(ranking_run(again, m, &other));
    for (int32_t protocol = 0; protocol < RANK_PROTOCOLS; protocol++)
      if (c.query.protocols[protocol])
        assert_memory_equal(other.ranks[protocol], result.ranks[protocol], USERS * sizeof(int32_t));
    ranking_result_free(&other);
    ranking_close(again);
  }
  omp_set_num_threads(threads);
  queries_close(s);
  plain_close(&p);
  ranking_result_free(&result);
  ranking_close(r);
  model_free(m);
  close_tiny(d);
}

static void test_dot(void **unused) {
  (void)unused;
  check_model(0, 40, true);
}
static void test_cosine(void **unused) {
  (void)unused;
  check_model(1, 1300, true); // three tiles of items
}
static void test_unfiltered(void **unused) {
  (void)unused;
  check_model(0, 40, false);
}

// ---- rows ----------------------------------------------------------------------------------------------------

// Few levels: nearly every target ties with others. A function of question and item alone.
static float coarse_score(const query *q, int32_t item) {
  rng r = rng_at(3, 3, (uint32_t)q->sequence, (uint32_t)item);
  return (float)rng_below(&r, 4);
}

static void coarse_scorer(void *self, int32_t thread, const query *q, float *scores) {
  assert_in_range(thread, 0, omp_get_max_threads() - 1);
  for (int32_t i = 0; i < *(int32_t *)self; i++) scores[i] = coarse_score(q, i);
}

static void test_rows(void **unused) {
  (void)unused;
  int32_t items = 40;
  dataset *d = open_tiny(200, items);
  ranking_config c = ranking_defaults();
  c.query.protocols[RANK_UNIFORM] = c.query.protocols[RANK_POPULARITY] = true;
  c.query.negatives = 10;
  ranking *r;
  ranking_result result;
  query_source *s;
  query_chunk k;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run_rows(r, coarse_scorer, &items, &result));
  check_ok(queries_open(&s, d, &c.query));
  check_ok(queries_chunk(s, 0, &k));
  for (int64_t i = 0; i < k.count; i++) {
    const query *q = &k.queries[i];
    for (int32_t protocol = 0; protocol < RANK_PROTOCOLS; protocol++) {
      int32_t above = 0, tied = 0;
      for (int32_t item = 0; item < items; item++) {
        if (!is_candidate(q, protocol, item, true)) continue;
        above += coarse_score(q, item) > coarse_score(q, q->target);
        tied += coarse_score(q, item) == coarse_score(q, q->target);
      }
      assert_int_equal(result.ranks[protocol][i], 1 + above + (int32_t)(q->tie[protocol] * (tied + 1)));
    }
  }
  ranking_result_free(&result);
  queries_close(s);
  ranking_close(r);
  close_tiny(d);
}

static void equal_scorer(void *self, int32_t thread, const query *q, float *scores) {
  (void)thread, (void)q;
  for (int32_t i = 0; i < *(int32_t *)self; i++) scores[i] = 1.0f;
}

// Where all scores are equal every rank is as likely as the next: whoever says nothing gains nothing.
static void test_all_tied(void **unused) {
  (void)unused;
  int32_t items = 50;
  enum { USERS = 3000 };
  dataset *d = open_tiny(USERS, items);
  ranking_config c = ranking_defaults();
  c.query.filter_history = false;
  ranking *r;
  ranking_result result;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run_rows(r, equal_scorer, &items, &result));
  double chi = 0;
  int64_t at[51] = {0};
  for (int64_t i = 0; i < USERS; i++) at[result.ranks[RANK_FULL][i]]++;
  assert_int_equal(at[0], 0);
  for (int i = 1; i <= 50; i++) chi += (double)((at[i] - 60) * (at[i] - 60)) / 60;
  assert_true(chi < 85.4); // 49 degrees of freedom, 99.9%
  check_near(result.metrics[RANK_FULL].value[METRIC_HR + 2], 0.2, 0.03);
  ranking_result_free(&result);
  ranking_close(r);
  close_tiny(d);
}

static status evaluate(model *m, dataset *d, const ranking_config *c, ranking_result *out) {
  *out = (ranking_result){0};
  ranking *r;
  TRY(ranking_open(&r, d, c));
  const status rc = ranking_run(r, m, out);
  ranking_close(r);
  return rc;
}

// A model whose items are all alike: the target's own product and those of the tiles differ by rounding, and still all tie.
static void test_model_ties(void **unused) {
  (void)unused;
  enum { USERS = 400, ITEMS = 700, H = 52 };
  dataset *d = open_tiny(USERS, ITEMS);
  model_config mc = small_model(d, 0);
  mc.hidden = H;
  model *m = make_model(&mc);
  param_set *s = model_params(m);
  const param *table = param_find(s, "bert.embeddings.word_embeddings.weight"),
              *bias = param_find(s, "cls.predictions.bias");
  float *vectors = param_master(s, table);
  for (int32_t i = 1; i < ITEMS; i++)
    memcpy(vectors + (TOKEN_SPECIALS + i) * H, vectors + TOKEN_SPECIALS * H, H * sizeof *vectors);
  for (int64_t i = 0; i < bias->size; i++) param_master(s, bias)[i] = 0.37f;
  ranking_config c = ranking_defaults();
  c.query.filter_history = false;
  ranking_result result;
  check_ok(evaluate(m, d, &c, &result));
  double mean = 0, quarter = 0;
  for (int i = 0; i < USERS; i++) mean += result.ranks[RANK_FULL][i] / (double)USERS;
  for (int i = 0; i < USERS; i++) quarter += (result.ranks[RANK_FULL][i] <= ITEMS / 4) / (double)USERS;
  check_near(mean, (ITEMS + 1) / 2.0, 4 * ITEMS / sqrt(12.0 * USERS));
  check_near(quarter, 0.25, 4 * sqrt(0.25 * 0.75 / USERS));
  ranking_result_free(&result);
  model_free(m);
  close_tiny(d);
}

// A target that is not in the vocabulary has no loss: the mean is that over the others.
static void test_loss_of_unknown(void **unused) {
  (void)unused;
  const char *const log[] = {"ABC|A|C", "BAC|B|?", "AB|D|D", "CA|A|?", "AB|B|E"}, *const known[] = {
                                                                                      log[0], log[2], log[4]};
  double loss[2], accuracy[2];
  for (int round = 0; round < 2; round++) {
    dataset *d;
    tiny_directory(dir, sizeof dir);
    small_log(dir, 6, round == 0 ? log : known, round == 0 ? 5 : 3);
    check_ok(dataset_open(&d, dir, true));
    const model_config mc = small_model(d, 1);
    model *m = make_model(&mc);
    ranking_config c = ranking_defaults();
    c.query.part = EVAL_TEST;
    c.loss = true;
    ranking_result result;
    check_ok(evaluate(m, d, &c, &result));
    assert_true(result.has_loss);
    loss[round] = result.loss;
    accuracy[round] = result.accuracy;
    ranking_result_free(&result);
    model_free(m);
    dataset_close(d);
    tiny_remove(dir);
  }
  check_near(loss[0], loss[1], 1e-5);
  check_near(accuracy[0], accuracy[1], 1e-12);
}

static void nan_scorer(void *self, int32_t thread, const query *q, float *scores) {
  equal_scorer(self, thread, q, scores);
  if (q->sequence == 7) scores[q->target] = NAN;
}

// ---- shares, values, refusals ----------------------------------------------------------------------------------

static void test_shares(void **unused) {
  (void)unused;
  // Test targets: C is in train, D only in validation, E nowhere, [UNK] not in the vocabulary; then D again.
  const char *const log[] = {"ABC|A|C", "AB|D|D", "AB|B|E", "BA|A|?", "AC|B|D"};
  dataset *d;
  tiny_directory(dir, sizeof dir);
  small_log(dir, 6, log, 5);
  check_ok(dataset_open(&d, dir, true));
  ranking_config c = ranking_defaults();
  c.query.part = EVAL_TEST;
  c.query.protocols[RANK_UNIFORM] = true;
  ranking *r;
  ranking_result result;
  int32_t items = 6;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run_rows(r, equal_scorer, &items, &result));
  assert_int_equal(result.queries, 5);
  assert_int_equal(result.unknown, 1);
  assert_int_equal(result.unseen, 2); // E and the unknown one
  assert_int_equal(result.cold, 4);   // and D twice
  assert_int_equal(result.ranks[RANK_FULL][3], 0);
  assert_int_equal(result.ranks[RANK_UNIFORM][3], 0);
  assert_in_range((int64_t)result.fewest_negatives, 2, 3); // six items less history and target
  double value;
  check_ok(ranking_value(&result, "hr@20", &value));
  check_near(value, 0.8, 1e-12); // all but the unknown one
  check_fails(ranking_value(&result, "loss", &value), ERR_ARGUMENT,
              "\"loss\" is not a metric of this evaluation");
  check_fails(ranking_value(&result, "hr@3", &value), ERR_ARGUMENT, "hr@3");
  check_ok(ranking_value(&result, "uniform/mrr", &value));
  check_near(value, result.metrics[RANK_UNIFORM].value[METRIC_MRR_ALL], 0);
  check_ok(ranking_value(&result, "full/hr@20", &value));
  check_near(value, 0.8, 1e-12);
  check_fails(ranking_value(&result, "popularity/hr@5", &value), ERR_ARGUMENT,
              "not a metric of this evaluation");
  int32_t protocol, metric;
  assert_true(ranking_metric_find("popularity/hr@5", &protocol, &metric));
  assert_int_equal(protocol, RANK_POPULARITY);
  assert_int_equal(metric, METRIC_HR + 1);
  assert_true(ranking_metric_find("accuracy", &protocol, &metric));
  assert_int_equal(protocol, RANK_PROTOCOLS);
  const char *const none[] = {
      "", "/", "/hr@5", "popular/hr@5", "popularity/", "popularity/loss", "popularityhr@5"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    assert_false(ranking_metric_find(none[i], &protocol, &metric));
  ranking_result_free(&result);
  ranking_result_free(&result); // twice is fine
  ranking_close(r);
  c.query.part = EVAL_VALID; // the first D was known to nobody
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run_rows(r, equal_scorer, &items, &result));
  assert_int_equal(result.unknown, 0);
  assert_int_equal(result.unseen, 1);
  assert_int_equal(result.cold, 1);
  ranking_result_free(&result);
  ranking_close(r);
  dataset_close(d);
  tiny_remove(dir);
}

static void test_refusals(void **unused) {
  (void)unused;
  dataset *d = open_tiny(60, 30);
  ranking_config c = ranking_defaults();
  ranking *r;
  ranking_result result, same;
  int32_t items = 30;
  check_ok(ranking_open(&r, d, &c));
  check_fails(ranking_run_rows(r, nan_scorer, &items, &result), ERR_NONFINITE, "not finite");
  ranking_result_free(&result);

  // A larger vocabulary and more event types than the data set's are fine, and change nothing but the parameters.
  model_config mc = small_model(d, 1);
  model *m = make_model(&mc);
  check_ok(ranking_run(r, m, &result));
  float *table =
      param_master(model_params(m), param_find(model_params(m), "bert.embeddings.word_embeddings.weight"));
  for (int j = 0; j < 12; j++) table[TOKEN_SPECIALS * 12 + j] = NAN;
  check_fails(ranking_run(r, m, &same), ERR_NONFINITE, "not finite");
  ranking_result_free(&same);
  model_free(m);
  mc.vocab_size += 3;
  mc.event_types += 1;
  m = make_model(&mc);
  check_ok(ranking_run(r, m, &same));
  assert_int_equal(same.queries, result.queries);
  ranking_result_free(&same);
  ranking_result_free(&result);
  model_free(m);
  ranking_close(r);

  // Fewer items, or fewer event types, are not.
  dataset *larger;
  char first[256];
  strcpy(first, dir);
  larger = open_tiny(60, 31);
  mc = small_model(d, 1);
  m = make_model(&mc);
  check_ok(ranking_open(&r, larger, &c));
  check_fails(ranking_run(r, m, &result), ERR_ARGUMENT, "the model was made for one of 35");
  ranking_result_free(&result);
  ranking_close(r);
  model_free(m);
  close_tiny(larger);
  strcpy(dir, first);
  mc.event_types = 2;
  m = make_model(&mc);
  check_fails(evaluate(m, d, &c, &result), ERR_ARGUMENT, "3 event types, the model was made for 2");
  ranking_result_free(&result);
  model_free(m);

  // Sequences that do not fit the batches at all.
  mc = small_model(d, 1);
  const model_run run = {.caps = {.tokens = 4, .seqs = 2, .masked = 2}, .seed = 5};
  check_ok(model_create(&m, "cpu", &mc, &run));
  check_fails(evaluate(m, d, &c, &result), ERR_ARGUMENT, "does not fit into batches of 4 tokens");
  ranking_result_free(&result);
  model_free(m);
  close_tiny(d);
}

// ---- lists -----------------------------------------------------------------------------------------------------

typedef struct list_check {
  plain p;
  model *m;
  int32_t k, asked;
  bool filter;
} list_check;

static status check_list(void *self, const query *q, const ranked_list *list) {
  list_check *c = self;
  plain_scores(&c->p, c->m, q);
  c->asked++;
  int32_t allowed = 0;
  uint8_t out[64] = {0};
  for (int32_t i = 0; c->filter && i < q->n; i++) out[q->tokens[i] - TOKEN_SPECIALS] = 1;
  for (int32_t i = 0; i < c->p.items; i++) allowed += !out[i];
  assert_int_equal(list->n, allowed < c->k ? allowed : c->k);
  for (int32_t i = 0; i < list->n; i++) {
    assert_false(out[list->items[i]]); // none of the history, none twice
    out[list->items[i]] = 1;
    check_near(list->scores[i], c->p.scores[list->items[i]], 1e-4);
    if (i > 0) assert_true(list->scores[i] <= list->scores[i - 1]);
  }
  for (int32_t i = 0; i < c->p.items; i++)
    if (!out[i]) assert_true(c->p.scores[i] <= (double)list->scores[list->n - 1] + 1e-4);
  return q->sequence == 33 ? fail(ERR_INTERRUPTED, "enough") : OK;
}

static void test_lists(void **unused) {
  (void)unused;
  dataset *d = open_tiny(40, 30);
  model_config mc = small_model(d, 0);
  model *m = make_model(&mc);
  ranking_config c = ranking_defaults();
  for (int round = 0; round < 3; round++) {
    ranking *r;
    list_check check = {.m = m, .k = round == 1 ? 100 : 6, .filter = round < 2};
    c.query.filter_history = check.filter;
    plain_open(&check.p, m, d);
    check_ok(ranking_open(&r, d, &c));
    check_fails(ranking_lists(r, m, 0, check_list, &check), ERR_ARGUMENT, "at least one item");
    // Lists of a chunk are made before the first is shown, so the visitor may use the model; its error comes back.
    check_fails(ranking_lists(r, m, check.k, check_list, &check), ERR_INTERRUPTED, "enough");
    assert_int_equal(check.asked, 34);
    ranking_close(r);
    plain_close(&check.p);
  }
  model_free(m);
  close_tiny(d);
}

static status see_ties(void *self, const query *q, const ranked_list *list) {
  (void)self;
  int32_t last = -1;
  for (int32_t i = 0; i < list->n; i++) { // all scores are equal: id order
    for (int32_t j = 0; j < q->n; j++) assert_int_not_equal(q->tokens[j], TOKEN_SPECIALS + list->items[i]);
    assert_true(list->items[i] > last);
    last = list->items[i];
  }
  return OK;
}

static void test_list_ties(void **unused) {
  (void)unused;
  dataset *d = open_tiny(40, 600); // two tiles
  model_config mc = small_model(d, 0);
  model *m = make_model(&mc);
  param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++)
    if (strstr(s->items[i].name, "word_embeddings") != NULL ||
        strstr(s->items[i].name, "predictions.bias") != NULL)
      memset(param_master(s, &s->items[i]), 0, (size_t)s->items[i].size * sizeof(float));
  ranking_config c = ranking_defaults();
  ranking *r;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_lists(r, m, 20, see_ties, NULL));
  ranking_close(r);
  model_free(m);
  close_tiny(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_dot),
                                     cmocka_unit_test(test_cosine),
                                     cmocka_unit_test(test_unfiltered),
                                     cmocka_unit_test(test_rows),
                                     cmocka_unit_test(test_all_tied),
                                     cmocka_unit_test(test_model_ties),
                                     cmocka_unit_test(test_loss_of_unknown),
                                     cmocka_unit_test(test_shares),
                                     cmocka_unit_test(test_refusals),
                                     cmocka_unit_test(test_lists),
                                     cmocka_unit_test(test_list_ties)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
