// Gradient norm, AdamW and LAMB over one span of parameters. AdamW is bound by memory: 4 reads and 4 writes of 4
// bytes an element, done in one pass that also zeroes the gradient. LAMB needs the norm of its update before it can
// apply it, hence a second pass (2 reads, 2 writes); between the two the update lies in the gradient's place.
#include <math.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { CHUNK = 1 << 16 }; // elements summed into one double, so that the order never depends on threads

size_t cpu_optim_scratch(const optim_params *p, int32_t threads) {
  (void)threads;
  return 2 * ((size_t)p->n / CHUNK + 1) * sizeof(double) +
         ((size_t)p->n / (size_t)(p->row > 0 ? p->row : 1) + 1) * sizeof(double);
}

status cpu_grad_norm(op_ctx *ctx, const optim_params *p) {
  const simd_table *k = simd();
  double *partial = (double *)(void *)ctx->scratch;
  const bool sparse = p->touched != NULL;
  const int64_t unit = sparse ? p->row : CHUNK, chunks = (p->n + unit - 1) / unit;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = c * unit, end = begin + unit < p->n ? begin + unit : p->n;
    partial[c] = !sparse || p->touched[c] ? k->sum_squares(p->g + begin, (size_t)(end - begin)) : 0.0;
  }
  double sum = p->first ? 0.0 : ctx->result.grad_sumsq;
  for (int64_t c = 0; c < chunks; c++) sum += partial[c];
  ctx->result.grad_sumsq = sum;
  if (!isfinite(sum)) ctx->result.nonfinite = 1;
  return OK;
}

typedef struct adam_step {
  float clip, lr, decay, beta1, beta2, correct1, correct2, eps;
} adam_step;

static adam_step adam_step_of(const op_ctx *ctx, const optim_params *p) {
  const double t = (double)ctx->state.step + 1.0, norm = sqrt(ctx->result.grad_sumsq);
  const double bound = ctx->state.clip_norm / (norm + 1e-6);
  const double clip = ctx->state.clip_norm > 0 && bound < 1 ? bound : 1.0;
  return (adam_step){.clip = (float)clip,
                     .lr = ctx->state.lr * p->lr_scale,
                     .decay = p->weight_decay,
                     .beta1 = p->beta1,
                     .beta2 = p->beta2,
                     .correct1 = (float)(1.0 / (1.0 - pow(p->beta1, t))),
                     .correct2 = (float)(1.0 / (1.0 - pow(p->beta2, t))),
                     .eps = p->eps};
}

// Zeroes the gradients of a step that is not applied.
static void refuse(const optim_params *p) {
  memset(p->g, 0, (size_t)p->n * sizeof(float));
  if (p->touched != NULL) memset(p->touched, 0, (size_t)(p->n / p->row));
}

static void adamw_span(const adam_step *a, float *p, float *g, float *m, float *v, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * a->clip;
    m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * grad;
    v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * grad * grad;
    p[i] -= a->lr * (m[i] * a->correct1 / (sqrtf(v[i] * a->correct2) + a->eps) + a->decay * p[i]);
    g[i] = 0.0f;
  }
}

status cpu_adamw(op_ctx *ctx, const optim_params *p) {
  const bool sparse = p->touched != NULL;
  if (ctx->result.nonfinite) {
    refuse(p);
    return OK;
  }
  const adam_step a = adam_step_of(ctx, p);
  const int64_t unit = sparse ? p->row : CHUNK, chunks = (p->n + unit - 1) / unit;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = c * unit, n = begin + unit < p->n ? unit : p->n - begin;
    if (sparse && !p->touched[c]) continue;
    adamw_span(&a, p->p + begin, p->g + begin, p->m + begin, p->v + begin, n);
    if (p->p_compute != NULL && p->p_compute != p->p)
      memcpy((float *)p->p_compute + begin, p->p + begin, (size_t)n * sizeof(float));
    if (sparse) p->touched[c] = 0;
  }
  return OK;
}

// Moments, and the update into g.
static void lamb_update(const adam_step *a, const float *p, float *g, float *m, float *v, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * a->clip;
    m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * grad;
    v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * grad * grad;
    g[i] = m[i] * a->correct1 / (sqrtf(v[i] * a->correct2) + a->eps) + a->decay * p[i];
  }
}

static void lamb_apply(float rate, float *p, float *g, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    p[i] -= rate * g[i];
    g[i] = 0.0f;
  }
}

status cpu_lamb(op_ctx *ctx, const optim_params *p) {
  if (p->touched != NULL) return fail(ERR_UNSUPPORTED, "LAMB updates whole tensors, not touched rows");
  if (ctx->result.nonfinite) {
    refuse(p);
    return OK;
  }
  const simd_table *k = simd();
  const adam_step a = adam_step_of(ctx, p);
  double(*partial)[2] = (double(*)[2])(void *)ctx->scratch; // of |p|^2 and |u|^2
  const int64_t chunks = (p->n + CHUNK - 1) / CHUNK;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = c * CHUNK, n = begin + CHUNK < p->n ? CHUNK : p->n - begin;
    lamb_update(&a, p->p + begin, p->g + begin, p->m + begin, p->v + begin, n);
    partial[c][0] = k->sum_squares(p->p + begin, (size_t)n);
    partial[c][1] = k->sum_squares(p->g + begin, (size_t)n);
  }
  double weights = 0, update = 0;
  for (int64_t c = 0; c < chunks; c++) {
    weights += partial[c][0];
    update += partial[c][1];
  }
  const double ratio = p->trust && weights > 0 && update > 0 ? sqrt(weights / update) : 1.0;
  const float rate = (float)(a.lr * ratio);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t begin = c * CHUNK, n = begin + CHUNK < p->n ? CHUNK : p->n - begin;
    lamb_apply(rate, p->p + begin, p->g + begin, n);
    if (p->p_compute != NULL && p->p_compute != p->p)
      memcpy((float *)p->p_compute + begin, p->p + begin, (size_t)n * sizeof(float));
  }
  return OK;
}
