// Explanations; see explain.h.
//
// Leave-one-out: the share of an event is what the score loses without it, exactly. All histories that lack one event are
// encoded in chunks like any others, and each vector serves all items: n events cost n + 2 sequences. What events carry only
// together is in no share or in several, so the sum differs from score - base; the difference is reported.
//
// Integrated gradients (Sundararajan, Taly and Yan, 2017): on the straight way from a history whose events are all hidden
// ([MASK] in their places) to the real one, the share of an event is the integral of the score's gradient along its own rows.
// The shares add up to score - base but for the integral's error. The integral is taken with Gauss and Legendre's points, twice as
// many each time until the error is small. A point costs a pass forward and, for each item, one backward, whatever the history's
// length is; so long histories and few items are cheaper this way.
#include "infer/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "format/processors.h"
#include "infer/gradient.h"
#include "infer/rank.h"
#include "infer/workspace.h"

enum { IG_FIRST = 8, IG_MOST = 256, TAKE = 16 };
enum { IG_PARTS = 1 << 20 }; // numbers that points add to shares, held at once

// Measured, for comparing costs: points of an integral on average, and what a backward pass costs in forward passes.
static const double ig_usual = 12, backward = 1.8;

// The events that the model reads.
typedef struct window {
  int32_t fixed;             // the first so many tokens are attributes of the user, which are in no share
  int32_t *tokens, *sources; // [n] of room for max_history
  uint8_t *events;
  int32_t n;
  int32_t *begin; // [parts + 1] the first token of each event
  int32_t parts;
} window;

typedef struct explain {
  const explain_job *j;
  window w;
  void *room;  // of the window
  float scale; // of u . v, with a mix
  float *v;    // [m][W] the items' vectors
  float *u;    // of the history and those that are compared with it
} explain;

// ---- the window ----------------------------------------------------------------------------------------------

static souk_status window_make(explain *x, souk_error *e) {
  const souk_bundle *b = x->j->b;
  const size_t most = (size_t)b->max_history;
  window *w = &x->w;
  int32_t unknown;
  PASS(infer_alloc(&x->room, 4 * most + 1, sizeof(int32_t), "an explanation", e));
  int32_t *at = x->room;
  w->begin = at + 3 * most;
  const window_ends ends = {
      .tokens = at + most, .sources = at + 2 * most, .events = (uint8_t *)(at + 2 * most) + most};
  PASS(history_window(b, x->j->history, &ends, &w->n, &unknown, e));
  w->tokens = ends.tokens - w->n;
  w->sources = ends.sources - w->n;
  w->events = ends.events - w->n;
  for (int32_t i = 0; i < w->n; i++)
    if (w->sources[i] < 0)
      w->fixed = i + 1;
    else if (i == w->fixed || w->sources[i] != w->sources[i - 1])
      w->begin[w->parts++] = i;
  w->begin[w->parts] = w->n;
  return SOUK_OK;
}

static float *share_of(const explain *x, size_t item, int32_t part) {
  return &x->j->shares[item * (size_t)x->j->history->n + (size_t)x->w.sources[x->w.begin[part]]];
}

// ---- scores --------------------------------------------------------------------------------------------------

static const mix *mix_of_job(const explain *x) {
  return x->j->options.no_mix == 0 ? x->j->b->mix : NULL;
}

// What the counts add to the score of each item, as in ranked lists.
static souk_status add_counts(const explain *x, workspace *space, float *scores, souk_error *e) {
  const mix *m = mix_of_job(x);
  const souk_history *h = x->j->history;
  format_error found;
  int32_t *items;
  if (m == NULL) return SOUK_OK;
  if (space->mixed.room.slots == NULL && !mix_batch_new(&space->mixed, m, &found))
    return infer_fail_format(e, &found);
  PASS(infer_alloc(&items, (size_t)h->n, sizeof *items, "a history", e));
  for (int32_t i = 0; i < h->n; i++) items[i] = history_item(x->j->b, h, i);
  mix_batch_clear(&space->mixed);
  const bool good = mix_batch_add(&space->mixed, m, items, h->n, &found);
  free(items);
  if (!good) return infer_fail_format(e, &found);
  for (size_t i = 0; i < x->j->m; i++)
    mix_add_items(m, mix_batch_get(&space->mixed, 0), &x->j->items[i], 1, &scores[i]);
  return SOUK_OK;
}

// The scores [n][m] of n vectors by the encoder alone; u is multiplied by the mix's scale, as in ranked lists.
static souk_status score_vectors(const explain *x, workspace *space, float *u, size_t n, float *scores,
                                 souk_error *e) {
  const size_t W = (size_t)x->j->b->width;
  if (mix_of_job(x) != NULL)
    for (size_t i = 0; i < n * W; i++) u[i] *= x->scale;
  for (size_t i = 0; i < n; i++)
    if (!isfinite(length_of(u + i * W, W)))
      return infer_fail(e, SOUK_ERR_NONFINITE,
                        "history: a user vector is not finite; the weights of %s are too large",
                        x->j->b->dir);
  return score_items(x->j->b, x->j->options.adapter - 1, &space->rank, u, n, x->j->items, x->j->m, scores, e);
}

// Score, counts and base of every item; whole and base [m] are the encoder's scores.
static souk_status describe(const explain *x, workspace *space, const float *whole, const float *base,
                            int32_t method, int32_t passes, souk_error *e) {
  const size_t m = x->j->m;
  float *scores;
  PASS(infer_alloc(&scores, m, sizeof *scores, "scores", e));
  memcpy(scores, whole, m * sizeof *scores);
  souk_status rc = add_counts(x, space, scores, e);
  for (size_t i = 0; rc == SOUK_OK && i < m; i++) {
    double sum = 0;
    for (int32_t p = 0; p < x->w.parts; p++) sum += (double)*share_of(x, i, p);
    if (!isfinite(sum) || !isfinite(scores[i]))
      rc = infer_fail(e, SOUK_ERR_NONFINITE,
                      "items[%zu] = %d: a share of its score is not finite; the weights of %s are too large",
                      i, x->j->items[i], x->j->b->dir);
    const double change = (double)whole[i] - (double)base[i];
    x->j->out[i] = (souk_explanation){.score = scores[i],
                                      .base = base[i],
                                      .counts = (double)scores[i] - (double)whole[i],
                                      .rest = change - sum,
                                      .method = method,
                                      .passes = passes};
  }
  free(scores);
  return rc;
}

// ---- leave-one-out -------------------------------------------------------------------------------------------

// Sequence 0 is the whole window, 1 the empty one, 2 + p lacks event p.
typedef struct leave_one_out {
  const explain *x;
  size_t first; // of a share
} leave_one_out;

static int32_t longest_left(const void *arg, size_t i) {
  const leave_one_out *l = arg;
  (void)i;
  const int32_t rows = l->x->w.n + sequence_specials(&l->x->j->b->layout, false, true);
  return rows > 0 ? rows : 1;
}

static souk_status add_left(void *arg, chunk *c, size_t i, souk_error *e) {
  const leave_one_out *l = arg;
  const window *w = &l->x->w;
  const size_t sequence = l->first + i;
  seq_input in = {w->tokens, w->events, sequence == 1 ? w->fixed : w->n};
  if (sequence >= 2) { // made anew, because the domain of a run stands before its first event
    const int32_t most = c->b->max_history;
    const window_ends ends = {.tokens = c->tokens + most,
                              .events = c->events + most,
                              .first = w->sources[w->begin[0]],
                              .without = w->sources[w->begin[sequence - 2]] + 1};
    int32_t kept, unknown;
    PASS(history_window(c->b, l->x->j->history, &ends, &kept, &unknown, e));
    in = (seq_input){ends.tokens - kept, ends.events - kept, kept};
  }
  PASS(add_query(c, &in, e));
  c->adapter[c->S - 1] = l->x->j->options.adapter - 1;
  return SOUK_OK;
}

static void take_left(void *arg, const chunk *c, size_t first) {
  const leave_one_out *l = arg;
  chunk_user_vectors(c, l->x->u + (l->first + first) * (size_t)c->b->width);
}

static souk_status encode_left(void *arg, workspace *space, size_t first, size_t n, souk_error *e) {
  leave_one_out l = {.x = arg, .first = first};
  const chunk_job job = {
      .b = l.x->j->b, .longest = longest_left, .add = add_left, .done = take_left, .arg = &l};
  return chunks_run(&job, &space->encode, n, e);
}

static souk_status explain_by_leaving_out(explain *x, workspace *space, souk_error *e) {
  const size_t n = (size_t)x->w.parts + 2, W = (size_t)x->j->b->width, m = x->j->m;
  float *scores = NULL;
  souk_status rc;
  PASS(infer_alloc(&x->u, n * W, sizeof *x->u, "user vectors", e));
  PASS_GOTO(infer_alloc(&scores, n * m, sizeof *scores, "scores", e), done);
  const share_job shares = {.b = x->j->b, .n = n, .take = TAKE, .work = encode_left, .arg = x};
  PASS_GOTO(run_shares(&shares, threads_wanted(x->j->options.threads), e), done);
  PASS_GOTO(score_vectors(x, space, x->u, n, scores, e), done);
  for (size_t i = 0; i < m; i++)
    for (int32_t p = 0; p < x->w.parts; p++) *share_of(x, i, p) = scores[i] - scores[(2 + (size_t)p) * m + i];
  rc = describe(x, space, scores, scores + m, SOUK_WHY_LEAVE_ONE_OUT, (int32_t)n, e);
done:
  free(scores);
  return rc;
}

// ---- integrated gradients ------------------------------------------------------------------------------------

typedef struct path {
  const explain *x;
  row_weights *weights;
  int32_t T, asked, first; // rows; the asked one; the first event's
  float *base, *way;       // [T,H] rows of the hidden history; what comes to them on the way
  double *at, *weight;     // [points] of the integral
  float *low;              // [r] of an adapted table
  size_t item, items;      // the block of items whose shares are taken
  float *parts;            // [points][items][w.n] what each point adds to a token's share
} path;

// The points and weights of Gauss and Legendre's rule on [0, 1], by Newton's method from Chebyshev's points.
static void gauss_legendre(int32_t n, double *at, double *weight) {
  const double pi = 3.14159265358979323846;
  for (int32_t i = 0; i < n; i++) {
    double z = cos(pi * (i + 0.75) / (n + 0.5)), slope = 1;
    for (int32_t step = 0; step < 50; step++) {
      double p = 1, before = 0;
      for (int32_t k = 1; k <= n; k++) {
        const double now = ((2 * k - 1) * z * p - (k - 1) * before) / k;
        before = p;
        p = now;
      }
      slope = n * (z * p - before) / (z * z - 1);
      z -= p / slope;
      if (fabs(p / slope) < 1e-15) break;
    }
    at[i] = 0.5 * (1 - z);
    weight[i] = 1 / ((1 - z * z) * slope * slope);
  }
}

// low: room for the rank of an adapted table.
static void add_rows_of(const explain *x, int32_t id, int32_t type, int32_t position, float *low,
                        float *row) {
  const souk_bundle *b = x->j->b;
  const adapted_table *t = adapter_table(&b->adapters, x->j->options.adapter - 1);
  const size_t H = (size_t)b->hidden;
  memcpy(row, b->word + (size_t)id * H, H * sizeof *row);
  if (t != NULL) adapted_table_rows(b, t, &id, 1, low, row);
  simd()->add(b->type + (size_t)type * H, row, H);
  simd()->add(b->position + (size_t)position * H, row, H);
}

// Both ends of the way.
static souk_status path_make(path *p, const explain *x, souk_error *e) {
  const souk_bundle *b = x->j->b;
  const size_t H = (size_t)b->hidden;
  const seq_input known = {x->w.tokens, x->w.events, x->w.n};
  seq_plan plan;
  int32_t *ids;
  *p = (path){.x = x};
  if (!sequence_plan(&plan, &b->layout, x->w.n, NO_SECOND, true)) return SOUK_OK; // never: settings.c
  const size_t T = (size_t)plan.rows;
  p->T = plan.rows;
  p->asked = plan.asked;
  p->first = plan.first;
  PASS(infer_alloc(&p->base, T * H, sizeof *p->base, "an explanation", e));
  PASS(infer_alloc(&p->way, T * H, sizeof *p->way, "an explanation", e));
  PASS(infer_alloc(&p->at, 2 * IG_MOST, sizeof *p->at, "an explanation", e));
  p->weight = p->at + IG_MOST;
  PASS(infer_alloc(&p->low, (size_t)b->adapters.most_rank + 1, sizeof *p->low, "an explanation", e));
  PASS(infer_alloc(&ids, 3 * T, sizeof *ids, "an explanation", e));
  sequence_write(&plan, &b->layout, &known, NULL, ids, ids + T, ids + 2 * T);
  for (int32_t t = 0; t < p->T; t++) {
    const bool is_event = t >= p->first + x->w.fixed && t < p->first + x->w.n;
    float *base = p->base + (size_t)t * H, *way = p->way + (size_t)t * H;
    const int32_t *id = ids + t;
    add_rows_of(x, id[0], id[T], id[2 * T], p->low, way);
    add_rows_of(x, is_event ? TOKEN_MASK : id[0], is_event ? 0 : id[T], id[2 * T], p->low, base);
    simd()->axpy(-1.0f, base, way, H);
  }
  free(ids);
  return row_weights_new(&p->weights, b, x->j->options.adapter - 1, e);
}

static void path_free(path *p) {
  free(p->base);
  free(p->way);
  free(p->at);
  free(p->low);
  free(p->parts);
  row_weights_free(p->weights);
}

// Points first .. first + n - 1 of the integral.
static souk_status integrate(void *arg, workspace *space, size_t first, size_t n, souk_error *e) {
  const path *p = arg;
  const explain *x = p->x;
  const size_t H = (size_t)x->j->b->hidden, W = H + 1, floats = (size_t)p->T * H;
  const size_t tokens = (size_t)x->w.n;
  gradient *g;
  PASS(area_reserve(&space->rank, area_size(floats, sizeof(float)) + area_size(W, sizeof(float)), e));
  float *rows = area_take(&space->rank, floats, sizeof *rows), *u = area_take(&space->rank, W, sizeof *u);
  PASS(gradient_new(&g, x->j->b, p->weights, p->T, p->asked, e));
  for (size_t at = first; at < first + n; at++) {
    memcpy(rows, p->base, floats * sizeof *rows);
    simd()->axpy((float)p->at[at], p->way, rows, floats);
    gradient_forward(g, rows, u);
    for (size_t i = 0; i < p->items; i++) {
      float *share = p->parts + (at * p->items + i) * tokens;
      gradient_backward(g, x->v + (p->item + i) * W, rows);
      for (size_t t = 0; t < tokens; t++) {
        const size_t row = ((size_t)p->first + t) * H;
        share[t] = (float)p->weight[at] * simd()->dot(rows + row, p->way + row, H);
      }
    }
  }
  gradient_free(g);
  return SOUK_OK;
}

// The vectors at both ends of the way: u[0] of the history, with the bits of any other call, u[1] of the hidden one.
static souk_status path_ends(const path *p, workspace *space, souk_error *e) {
  const explain *x = p->x;
  gradient *g;
  const int32_t adapter = x->j->options.adapter - 1;
  PASS(encode(x->j->b, &space->encode, x->j->history, 1, &adapter, x->u, NULL, e));
  PASS(gradient_new(&g, x->j->b, p->weights, p->T, p->asked, e));
  gradient_forward(g, p->base, x->u + x->j->b->width);
  gradient_free(g);
  return SOUK_OK;
}

// Adds up the points' parts of the shares of item p->item + i; returns the error as a part of what is allowed.
static double add_points(const path *p, int32_t n, size_t i, const float *scores) {
  const explain *x = p->x;
  const size_t m = x->j->m, tokens = (size_t)x->w.n, item = p->item + i;
  const double change = (double)scores[item] - (double)scores[m + item];
  double sum = 0;
  for (int32_t part = 0; part < x->w.parts; part++) {
    double share = 0;
    for (int32_t at = 0; at < n; at++)
      for (int32_t t = x->w.begin[part]; t < x->w.begin[part + 1]; t++)
        share += (double)p->parts[((size_t)at * p->items + i) * tokens + (size_t)t];
    *share_of(x, item, part) = (float)share;
    sum += share;
  }
  return fabs(change - sum) / (x->j->options.tolerance * (1 + fabs(change)));
}

// The shares by an integral of n points; *worst is the largest error of an item, as a part of what is allowed. The items go through
// in blocks, since every point has a number for each of them and each token.
static souk_status integral(path *p, int32_t n, const float *scores, double *worst, souk_error *e) {
  const explain *x = p->x;
  const size_t m = x->j->m, each = (size_t)n * (size_t)x->w.n;
  const size_t most = each < IG_PARTS ? IG_PARTS / (each > 0 ? each : 1) : 1, block = m < most ? m : most;
  const int32_t threads = threads_wanted(x->j->options.threads);
  free(p->parts);
  p->parts = NULL;
  PASS(infer_alloc(&p->parts, block * each, sizeof *p->parts, "an explanation", e));
  gauss_legendre(n, p->at, p->weight);
  const share_job shares = {.b = x->j->b,
                            .n = (size_t)n,
                            .take = (size_t)((n + threads - 1) / threads),
                            .work = integrate,
                            .arg = p};
  *worst = 0;
  for (p->item = 0; p->item < m; p->item += p->items) {
    p->items = m - p->item < block ? m - p->item : block;
    PASS(run_shares(&shares, threads, e));
    for (size_t i = 0; i < p->items; i++) *worst = fmax(*worst, add_points(p, n, i, scores));
  }
  return SOUK_OK;
}

static souk_status take_item(const path *p, int32_t item, float *v, souk_error *e) {
  const souk_bundle *b = p->x->j->b;
  const size_t bytes = (size_t)b->width * sizeof *v;
  const adapted_table *t = adapter_table(&b->adapters, p->x->j->options.adapter - 1);
  memcpy(v, b->item_rows + (size_t)item * bytes, bytes);
  if (t != NULL) adapted_table_item(b, t, item, p->low, v);
  const float *shift = adapter_shift_whole(&b->adapters, p->x->j->options.adapter - 1, SHIFT_ITEMS);
  if (shift != NULL) v[b->width - 1] += shift[item];
  return isfinite(length_of(v, (size_t)b->width))
             ? SOUK_OK
             : infer_fail(
                   e, SOUK_ERR_NONFINITE,
                   "the vector of item %d under the adapter is not finite; the weights of %s are too large",
                   item, b->dir);
}

static souk_status explain_by_gradients(explain *x, workspace *space, souk_error *e) {
  const size_t W = (size_t)x->j->b->width, m = x->j->m;
  float *scores = NULL;
  double worst = INFINITY;
  int32_t points = 0;
  path p = {.x = x};
  souk_status rc;
  PASS_GOTO(infer_alloc(&x->u, 2 * W, sizeof *x->u, "user vectors", e), done);
  PASS_GOTO(infer_alloc(&x->v, m * W, sizeof *x->v, "item vectors", e), done);
  PASS_GOTO(infer_alloc(&scores, 2 * m, sizeof *scores, "scores", e), done);
  PASS_GOTO(path_make(&p, x, e), done);
  PASS_GOTO(path_ends(&p, space, e), done);
  PASS_GOTO(score_vectors(x, space, x->u, 2, scores, e), done);
  for (size_t i = 0; i < m; i++) PASS_GOTO(take_item(&p, x->j->items[i], x->v + i * W, e), done);
  simd()->scale(x->scale, x->v, m * W);
  for (int32_t n = IG_FIRST; worst > 1 && n <= IG_MOST; n *= 2) {
    PASS_GOTO(integral(&p, n, scores, &worst, e), done);
    points += n;
  }
  rc = describe(x, space, scores, scores + m, SOUK_WHY_INTEGRATED_GRADIENTS, points, e);
done:
  path_free(&p);
  free(scores);
  return rc;
}

// ---- both ----------------------------------------------------------------------------------------------------

static bool gradients_are_cheaper(const explain *x) {
  return x->w.parts + 2 > ig_usual * (1 + backward * (double)x->j->m);
}

souk_status explain_run(const explain_job *j, souk_error *e) {
  explain x = {.j = j, .scale = 1};
  workspace *space = workspace_get(j->b->pool);
  if (space == NULL) return infer_fail(e, SOUK_ERR_MEMORY, "out of memory: a workspace");
  if (mix_of_job(&x) != NULL) x.scale = (float)mix_get_config(j->b->mix)->scale;
  if (j->history->n > 0) memset(j->shares, 0, j->m * (size_t)j->history->n * sizeof *j->shares);
  souk_status rc = window_make(&x, e);
  if (rc == SOUK_OK) {
    const int32_t method = j->options.method;
    const bool by_gradients =
        method == SOUK_WHY_CHEAPER ? gradients_are_cheaper(&x) : method == SOUK_WHY_INTEGRATED_GRADIENTS;
    rc = by_gradients ? explain_by_gradients(&x, space, e) : explain_by_leaving_out(&x, space, e);
  }
  workspace_put(j->b->pool, space);
  free(x.room);
  free(x.u);
  free(x.v);
  return rc;
}
