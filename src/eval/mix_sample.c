// The questions that a mix learns from; see mix_learn.h.
//
// Of each question every item that the counts reach is a candidate, with its sums. Of the rest of the catalogue, which only the
// encoder and the popularity tell apart, the items that the encoder likes best are candidates, since they may have much of the
// probability, and random ones, each of which stands for as many as the rest is larger than they are.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "eval/mix_learn.h"
#include "eval/mixer.h"
#include "format/order.h"

// One question while its scores come.
typedef struct asked {
  int32_t n, at;  // reached items and the answer; the next one whose score comes
  int32_t *items; // [n] ascending
  float *scores;  // [n]
  float *x;       // [n][sums]
  int32_t negative_at[RANK_PROTOCOLS];
  float *negative_scores[RANK_PROTOCOLS]; // [n_negatives] of each
  ranked_list top;                        // of all others
  bool failed;
} asked;

typedef struct sampler {
  const mix_options *o;
  const query *queries; // of the chunk
  int32_t first_item;
  mixer *x;
  asked *questions; // [chunk]
  int64_t n;        // of the chunk
  mix_samples *out;
} sampler;

static void asked_free(asked *a) {
  free(a->items);
  free(a->scores);
  free(a->x);
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) free(a->negative_scores[k]);
  free(a->top.items);
  free(a->top.scores);
  *a = (asked){0};
}

static bool is_seen(const query *q, int32_t item) {
  for (int32_t i = 0; i < q->n_seen; i++)
    if (q->seen[i] == item) return query_filters(q, i);
  return false;
}

// Nothing is learned from a question without an answer, nor from one without an item in its history: that is scored by the encoder
// alone (or, without it, by popularity alone, and then its weight does not matter).
static bool teaches(const sampler *s, const query *q) {
  for (int32_t i = 0; i < q->n && q->target >= 0; i++)
    if (q->tokens[i] >= s->first_item) return true;
  return false;
}

static bool asked_room(asked *a, const sampler *s, const query *q, size_t n) {
  format_error e;
  const size_t top = (size_t)s->o->top;
  for (int32_t k = RANK_UNIFORM; k < RANK_PROTOCOLS; k++)
    if (!format_alloc(&a->negative_scores[k], (size_t)q->n_negatives[k], sizeof **a->negative_scores,
                      "a question", &e))
      return false;
  return format_alloc(&a->items, n, sizeof *a->items, "a question", &e) &&
         format_alloc(&a->scores, n, sizeof *a->scores, "a question", &e) &&
         format_alloc(&a->x, n * (size_t)s->out->sums, sizeof *a->x, "a question", &e) &&
         format_alloc(&a->top.items, top, sizeof *a->top.items, "a question", &e) &&
         format_alloc(&a->top.scores, top, sizeof *a->top.scores, "a question", &e);
}

// The reached items outside the filtered history, and the answer among them.
static void begin_question(sampler *s, int64_t question) {
  const query *q = &s->queries[question];
  asked *a = &s->questions[question];
  const mix_room *r = mixer_sums(s->x, omp_get_thread_num(), q);
  const size_t sums = (size_t)s->out->sums;
  if (r == NULL || !asked_room(a, s, q, (size_t)r->n + 1)) {
    a->failed = true;
    return;
  }
  bool has_target = false;
  for (int32_t i = 0; i <= r->n; i++) {
    if (!has_target && (i == r->n || r->items[i] >= q->target)) {
      has_target = true;
      if (i == r->n || r->items[i] > q->target) a->items[a->n++] = q->target; // not reached: sums of 0
    }
    if (i == r->n || (r->items[i] != q->target && is_seen(q, r->items[i]))) continue;
    memcpy(a->x + (size_t)a->n * sums, r->sums + (size_t)i * sums, sums * sizeof *a->x);
    a->items[a->n++] = r->items[i];
  }
}

static void see_scores(void *self, int64_t question, float *scores, int32_t first, int32_t n) {
  sampler *s = self;
  const query *q = &s->queries[question];
  asked *a = &s->questions[question];
  if (!teaches(s, q) || a->failed) return;
  if (first == 0) begin_question(s, question);
  if (a->failed) return;
  for (int32_t k = RANK_UNIFORM; k < RANK_PROTOCOLS; k++) {
    int32_t *at = &a->negative_at[k];
    for (; *at < q->n_negatives[k] && q->negatives[k][*at] < first + n; ++*at)
      a->negative_scores[k][*at] = scores[q->negatives[k][*at] - first];
  }
  for (; a->at < a->n && a->items[a->at] < first + n; a->at++) {
    a->scores[a->at] = scores[a->items[a->at] - first];
    scores[a->items[a->at] - first] = -INFINITY;
  }
  for (int32_t i = 0; i < q->n_seen; i++)
    if (query_filters(q, i) && q->seen[i] >= first && q->seen[i] < first + n)
      scores[q->seen[i] - first] = -INFINITY;
  for (int32_t i = 0; i < n; i++) ranked_list_offer(&a->top, (int32_t)s->o->top, first + i, scores[i]);
}

// ---- chunks ------------------------------------------------------------------------------------------------------

static status begin_chunk(void *self, const query_chunk *c) {
  sampler *s = self;
  s->queries = c->queries;
  s->n = c->count;
  return mem_new(&s->questions, (size_t)c->count, sizeof *s->questions, "questions");
}

static void drop_chunk(sampler *s) {
  for (int64_t i = 0; s->questions != NULL && i < s->n; i++) asked_free(&s->questions[i]);
  free(s->questions);
  s->questions = NULL;
}

static void put(const sampler *s, int64_t at, int32_t item, float score, double weight) {
  const mix_table *t = mix_get_table(mixer_mix(s->x));
  s->out->candidates[at] = (mix_candidate){
      .encoder = score, .log_count = (float)log1p((double)t->counts[item]), .weight = (float)weight};
}

// A random item counts only if it is in the rest: not reached, nor among those that the encoder likes best.
static bool in_rest(const asked *a, const int32_t *top, int32_t item) {
  return bsearch(&item, a->items, (size_t)a->n, sizeof item, order_int32) == NULL &&
         bsearch(&item, top, (size_t)a->top.n, sizeof item, order_int32) == NULL;
}

static void put_rest(const sampler *s, const query *q, asked *a, int64_t *at) {
  const int32_t *negatives = q->negatives[RANK_UNIFORM], n = q->n_negatives[RANK_UNIFORM];
  int32_t filtered = 0, drawn = 0;
  for (int32_t i = 0; i < q->n_seen; i++) filtered += query_filters(q, i) && q->seen[i] != q->target;
  for (int32_t i = 0; i < a->top.n; i++) put(s, (*at)++, a->top.items[i], a->top.scores[i], 1);
  if (a->top.n > 0)
    qsort(a->top.items, (size_t)a->top.n, sizeof *a->top.items, order_int32); // scores are done with
  for (int32_t i = 0; i < n; i++) drawn += in_rest(a, a->top.items, negatives[i]);
  const double rest = mix_get_table(mixer_mix(s->x))->items - filtered - a->n - a->top.n;
  for (int32_t i = 0; i < n; i++)
    if (in_rest(a, a->top.items, negatives[i]))
      put(s, (*at)++, negatives[i], a->negative_scores[RANK_UNIFORM][i], rest / drawn);
}

// Room for one more question with so many candidates, and so many reached ones among them; *at and *x are where they begin.
static status more_room(mix_samples *out, size_t candidates, size_t reached, int64_t *at, int64_t *x) {
  const size_t n = (size_t)out->questions + 1;
  *at = n > 1 ? out->end[n - 2] : 0;
  *x = n > 1 ? out->reached_end[n - 2] : 0;
  TRY(mem_grow(&out->end, &out->questions_cap[0], n, sizeof *out->end, "questions"));
  TRY(mem_grow(&out->target, &out->questions_cap[1], n, sizeof *out->target, "questions"));
  TRY(mem_grow(&out->reached_end, &out->questions_cap[2], n, sizeof *out->reached_end, "questions"));
  TRY(mem_grow(&out->weight, &out->questions_cap[3], n, sizeof *out->weight, "questions"));
  TRY(mem_grow(&out->candidates, &out->candidates_cap, (size_t)*at + candidates, sizeof *out->candidates,
               "candidates"));
  return mem_grow(&out->x, &out->x_cap, ((size_t)*x + reached) * (size_t)out->sums + 1, sizeof *out->x,
                  "candidates");
}

static void end_question(mix_samples *out, int64_t at, int64_t x, double weight) {
  out->end[out->questions] = at;
  out->reached_end[out->questions] = x;
  out->weight[out->questions++] = (float)weight;
}

// The answer among the catalogue.
static status put_catalogue(sampler *s, const query *q, asked *a) {
  mix_samples *out = s->out;
  const size_t sums = (size_t)out->sums;
  int64_t at, x;
  TRY(more_room(out, (size_t)(a->n + a->top.n + q->n_negatives[RANK_UNIFORM]), (size_t)a->n, &at, &x));
  memcpy(out->x + (size_t)x * sums, a->x, (size_t)a->n * sums * sizeof *out->x);
  for (int32_t j = 0; j < a->n; j++, at++) {
    put(s, at, a->items[j], a->scores[j], 1);
    if (a->items[j] == q->target) out->target[out->questions] = at;
  }
  put_rest(s, q, a, &at);
  end_question(out, at, x + a->n, 1 - s->o->popular);
  return OK;
}

// The answer among items drawn by popularity; the reached ones, the answer with them, come first.
static status put_popular(sampler *s, const query *q, asked *a) {
  mix_samples *out = s->out;
  const size_t sums = (size_t)out->sums;
  const int32_t n = q->n_negatives[RANK_POPULARITY], *negatives = q->negatives[RANK_POPULARITY];
  int64_t at, x;
  if (s->o->popular <= 0) return OK;
  TRY(more_room(out, (size_t)n + 1, (size_t)n + 1, &at, &x));
  for (int32_t i = -1; i < n; i++) {
    const int32_t item = i < 0 ? q->target : negatives[i];
    const int32_t *found = bsearch(&item, a->items, (size_t)a->n, sizeof item, order_int32);
    if (found == NULL) continue;
    if (i < 0) out->target[out->questions] = at;
    memcpy(out->x + (size_t)x++ * sums, a->x + (size_t)(found - a->items) * sums, sums * sizeof *out->x);
    put(s, at++, item, a->scores[found - a->items], 1);
  }
  for (int32_t i = 0; i < n; i++)
    if (bsearch(&negatives[i], a->items, (size_t)a->n, sizeof *negatives, order_int32) == NULL)
      put(s, at++, negatives[i], a->negative_scores[RANK_POPULARITY][i], 1);
  end_question(out, at, x, s->o->popular);
  return OK;
}

static status put_question(sampler *s, int64_t i) {
  const query *q = &s->queries[i];
  if (!teaches(s, q)) return OK;
  if (s->questions[i].failed) return fail(ERR_MEMORY, "out of memory: a question");
  TRY(put_catalogue(s, q, &s->questions[i]));
  return put_popular(s, q, &s->questions[i]);
}

static status end_chunk(void *self, const query_chunk *c) {
  sampler *s = self;
  status rc = mixer_check(s->x);
  for (int64_t i = 0; rc == OK && i < c->count; i++) rc = put_question(s, i);
  drop_chunk(s);
  return rc;
}

status mix_sample(mix_samples *out, dataset *d, model *m, const mix *x, const mix_options *o) {
  *out = (mix_samples){.sums = mix_get_config(x)->n};
  ranking_config c = ranking_defaults();
  c.query.users = o->questions;
  c.query.seed = o->seed;
  c.query.negatives = o->negatives;
  c.query.protocols[RANK_UNIFORM] = true;
  c.query.protocols[RANK_POPULARITY] = o->popular > 0;
  sampler s = {.o = o, .first_item = vocab_begin(dataset_vocab(d), RANGE_ITEMS), .out = out};
  const score_visitor v = {&s, begin_chunk, see_scores, end_chunk};
  ranking *r;
  TRY(ranking_open(&r, d, &c));
  status rc = mixer_open(&s.x, x, s.first_item, omp_get_max_threads());
  if (rc == OK) rc = ranking_scores(r, m, &v);
  drop_chunk(&s);
  mixer_close(s.x);
  ranking_close(r);
  if (rc != OK) mix_samples_free(out);
  return rc;
}
