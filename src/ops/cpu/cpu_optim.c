// Gradient norm and AdamW over one span of parameters. Bound by memory: 4 reads and 4 writes of 4 bytes an
// element, done in one pass that also zeroes the gradient.
#include <math.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { CHUNK = 1 << 16 }; // elements summed into one double, so that the order never depends on threads

size_t cpu_optim_scratch(const optim_params *p, int32_t threads) {
  (void)threads;
  return ((size_t)p->n / CHUNK + 1) * sizeof(double) +
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

typedef struct adamw_step {
  float clip, lr, decay, beta1, beta2, correct1, correct2, eps;
} adamw_step;

static void adamw_span(const adamw_step *a, float *p, float *g, float *m, float *v, int64_t n) {
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
  if (ctx->result.nonfinite) { // refuse the step, forget its gradients
    memset(p->g, 0, (size_t)p->n * sizeof(float));
    if (sparse) memset(p->touched, 0, (size_t)(p->n / p->row));
    return OK;
  }
  const double t = (double)ctx->state.step + 1.0, norm = sqrt(ctx->result.grad_sumsq);
  const double clip =
      ctx->state.clip_norm > 0 && norm > ctx->state.clip_norm ? ctx->state.clip_norm / (norm + 1e-6) : 1.0;
  const adamw_step a = {.clip = (float)clip,
                        .lr = ctx->state.lr * p->lr_scale,
                        .decay = p->weight_decay,
                        .beta1 = p->beta1,
                        .beta2 = p->beta2,
                        .correct1 = (float)(1.0 / (1.0 - pow(p->beta1, t))),
                        .correct2 = (float)(1.0 / (1.0 - pow(p->beta2, t))),
                        .eps = p->eps};
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
