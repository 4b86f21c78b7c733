// Folding of low-rank adapters; see tuning_fold.h.
#include "model/tuning_fold.h"

#include <string.h>
#include "model/encoder_internal.h"
#include "model/table_tuning.h"

static float *values_of(const model_core *m, int32_t i) {
  return param_master(&m->params, &m->params.items[i]);
}

// A row of W: that of output o of the adapter.
static void fold_row(float *w, const float *b, const float *e, const float *a, double s, int64_t r,
                     int64_t in) {
  for (int64_t j = 0; j < in; j++) {
    double sum = 0;
    for (int64_t k = 0; k < r; k++)
      sum += (double)b[k] * (e != NULL ? (double)e[k] : 1.0) * (double)a[k * in + j];
    w[j] = (float)((double)w[j] + s * sum);
  }
}

static void fold_linear(const model_core *m, const tuned_linear *t, int32_t weight_at) {
  const int64_t in = m->params.items[weight_at].shape[1], r = peft_rank(&m->c.peft);
  for (int32_t k = 0; k < t->n; k++) {
    const low_rank *p = &t->part[k];
    float *const w = values_of(m, weight_at), *const b = values_of(m, p->b);
    const float *a = values_of(m, p->a), *e = p->e >= 0 ? values_of(m, p->e) : NULL;
    for (int64_t o = 0; o < p->width; o++)
      fold_row(w + (p->column + o) * in, b + o * r, e, a, peft_scale(&m->c.peft), r, in);
    memset(b, 0, (size_t)(p->width * r) * sizeof *b);
  }
}

// Rows of words and items, A's are like those of B elsewhere.
static void fold_table(const model_core *m) {
  const table_tuning *t = m->table;
  const int64_t V = m->c.vocab_size, H = m->c.hidden, r = peft_rank(&m->c.peft);
  if (t == NULL) return;
  float *const table = values_of(m, encoder_word_table(m)), *const a = values_of(m, t->a);
  const float *b = values_of(m, t->b), *e = t->e >= 0 ? values_of(m, t->e) : NULL;
  for (int64_t i = 0; i < V; i++)
    for (int64_t j = 0; j < H; j++) {
      double sum = 0;
      for (int64_t k = 0; k < r; k++)
        sum += (double)a[i * r + k] * (e != NULL ? (double)e[k] : 1.0) * (double)b[j * r + k];
      table[i * H + j] = (float)((double)table[i * H + j] + peft_scale(&m->c.peft) * sum);
    }
  memset(a, 0, (size_t)(V * r) * sizeof *a);
}

status tuning_fold(model *whole) {
  model_core *m = model_get_core(whole);
  const encoder *e = m->encoder;
  if (m->c.peft.kind == PEFT_ADAPTER)
    return fail(
        ERR_UNSUPPORTED,
        "the adapters of this model stand behind its layers and have an activation of their own, so they "
        "cannot be folded into its weights; souk export writes a bundle that serves them as they are");
  for (int32_t i = 0; i < n_layers(m); i++) {
    const layer_params *p = &e->layer_param[i];
    const layer_tuning *t = &e->tuning[i];
    fold_linear(m, &t->qkv, p->qkv_w);
    fold_linear(m, &t->out, p->out_w);
    fold_linear(m, &t->ffn1, p->ffn1_w);
    fold_linear(m, &t->ffn2, p->ffn2_w);
  }
  fold_table(m);
  return params_refresh(&m->params);
}
