// How the mix is learned: weights against a truth that is known and against their minimum, the samples that they are learned from
// against all scores, and the files of what came out.
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/philox.h"
#include "eval/mix_file.h"
#include "eval/mix_learn.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_mix.h"

static char dir[256];

// ---- learning ---------------------------------------------------------------------------------------------------

enum { QUESTIONS = 4000, CANDIDATES = 30, REACHED = 12, SUMS = 2 };

static const mix_config truth = {
    .scale = 1.3,
    .popularity = -0.4,
    .unseen = 0.8,
    .reached = 0.5,
    .reached_popularity = 0.3,
    .n = SUMS,
    .sums = {{.n = 2, .terms = {{0, 1.0}, {5, -0.5}}}, {.n = 1, .terms = {{2, 1.5}}}}};

static double true_score(const mix_candidate *c, const float *x) {
  double z = truth.scale * (double)c->encoder + truth.popularity * (double)c->log_count;
  if (!(c->log_count > 0)) z += truth.unseen;
  if (x == NULL || !(x[0] > 0 || x[1] > 0)) return z;
  z += truth.reached + truth.reached_popularity * (double)c->log_count;
  return z + (double)x[0] - 0.5 * log1p(5 * (double)x[0]) + 1.5 * log1p(2 * (double)x[1]);
}

// Questions whose answers are drawn from the softmax of the true scores. Of the candidates without sums half are left out, and
// the others stand for two each.
static void draw_samples(mix_samples *s, bool halved) {
  const size_t n = (size_t)QUESTIONS * CANDIDATES;
  *s = (mix_samples){.sums = SUMS};
  check_ok(mem_new(&s->end, QUESTIONS, sizeof *s->end, "x"));
  check_ok(mem_new(&s->weight, QUESTIONS, sizeof *s->weight, "x"));
  check_ok(mem_new(&s->target, QUESTIONS, sizeof *s->target, "x"));
  check_ok(mem_new(&s->reached_end, QUESTIONS, sizeof *s->reached_end, "x"));
  check_ok(mem_new(&s->candidates, n, sizeof *s->candidates, "x"));
  check_ok(mem_new(&s->x, (size_t)QUESTIONS * CANDIDATES * SUMS, sizeof *s->x, "x"));
  int64_t at = 0, n_rows = 0;
  for (int32_t q = 0; q < QUESTIONS; q++) {
    rng r = rng_at(11, 1, (uint32_t)q, 0);
    mix_candidate c[CANDIDATES];
    float x[CANDIDATES][SUMS] = {{0}};
    double p[CANDIDATES], total = 0;
    for (int32_t i = 0; i < CANDIDATES; i++) {
      c[i] = (mix_candidate){(float)rng_normal(&r), (float)(rng_unit(&r) < 0.2 ? 0 : 3 * rng_unit(&r)), 1};
      for (int k = 0; i < REACHED && k < SUMS; k++)
        x[i][k] = (float)(rng_unit(&r) < 0.3 ? 0 : 2 * rng_unit(&r));
      total += p[i] = exp(true_score(&c[i], i < REACHED ? x[i] : NULL));
    }
    double draw = rng_unit(&r) * total;
    int32_t answer = 0;
    while (answer + 1 < CANDIDATES && (draw -= p[answer]) > 0) answer++;
    // The answer is among the reached ones, with sums of 0 if need be, as mix_sample has it.
    int32_t order[CANDIDATES], reached = REACHED;
    for (int32_t i = 0; i < CANDIDATES; i++) order[i] = i;
    if (answer >= REACHED) {
      order[answer] = REACHED;
      order[REACHED] = answer;
      reached++;
    }
    for (int32_t i = 0; i < CANDIDATES; i++) {
      if (halved && i >= reached && (i - reached) % 2 == 1) continue;
      const int32_t rest = CANDIDATES - reached;
      if (order[i] == answer) s->target[q] = at;
      s->candidates[at] = c[order[i]];
      if (halved && i >= reached) s->candidates[at].weight = (float)rest / (float)((rest + 1) / 2);
      if (i < reached) memcpy(s->x + SUMS * n_rows++, x[order[i]], sizeof x[0]);
      at++;
    }
    s->end[q] = at;
    s->weight[q] = 1;
    s->reached_end[q] = n_rows;
  }
  s->questions = QUESTIONS;
}

static mix_config blank(void) {
  mix_config c = truth;
  c.scale = c.popularity = c.unseen = c.reached = c.reached_popularity = 0;
  for (int32_t i = 0; i < c.n; i++)
    for (int32_t j = 0; j < c.sums[i].n; j++) c.sums[i].terms[j].weight = 0;
  return c;
}

static void test_truth_is_found(void **unused) {
  (void)unused;
  mix_samples s;
  const mix_fitting f = {.encoder = true, .popularity = true, .reached = true, .prior = 1e-6};
  for (int halved = 0; halved < 2; halved++) {
    mix_config c = blank();
    mix_fitted fitted;
    draw_samples(&s, halved == 1);
    check_ok(mix_fit(&c, &s, &f, &fitted));
    check_near(c.scale, truth.scale, 0.1);
    check_near(c.popularity, truth.popularity, 0.1);
    check_near(c.unseen, truth.unseen, 0.2);
    check_near(c.reached, truth.reached, 0.25);
    check_near(c.reached_popularity, truth.reached_popularity, 0.15);
    check_near(c.sums[0].terms[0].weight, 1.0, 0.35);
    check_near(c.sums[0].terms[1].weight, -0.5, 0.35);
    check_near(c.sums[1].terms[0].weight, 1.5, 0.15);
    assert_true(fitted.steps < 20);
    mix_samples_free(&s);
  }
}

// Mean of -ln p by the definition, in double precision; with focus that of (1 - p^focus) / focus.
static double plain_loss(const mix_samples *s, const mix_config *c, double focus) {
  double sum = 0;
  int64_t row = 0;
  for (int64_t q = 0, i = 0; q < s->questions; q++) {
    double total = 0, answer = 0;
    for (const int64_t begin = i, reached = s->reached_end[q] - row; i < s->end[q]; i++) {
      const mix_candidate *one = &s->candidates[i];
      bool reached_by_any = false;
      double z = c->scale * (double)one->encoder + c->popularity * (double)one->log_count +
                 (one->log_count > 0 ? 0 : c->unseen);
      for (int32_t k = 0; i - begin < reached && k < c->n; k++)
        for (int32_t t = 0; t < c->sums[k].n; t++) {
          const double x = (double)s->x[(row + i - begin) * s->sums + k], gain = c->sums[k].terms[t].gain;
          z += c->sums[k].terms[t].weight * (gain > 0 ? log1p(gain * x) : x);
          reached_by_any = reached_by_any || x > 0;
        }
      if (reached_by_any) z += c->reached + c->reached_popularity * (double)one->log_count;
      total += (double)one->weight * exp(z);
      if (i == s->target[q]) answer = z;
    }
    row = s->reached_end[q];
    const double nats = log(total) - answer;
    sum += focus > 0 ? (1 - exp(-focus * nats)) / focus : nats;
  }
  return sum / (double)s->questions;
}

// No weight moved a little in either direction makes the answers likelier; and all threads find the same.
static void check_minimum(double focus, double far) {
  mix_samples s;
  const mix_fitting f = {.encoder = true, .popularity = true, .reached = true, .prior = 0, .focus = focus};
  mix_fitted fitted, again;
  mix_config c = blank(), same = blank();
  draw_samples(&s, true);
  omp_set_num_threads(1);
  check_ok(mix_fit(&c, &s, &f, &fitted));
  omp_set_num_threads(3);
  check_ok(mix_fit(&same, &s, &f, &again));
  assert_memory_equal(&c, &same, sizeof c);
  const double least = plain_loss(&s, &c, focus);
  check_near(fitted.loss, least, 1e-4);
  double *const weights[] = {&c.scale,
                             &c.popularity,
                             &c.unseen,
                             &c.reached,
                             &c.reached_popularity,
                             &c.sums[0].terms[0].weight,
                             &c.sums[0].terms[1].weight,
                             &c.sums[1].terms[0].weight};
  for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
    for (int side = -1; side <= 1; side += 2) {
      const double was = *weights[i];
      *weights[i] = was + far * side;
      assert_true(plain_loss(&s, &c, focus) > least);
      *weights[i] = was;
    }
  mix_samples_free(&s);
}

static void test_minimum(void **unused) {
  (void)unused;
  check_minimum(0, 0.03);
  check_minimum(0.3, 0.1);
}

// ---- samples ----------------------------------------------------------------------------------------------------

static void open_tiny(dataset **d, model **m, int32_t users, int32_t items) {
  char data[PATH_MAX];
  model_config c = tiny_config();
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, users, items, 0);
  check_ok(dataset_open(d, data, true));
  *m = tiny_model(*d, &c);
}

static void close_tiny(dataset *d, model *m) {
  model_free(m);
  dataset_close(d);
  tiny_remove(dir);
}

static mix_options usual(void) {
  mix_options o;
  const option_section section = {"mix", "Mix", mix_option_table, n_mix_options, &o};
  const option_set set = {.sections = &section, .count = 1};
  check_ok(options_defaults(&set));
  return o;
}

enum { TINY_USERS = 80, TINY_ITEMS = 60 };

static query_config as_asked(const mix_options *o) {
  query_config c = ranking_defaults().query;
  c.protocols[RANK_UNIFORM] = c.protocols[RANK_POPULARITY] = true;
  c.negatives = o->negatives;
  c.users = o->questions;
  c.seed = o->seed;
  return c;
}

// A tiny data set, its model, and its counts as a mix, with samples of so many negatives.
static mix *sample_tiny(dataset **d, model **m, int32_t negatives, mix_options *o, mix_samples *s) {
  open_tiny(d, m, TINY_USERS, TINY_ITEMS);
  *o = usual();
  o->negatives = negatives;
  o->popular = 0.4;
  o->top = 3;
  o->count.neighbours = 4;
  mix *x = tiny_mix(*d, EVAL_VALID, &tiny_mix_config, &o->count);
  check_ok(mix_sample(s, *d, *m, x, o));
  return x;
}

// The candidates of a question stand for the whole catalogue without the history.
static void test_samples(void **unused) {
  (void)unused;
  dataset *d;
  model *m;
  mix_options o;
  mix_samples s;
  mix *x = sample_tiny(&d, &m, 7, &o, &s);
  const query_config c = as_asked(&o);
  query_source *source;
  query_chunk chunk;
  check_ok(queries_open(&source, d, &c));
  check_ok(queries_chunk(source, 0, &chunk));
  assert_int_equal(2 * chunk.count, s.questions); // each among the catalogue and among popular items
  for (int64_t i = 0; i < s.questions; i++) {
    double stand_for = 0;
    int32_t filtered = 0;
    const query *asked = &chunk.queries[i / 2];
    const int64_t begin = i > 0 ? s.end[i - 1] : 0;
    for (int32_t k = 0; k < asked->n_seen; k++)
      filtered += query_filters(asked, k) && asked->seen[k] != asked->target;
    for (int64_t k = begin; k < s.end[i]; k++) stand_for += (double)s.candidates[k].weight;
    if (i % 2 == 0) check_near(stand_for, TINY_ITEMS - filtered, 1e-3);
    if (i % 2 == 1) check_near(stand_for, 1 + asked->n_negatives[RANK_POPULARITY], 1e-6);
    check_near((double)s.weight[i], i % 2 == 0 ? 0.6 : 0.4, 1e-6);
    const double count = (double)mix_get_table(x)->counts[asked->target];
    check_near((double)s.candidates[s.target[i]].log_count, log1p(count), 1e-6);
  }
  queries_close(source);
  mix_samples_free(&s);
  // Of some users only.
  o.questions = 10;
  o.popular = 0;
  check_ok(mix_sample(&s, d, m, x, &o));
  assert_int_equal(s.questions, 10);
  mix_samples_free(&s);
  mix_free(x);
  close_tiny(d, m);
}

// One question as it is asked: every score of the model, and what the sums reach.
typedef struct whole_question {
  const query *q;
  const float *scores; // [TINY_ITEMS]
  bool reached[TINY_ITEMS], filtered[TINY_ITEMS];
  float sums[TINY_ITEMS][MIX_SUMS];
} whole_question;

static void ask_whole(whole_question *w, const mix *x, mix_room *room, const query *q, const float *scores,
                      int32_t first_item) {
  int32_t history[64], n = 0;
  format_error e;
  *w = (whole_question){.q = q, .scores = scores};
  for (int32_t i = 0; i < q->n; i++)
    if (q->tokens[i] >= first_item) history[n++] = q->tokens[i] - first_item;
  assert_true(mix_history(x, room, history, n, &e));
  for (int32_t i = 0; i < q->n_seen; i++)
    w->filtered[q->seen[i]] = query_filters(q, i) && q->seen[i] != q->target;
  for (int32_t i = 0; i < room->n; i++) {
    const int32_t item = room->items[i], sums = mix_get_config(x)->n;
    if (w->filtered[item]) continue;
    w->reached[item] = true;
    memcpy(w->sums[item], room->sums + (size_t)i * (size_t)sums, (size_t)sums * sizeof(float));
  }
  w->reached[q->target] = true; // with sums of 0 where it is not
}

// Candidate `at` is the item, with its score by the model and, from row `row` of x on unless that is -1, its sums.
static void check_candidate(const mix_samples *s, const whole_question *w, int64_t at, int64_t row,
                            int32_t item) {
  check_near((double)s->candidates[at].encoder, (double)w->scores[item], 1e-6);
  if (row < 0) return;
  assert_memory_equal(s->x + row * s->sums, w->sums[item], (size_t)s->sums * sizeof(float));
}

// First what is reached, in the order of items; then what the model likes best of the rest; then random ones, all of one weight.
static void check_catalogue(const mix_samples *s, const whole_question *w, int64_t i, int32_t top) {
  int64_t at = i > 0 ? s->end[i - 1] : 0, row = i > 0 ? s->reached_end[i - 1] : 0;
  bool taken[TINY_ITEMS];
  for (int32_t item = 0; item < TINY_ITEMS; item++) {
    taken[item] = w->reached[item] || w->filtered[item];
    if (!w->reached[item]) continue;
    if (item == w->q->target) assert_int_equal(s->target[i], at);
    check_near((double)s->candidates[at].weight, 1, 0);
    check_candidate(s, w, at++, row++, item);
  }
  assert_int_equal(row, s->reached_end[i]);
  for (int32_t k = 0; k < top; k++) {
    int32_t best = -1;
    for (int32_t item = 0; item < TINY_ITEMS; item++)
      if (!taken[item] && (best < 0 || w->scores[item] > w->scores[best])) best = item;
    if (best < 0) break;
    taken[best] = true;
    check_near((double)s->candidates[at].weight, 1, 0);
    check_candidate(s, w, at++, -1, best);
  }
  const float weight = at < s->end[i] ? s->candidates[at].weight : 0;
  for (int32_t k = 0; k < w->q->n_negatives[RANK_UNIFORM]; k++) {
    const int32_t item = w->q->negatives[RANK_UNIFORM][k];
    if (taken[item]) continue;
    assert_true(s->candidates[at].weight == weight);
    check_candidate(s, w, at++, -1, item);
  }
  assert_int_equal(at, s->end[i]);
}

// The answer, then the popular items that are reached, then the others.
static void check_popular(const mix_samples *s, const whole_question *w, int64_t i) {
  const int32_t n = w->q->n_negatives[RANK_POPULARITY], *items = w->q->negatives[RANK_POPULARITY];
  int64_t at = s->end[i - 1], row = s->reached_end[i - 1];
  assert_int_equal(s->target[i], at);
  check_candidate(s, w, at++, row++, w->q->target);
  for (int32_t k = 0; k < n; k++)
    if (w->reached[items[k]]) check_candidate(s, w, at++, row++, items[k]);
  assert_int_equal(row, s->reached_end[i]);
  for (int32_t k = 0; k < n; k++)
    if (!w->reached[items[k]]) check_candidate(s, w, at++, -1, items[k]);
  assert_int_equal(at, s->end[i]);
}

// Every score of the model, of all questions.
static status begin_scores(void *self, const query_chunk *c) {
  return mem_new((float **)self, (size_t)c->count * TINY_ITEMS, sizeof(float), "scores");
}

static void see_scores(void *self, int64_t question, float *scores, int32_t first, int32_t n) {
  memcpy(*(float **)self + question * TINY_ITEMS + first, scores, (size_t)n * sizeof *scores);
}

static status end_scores(void *self, const query_chunk *c) {
  (void)self;
  (void)c;
  return OK;
}

// Which items are candidates, and with what: in each way of asking, against all scores and all sums.
static void test_candidates(void **unused) {
  (void)unused;
  dataset *d;
  model *m;
  mix_options o;
  mix_samples s;
  mix *x = sample_tiny(&d, &m, 9, &o, &s);
  ranking_config c = ranking_defaults();
  c.query = as_asked(&o);
  ranking *r;
  float *scores = NULL;
  const score_visitor v = {&scores, begin_scores, see_scores, end_scores};
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_scores(r, m, &v));
  query_source *source;
  query_chunk chunk;
  mix_room room;
  format_error e;
  whole_question w;
  check_ok(queries_open(&source, d, &c.query));
  check_ok(queries_chunk(source, 0, &chunk));
  assert_true(mix_room_new(&room, x, &e));
  for (int64_t i = 0; i < chunk.count; i++) {
    ask_whole(&w, x, &room, &chunk.queries[i], scores + i * TINY_ITEMS,
              vocab_begin(dataset_vocab(d), RANGE_ITEMS));
    check_catalogue(&s, &w, 2 * i, (int32_t)o.top);
    check_popular(&s, &w, 2 * i + 1);
  }
  mix_room_free(&room);
  queries_close(source);
  ranking_close(r);
  free(scores);
  mix_samples_free(&s);
  mix_free(x);
  close_tiny(d, m);
}

static void test_features(void **unused) {
  (void)unused;
  mix_config c;
  mix_fitting f = {.prior = 1};
  check_ok(mix_features_parse(&c, &f, "encoder, next"));
  assert_true(f.encoder && !f.popularity && c.n == 3 && c.sums[0].channel == MIX_NEXT);
  f = (mix_fitting){.prior = 1};
  check_ok(mix_features_parse(&c, &f, " ,"));
  assert_true(f.encoder && f.popularity && f.reached && c.n == 11); // nothing named: all
  for (int32_t i = 0; i < c.n; i++) assert_int_equal(c.sums[i].n, 3);
  check_ok(mix_features_parse(&c, &f, "rate,popularity,"));
  assert_true(c.n == 2 && c.sums[0].channel == MIX_LATER && c.sums[1].channel == MIX_EARLIER);
  check_fails(mix_features_parse(&c, &f, "encoder, nxt"), ERR_ARGUMENT,
              "\"nxt\" is not one of encoder, popularity");
  check_fails(mix_features_parse(&c, &f, "recent,recent,recent,recent,recent,recent,recent,recent,recent"),
              ERR_ARGUMENT, "names something twice");
}

// ---- files ------------------------------------------------------------------------------------------------------

// The logarithmic terms of each sum bend at its mean over what it reaches, and at a hundredth of it.
static void check_gains(const mix *x, dataset *d, model *m, const mix_options *o) {
  mix_samples s;
  const mix_config *c = mix_get_config(x);
  check_ok(mix_sample(&s, d, m, x, o));
  for (int32_t k = 0; k < c->n; k++) {
    double sum = 0, n = 0;
    for (int64_t i = 0; i < s.reached_end[s.questions - 1]; i++) {
      sum += (double)s.x[i * s.sums + k];
      n += s.x[i * s.sums + k] > 0;
    }
    assert_true(n > 0);
    check_near(c->sums[k].terms[0].gain, 0, 0);
    check_near(c->sums[k].terms[1].gain * sum / n, 3, 1e-9);
    check_near(c->sums[k].terms[2].gain * sum / n, 100, 1e-7);
  }
  mix_samples_free(&s);
}

// A mix with the weights of another one is that one, where the data are the same.
static void check_same_weights(const mix *x, dataset *d) {
  mix *same;
  check_ok(mix_from(&same, d, mix_get_config(x), 1 << 20));
  assert_memory_equal(mix_get_config(same), mix_get_config(x), sizeof(mix_config));
  const mix_table *a = mix_get_table(same), *b = mix_get_table(x);
  const size_t n = (size_t)b->offsets[b->items];
  assert_memory_equal(a->counts, b->counts, (size_t)b->items * sizeof *b->counts);
  assert_memory_equal(a->offsets, b->offsets, ((size_t)b->items + 1) * sizeof *b->offsets);
  assert_memory_equal(a->others, b->others, n * sizeof *b->others);
  for (int k = 0; k < MIX_CHANNELS; k++)
    assert_memory_equal(a->weights[k], b->weights[k], n * sizeof **b->weights);
  mix_free(same);
}

static void test_files(void **unused) {
  (void)unused;
  dataset *d;
  model *m;
  checkpoint *c;
  mix *x, *train, *last;
  mix_learned learned;
  char path[PATH_MAX];
  open_tiny(&d, &m, 60, 20);
  tiny_export(dir, m, d);
  check_ok(path_join(path, sizeof path, dir, "checkpoint"));
  check_ok(checkpoint_open(&c, path));
  mix_options o = usual();
  o.focus = 0; // the likelihood, which is compared below
  assert_false(mix_is_there(c, false));
  check_fails(mix_open(&x, c, false), ERR_NOT_FOUND, "has no mix");
  check_ok(mix_learn(&x, d, m, &o, &learned));
  assert_true(learned.both.loss < learned.encoder.loss && learned.both.loss < learned.counts.loss + 1e-6);
  check_gains(x, d, m, &o);
  check_same_weights(x, d);
  mix_table table;
  check_ok(mix_count(&table, d, EVAL_TEST, &o.count));
  check_ok(mix_save(c, x, &table));
  assert_true(mix_is_there(c, false) && mix_is_there(c, true));
  check_ok(mix_open(&train, c, false));
  check_ok(mix_open(&last, c, true));
  assert_memory_equal(mix_get_config(x)->sums, mix_get_config(train)->sums, sizeof mix_get_config(x)->sums);
  assert_string_equal(mix_get_config(last)->counted, "train and validation");
  assert_memory_equal(mix_get_table(last)->counts, table.counts, 20 * sizeof *table.counts);
  mix_free(train);
  mix_free(last);
  // Without final counts the old ones go.
  check_ok(mix_save(c, x, NULL));
  assert_true(mix_is_there(c, false) && !mix_is_there(c, true));
  // Of another model, and damaged.
  c->model_sha256[0] = c->model_sha256[0] == '0' ? '1' : '0';
  check_fails(mix_open(&train, c, false), ERR_FORMAT, "learned for another model");
  c->model_sha256[0] = c->model_sha256[0] == '0' ? '1' : '0';
  check_ok(mix_save(c, x, NULL));
  check_ok(mix_table_path(c, false, path));
  FILE *f = fopen(path, "r+e");
  assert_non_null(f);
  assert_int_equal(fseek(f, -3, SEEK_END), 0);
  fputc(fgetc(f) ^ 1, f);
  assert_int_equal(fclose(f), 0);
  check_fails(mix_open(&train, c, false), ERR_CHECKSUM, "train.safetensors");
  mix_table_free(&table);
  mix_free(x);
  checkpoint_close(c);
  close_tiny(d, m);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_minimum),  cmocka_unit_test(test_truth_is_found),
                                     cmocka_unit_test(test_samples),  cmocka_unit_test(test_candidates),
                                     cmocka_unit_test(test_features), cmocka_unit_test(test_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
