// Losses of the logits of few classes (next sentence, ratings, clicks): plain loops in double.
#include <math.h>
#include "ops/cpu/cpu.h"

static void no_gradient(float *dz, int32_t C) {
  for (int32_t c = 0; dz != NULL && c < C; c++) dz[c] = 0.0f;
}

// One row: its part of the sums and, dz not NULL, its gradient. dz may be z: row maximum and sum are known by then.
static void one_row(const float *z, float *dz, int32_t C, int32_t label, double weight, double scale,
                    slot_result *r) {
  int32_t best = 0;
  for (int32_t c = 1; c < C; c++)
    if (z[c] > z[best]) best = c;
  const double row_max = z[best];
  double sum = exp(z[0] - row_max);
  for (int32_t c = 1; c < C; c++) sum += exp(z[c] - row_max);
  r->loss += weight * (log(sum) + row_max - z[label]);
  r->weight += weight;
  if (best == label) r->hits += weight;
  for (int32_t c = 0; dz != NULL && c < C; c++)
    dz[c] = (float)((exp(z[c] - row_max) / sum - (c == label)) * weight * scale);
}

// One logit and its own label. exp(-|z|) cannot overflow.
static void one_logit(float z, float *dz, int32_t label, double weight, double scale, slot_result *r) {
  const double e = exp(-fabs((double)z)), share = z > 0 ? 1 / (1 + e) : e / (1 + e);
  r->loss += weight * (log1p(e) + (z > 0 ? z : 0.0) - (label == 1 ? z : 0.0));
  r->weight += weight;
  if ((z > 0) == (label == 1)) r->hits += weight;
  if (dz != NULL) *dz = (float)((share - label) * weight * scale);
}

static status several(op_ctx *ctx, const classify_params *p) {
  const int64_t n = rows_live(ctx, p->n) * p->classes;
  const float *logits = p->logits;
  float *dlogits = p->dlogits;
  const double scale = ctx->state.scale[p->slot];
  for (int64_t i = 0; i < n; i++) {
    float *dz = dlogits != NULL ? dlogits + i : NULL;
    if (p->labels[i] < 0)
      no_gradient(dz, 1);
    else
      one_logit(logits[i], dz, p->labels[i], p->weights != NULL ? p->weights[i] : 1.0, scale,
                &ctx->result.slot[p->slot]);
  }
  return OK;
}

status cpu_classify(op_ctx *ctx, const classify_params *p) {
  if (p->kind == CLASSIFY_SEVERAL) return several(ctx, p);
  const int64_t n = rows_live(ctx, p->n);
  const int32_t C = p->classes;
  const float *logits = p->logits;
  float *dlogits = p->dlogits;
  const double scale = ctx->state.scale[p->slot];
  for (int64_t i = 0; i < n; i++) {
    float *dz = dlogits != NULL ? dlogits + i * C : NULL;
    if (p->labels[i] < 0)
      no_gradient(dz, C);
    else
      one_row(logits + i * C, dz, C, p->labels[i], p->weights != NULL ? p->weights[i] : 1.0, scale,
              &ctx->result.slot[p->slot]);
  }
  return OK;
}
