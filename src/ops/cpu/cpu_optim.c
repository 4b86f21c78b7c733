// Gradient norm, AdamW and LAMB over a table of tensors. AdamW is bound by memory: 4 reads and 4 writes of 4 bytes an
// element, done in one pass that also zeroes the gradient. LAMB needs the norm of its update before it can apply it, hence
// a second pass (2 reads, 2 writes); between the two the update lies in the gradient's place.
//
// The table is cut into items of CHUNK elements, or of rows that make up as many, and threads take them in turn, whichever
// tensor they belong to: a model of many small tensors keeps all threads busy. Each item has one sum (two for LAMB), and
// these are added up in order, so that no result depends on the number of threads.
#include <math.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "ops/optim_items.h"
#include "simd/simd.h"

enum { CHUNK = 1 << 16 };
static const optim_grain grain = {.elements = CHUNK};

// ---- the table -----------------------------------------------------------------------------------------------

// What optim_params.table holds.
typedef struct work {
  int64_t n_items;
  double (*sums)[2]; // [n_items]
  optim_item *items; // [n_items]
} work;

static work work_of(const optim_params *p) {
  work w = {.n_items = optim_item_count(p, grain), .sums = p->table};
  w.items = (optim_item *)(void *)(w.sums + w.n_items);
  return w;
}

size_t cpu_optim_bytes(const optim_params *p) {
  return (size_t)optim_item_count(p, grain) * (sizeof(double[2]) + sizeof(optim_item));
}

status cpu_optim_prepare(op_ctx *ctx, const optim_params *p) {
  (void)ctx;
  optim_items_list(p, grain, work_of(p).items, NULL);
  return OK;
}

// The elements of an item; of a row-sparse tensor whole rows.
typedef struct span {
  const optim_tensor *t;
  int64_t begin, end;
} span;

static span span_of(const optim_params *p, optim_item item) {
  const optim_tensor *t = &p->tensors[item.tensor];
  const int64_t n = t->row > 0 ? optim_item_rows(t, grain) * t->row : CHUNK, begin = item.part * n;
  return (span){t, begin, begin + n < t->n ? begin + n : t->n};
}

// ---- gradient norm -------------------------------------------------------------------------------------------

static double squares_of(const simd_table *k, const span *s) {
  const optim_tensor *t = s->t;
  if (t->row == 0) return k->sum_squares(t->g + s->begin, (size_t)(s->end - s->begin));
  double sum = 0;
  for (int64_t at = s->begin; at < s->end; at += t->row)
    if (t->touched[at / t->row]) sum += k->sum_squares(t->g + at, (size_t)t->row);
  return sum;
}

status cpu_grad_norm(op_ctx *ctx, const optim_params *p) {
  const simd_table *k = simd();
  const work w = work_of(p);
#pragma omp parallel for num_threads(ctx->threads) schedule(dynamic)
  for (int64_t i = 0; i < w.n_items; i++) {
    const span s = span_of(p, w.items[i]);
    w.sums[i][0] = squares_of(k, &s);
  }
  double sum = 0;
  for (int64_t i = 0; i < w.n_items; i++) sum += w.sums[i][0];
  ctx->result.grad_sumsq = sum;
  if (!isfinite(sum)) ctx->result.nonfinite = 1;
  return OK;
}

// ---- steps ---------------------------------------------------------------------------------------------------

typedef struct adam_step {
  float clip, lr, decay, beta1, beta2, correct1, correct2, eps, lag_rate;
} adam_step;

// Of all tensors: without lr_scale and decay.
static adam_step adam_step_of(const op_ctx *ctx, const optim_params *p) {
  const double t = (double)ctx->state.step + 1.0, norm = sqrt(ctx->result.grad_sumsq);
  const double bound = ctx->state.clip_norm / (norm + 1e-6);
  const double clip = ctx->state.clip_norm > 0 && bound < 1 ? bound : 1.0;
  return (adam_step){.clip = (float)clip,
                     .lr = ctx->state.lr,
                     .beta1 = p->beta1,
                     .beta2 = p->beta2,
                     .correct1 = (float)(1.0 / (1.0 - pow(p->beta1, t))),
                     .correct2 = (float)(1.0 / (1.0 - pow(p->beta2, t))),
                     .eps = p->eps,
                     .lag_rate = ctx->state.lag_rate};
}

static adam_step of_tensor(const adam_step *all, const optim_tensor *t) {
  adam_step a = *all;
  a.lr *= t->lr_scale;
  a.decay = t->weight_decay;
  return a;
}

// Zeroes the gradients (and marks) of a step that is not applied.
static status refuse(const optim_params *p) {
  for (int32_t i = 0; i < p->n; i++) {
    const optim_tensor *t = &p->tensors[i];
    if (t->n > 0) memset(t->g, 0, (size_t)t->n * sizeof(float));
    if (t->row > 0 && t->n > 0) memset(t->touched, 0, (size_t)(t->n / t->row));
  }
  return OK;
}

static void copy_span(const optim_tensor *t, int64_t begin, int64_t n) {
  if (t->p_compute != NULL && t->p_compute != t->p)
    memcpy((float *)t->p_compute + begin, t->p + begin, (size_t)n * sizeof(float));
}

static void adamw_elements(const adam_step *a, float *p, float *g, float *m, float *v, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * a->clip;
    m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * grad;
    v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * grad * grad;
    p[i] -= a->lr * (m[i] * a->correct1 / (sqrtf(v[i] * a->correct2) + a->eps) + a->decay * p[i]);
    g[i] = 0.0f;
  }
}

// The same, and what the average lags behind: 2 more accesses of 4 bytes.
static void adamw_averaged(const adam_step *a, float *p, float *g, float *m, float *v, float *lag,
                           int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * a->clip, before = p[i];
    m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * grad;
    v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * grad * grad;
    p[i] -= a->lr * (m[i] * a->correct1 / (sqrtf(v[i] * a->correct2) + a->eps) + a->decay * p[i]);
    lag[i] += (before - p[i]) * a->lag_rate;
    g[i] = 0.0f;
  }
}

static void adamw_span(const adam_step *a, const optim_tensor *t, int64_t begin, int64_t n) {
  if (t->lag == NULL)
    adamw_elements(a, t->p + begin, t->g + begin, t->m + begin, t->v + begin, n);
  else
    adamw_averaged(a, t->p + begin, t->g + begin, t->m + begin, t->v + begin, t->lag + begin, n);
  copy_span(t, begin, n);
}

static void adamw_item(const adam_step *all, const span *s) {
  const optim_tensor *t = s->t;
  const adam_step a = of_tensor(all, t);
  if (t->row == 0) adamw_span(&a, t, s->begin, s->end - s->begin);
  for (int64_t at = s->begin; t->row > 0 && at < s->end; at += t->row) {
    if (!t->touched[at / t->row]) continue;
    adamw_span(&a, t, at, t->row);
    t->touched[at / t->row] = 0;
  }
}

status cpu_adamw(op_ctx *ctx, const optim_params *p) {
  if (ctx->result.nonfinite) return refuse(p);
  const work w = work_of(p);
  const adam_step a = adam_step_of(ctx, p);
#pragma omp parallel for num_threads(ctx->threads) schedule(dynamic)
  for (int64_t i = 0; i < w.n_items; i++) {
    const span s = span_of(p, w.items[i]);
    adamw_item(&a, &s);
  }
  return OK;
}

// ---- LAMB ----------------------------------------------------------------------------------------------------

// Moments, and the update into g.
static void update_elements(const adam_step *a, const float *p, float *g, float *m, float *v, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * a->clip;
    m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * grad;
    v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * grad * grad;
    g[i] = m[i] * a->correct1 / (sqrtf(v[i] * a->correct2) + a->eps) + a->decay * p[i];
  }
}

static void apply_elements(float rate, float *p, float *g, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    p[i] -= rate * g[i];
    g[i] = 0.0f;
  }
}

static void apply_averaged(float rate, float lag_rate, float *p, float *g, float *lag, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float before = p[i];
    p[i] -= rate * g[i];
    lag[i] += (before - p[i]) * lag_rate;
    g[i] = 0.0f;
  }
}

static void apply_span(const op_ctx *ctx, const span *s, float rate) {
  const optim_tensor *t = s->t;
  const int64_t n = s->end - s->begin;
  if (t->lag == NULL)
    apply_elements(rate, t->p + s->begin, t->g + s->begin, n);
  else
    apply_averaged(rate, ctx->state.lag_rate, t->p + s->begin, t->g + s->begin, t->lag + s->begin, n);
  copy_span(t, s->begin, n);
}

static void update_item(const simd_table *k, const adam_step *all, const span *s, double sums[2]) {
  const optim_tensor *t = s->t;
  const int64_t n = s->end - s->begin;
  const adam_step a = of_tensor(all, t);
  update_elements(&a, t->p + s->begin, t->g + s->begin, t->m + s->begin, t->v + s->begin, n);
  sums[0] = k->sum_squares(t->p + s->begin, (size_t)n);
  sums[1] = k->sum_squares(t->g + s->begin, (size_t)n);
}

status cpu_lamb_update(op_ctx *ctx, const optim_params *p) {
  for (int32_t i = 0; i < p->n; i++)
    if (p->tensors[i].row > 0) return fail(ERR_UNSUPPORTED, "LAMB updates whole tensors, not touched rows");
  if (ctx->result.nonfinite) return refuse(p);
  const simd_table *k = simd();
  const work w = work_of(p);
  const adam_step a = adam_step_of(ctx, p);
#pragma omp parallel for num_threads(ctx->threads) schedule(dynamic)
  for (int64_t i = 0; i < w.n_items; i++) {
    const span s = span_of(p, w.items[i]);
    update_item(k, &a, &s, w.sums[i]);
  }
  for (int32_t i = 0; i < 2 * p->wholes; i++) p->norms[i] = 0;
  for (int64_t i = 0; i < w.n_items; i++) {
    double *norms = p->norms + 2 * p->tensors[w.items[i].tensor].whole;
    norms[0] += w.sums[i][0];
    norms[1] += w.sums[i][1];
  }
  return OK;
}

static float rate_of(const op_ctx *ctx, const optim_params *p, const optim_tensor *t) {
  const double weights = p->norms[2 * t->whole], update = p->norms[2 * t->whole + 1];
  const double ratio = t->trust && weights > 0 && update > 0 ? sqrt(weights / update) : 1.0;
  const float lr = ctx->state.lr * t->lr_scale;
  return (float)(lr * ratio);
}

status cpu_lamb_apply(op_ctx *ctx, const optim_params *p) {
  if (ctx->result.nonfinite) return OK;
  const work w = work_of(p);
#pragma omp parallel for num_threads(ctx->threads) schedule(dynamic)
  for (int64_t i = 0; i < w.n_items; i++) {
    const span s = span_of(p, w.items[i]);
    apply_span(ctx, &s, rate_of(ctx, p, s.t));
  }
  return OK;
}

// ---- averaged weights ----------------------------------------------------------------------------------------

static void average_item(float scale, const span *s) {
  const optim_tensor *t = s->t;
  const float *p = t->p, *lag = t->lag;
  float *g = t->g;
  if (lag == NULL) {
    memcpy(g + s->begin, p + s->begin, (size_t)(s->end - s->begin) * sizeof *g);
    return;
  }
#pragma omp simd
  for (int64_t i = s->begin; i < s->end; i++) g[i] = p[i] + scale * lag[i];
}

status cpu_average_weights(op_ctx *ctx, const optim_params *p) {
  const work w = work_of(p);
#pragma omp parallel for num_threads(ctx->threads) schedule(dynamic)
  for (int64_t i = 0; i < w.n_items; i++) {
    const span s = span_of(p, w.items[i]);
    average_item(p->scale, &s);
  }
  return OK;
}

status cpu_average_rescale(op_ctx *ctx, const optim_params *p) {
  const work w = work_of(p);
#pragma omp parallel for num_threads(ctx->threads) schedule(dynamic)
  for (int64_t i = 0; i < w.n_items; i++) {
    const span s = span_of(p, w.items[i]);
    for (int64_t j = s.begin; s.t->lag != NULL && j < s.end; j++) s.t->lag[j] *= p->scale;
  }
  return OK;
}
