// Softmax cross-entropy of small logits (next sentence, ratings): a few classes a row, so plain loops in double.
#include <math.h>
#include "ops/cpu/cpu.h"

status cpu_cls(op_ctx *ctx, const cls_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const int32_t C = p->classes;
  const float *logits = p->logits;
  float *dlogits = p->dlogits;
  for (int64_t i = 0; i < n; i++) {
    const float *z = logits + i * C;
    const int32_t label = p->batch->cls_labels[i];
    if (label < 0) {
      for (int32_t c = 0; dlogits != NULL && c < C; c++) dlogits[i * C + c] = 0.0f;
      continue;
    }
    int32_t best = 0;
    for (int32_t c = 1; c < C; c++)
      if (z[c] > z[best]) best = c;
    const double row_max = z[best];
    double sum = exp(z[0] - row_max);
    for (int32_t c = 1; c < C; c++) sum += exp(z[c] - row_max);
    ctx->result.cls_loss += log(sum) + row_max - z[label];
    ctx->result.cls_rows += 1;
    ctx->result.cls_hits += best == label;
    for (int32_t c = 0; dlogits != NULL && c < C; c++) // in place is fine: row maximum and sum are known
      dlogits[i * C + c] = (float)((exp(z[c] - row_max) / sum - (c == label)) * ctx->state.cls_scale);
  }
  return OK;
}
