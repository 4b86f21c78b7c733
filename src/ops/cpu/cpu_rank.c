// What AdaLoRA asks of its factors besides the products: how far they are from orthogonal, and how important each rank is. Few
// and small: a hundred ranks of some hundred elements; plain loops, split by ranks.
#include <math.h>
#include <string.h>
#include "ops/cpu/cpu.h"

// Element j of rank k.
static size_t place(int32_t ranks, int32_t width, bool columns, int32_t k, int32_t j) {
  return columns ? (size_t)j * (size_t)ranks + (size_t)k : (size_t)k * (size_t)width + (size_t)j;
}

// C [ranks,ranks] in double.
size_t cpu_orthogonal_scratch(const orthogonal_params *p) {
  return (size_t)p->ranks * (size_t)p->ranks * sizeof(double);
}

static double covariance(const op_ctx *ctx, const orthogonal_params *p, double *c) {
  const int32_t r = p->ranks;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int32_t k = 0; k < r; k++)
    for (int32_t l = 0; l < r; l++) {
      double sum = k == l ? -1 : 0;
      for (int32_t j = 0; j < p->width; j++)
        sum += (double)p->p[place(r, p->width, p->columns, k, j)] *
               (double)p->p[place(r, p->width, p->columns, l, j)];
      c[(size_t)k * (size_t)r + (size_t)l] = sum;
    }
  double squares = 0;
  for (size_t i = 0; i < (size_t)r * (size_t)r; i++) squares += c[i] * c[i];
  return sqrt(squares);
}

status cpu_orthogonal_forward(op_ctx *ctx, const orthogonal_params *p) {
  *p->value = (float)covariance(ctx, p, (double *)(void *)ctx->scratch);
  return OK;
}

status cpu_orthogonal_backward(op_ctx *ctx, const orthogonal_params *p) {
  double *c = (double *)(void *)ctx->scratch;
  const int32_t r = p->ranks;
  const double norm = covariance(ctx, p, c), factor = norm > 0 ? 2.0 * (double)p->scale / norm : 0;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int32_t k = 0; k < r; k++)
    for (int32_t j = 0; j < p->width; j++) {
      double sum = 0;
      for (int32_t l = 0; l < r; l++)
        sum += c[(size_t)k * (size_t)r + (size_t)l] * (double)p->p[place(r, p->width, p->columns, l, j)];
      p->dp[place(r, p->width, p->columns, k, j)] += (float)(factor * sum);
    }
  return OK;
}

// As adamw clips (cpu_optim.c).
static float clip_of(const op_ctx *ctx) {
  const double bound = (double)ctx->state.clip_norm / (sqrt(ctx->result.grad_sumsq) + 1e-6);
  return ctx->state.clip_norm > 0 && bound < 1 ? (float)bound : 1.0f;
}

status cpu_importance(op_ctx *ctx, const importance_params *p) {
  const float clip = clip_of(ctx), b1 = p->beta1, b2 = p->beta2;
  if (ctx->result.nonfinite != 0) return OK;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int32_t k = 0; k < p->ranks; k++) {
    double sum = 0;
    for (int32_t j = 0; j < p->width; j++) {
      const size_t at = place(p->ranks, p->width, p->columns, k, j);
      const float i = fabsf(p->p[at] * (p->g[at] * clip));
      const float ipt = b1 * p->ipt[at] + (1 - b1) * i;
      p->ipt[at] = ipt;
      p->unc[at] = b2 * p->unc[at] + (1 - b2) * fabsf(i - ipt);
      sum += (double)(ipt * p->unc[at]);
    }
    p->score[k] += (float)(sum / p->width);
  }
  return OK;
}
