// Reading biases; see bias_shifts.h.
#include "infer/bias_shifts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "infer/bundle.h"

enum { NAME = 128 };

typedef struct shift_reader {
  bias_shifts *to;
  const souk_bundle *b;
  const safetensors *file;
  const char *path;
  size_t used;
  souk_error *e;
} shift_reader;

static size_t padded(size_t n) {
  return (n + 15) / 16 * 16;
}

// Of all of the file, those that are passed over included.
static souk_status check_finite(const safetensors *f, const char *path, souk_error *e) {
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[i];
    for (uint64_t at = 0; at + sizeof(float) <= t->end - t->begin; at += sizeof(float)) {
      float x;
      memcpy(&x, t->data + at, sizeof x);
      if (!isfinite(x) && strcmp(t->dtype, "F32") == 0)
        return infer_fail(e, SOUK_ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity", path,
                          t->name);
    }
  }
  return SOUK_OK;
}

// The tensor's values from `first` on, n of all, times `scale`, less `base`, where the file has it.
static souk_status take(shift_reader *r, const char *prefix, const char *name, size_t all, size_t first,
                        size_t n, const float *base, float scale, float **where) {
  char full[2 * NAME];
  const tensor *t;
  format_error found;
  snprintf(full, sizeof full, "%s%s", prefix, name);
  if (safetensors_find(r->file, full) == NULL) return SOUK_OK;
  if (!safetensors_expect(r->file, r->path, full, "F32", 1, (int64_t)all, 0, &t, &found))
    return infer_fail_format(r->e, &found);
  float *to = r->to->floats + r->used;
  r->used += padded(n);
  memcpy(to, t->data + first * sizeof *to, n * sizeof *to);
  *where = to;
  for (size_t i = 0; i < n; i++) {
    to[i] = to[i] * scale - base[i];
    if (!isfinite(to[i]))
      return infer_fail(r->e, SOUK_ERR_NONFINITE, "%s: tensor \"%s\" is too far from the base's", r->path,
                        full);
  }
  return SOUK_OK;
}

static souk_status vector(shift_reader *r, const char *prefix, const char *name, int32_t n, const float *base,
                          float **where) {
  return take(r, prefix, name, (size_t)n, 0, (size_t)n, base, 1, where);
}

static souk_status read_layer(shift_reader *r, int32_t i) {
  const souk_bundle *b = r->b;
  const layer_weights *w = &b->layer[i];
  const int32_t H = b->hidden;
  const size_t n = (size_t)H;
  const bool pre = b->pre_norm;
  float **at = r->to->layer + (size_t)i * SHIFT_PLACES;
  char prefix[NAME];
  snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.", i);
  PASS(take(r, prefix, "attention.self.query.bias", n, 0, n, w->q_b, 1.0f / sqrtf((float)b->head_size),
            &at[ADAPTED_QUERY]));
  PASS(vector(r, prefix, "attention.self.key.bias", H, w->kv_b, &at[ADAPTED_KEY]));
  PASS(vector(r, prefix, "attention.self.value.bias", H, w->kv_b + n, &at[ADAPTED_VALUE]));
  PASS(vector(r, prefix, "attention.output.dense.bias", H, w->out_b, &at[ADAPTED_PROJECTION]));
  PASS(vector(r, prefix, "intermediate.dense.bias", b->intermediate, w->ffn1_b, &at[ADAPTED_FFN1]));
  PASS(vector(r, prefix, "output.dense.bias", H, w->ffn2_b, &at[ADAPTED_FFN2]));
  PASS(vector(r, prefix, pre ? "attention.ln.bias" : "attention.output.LayerNorm.bias", H, w->norm1_b,
              &at[SHIFT_NORM1]));
  return vector(r, prefix, pre ? "ln.bias" : "output.LayerNorm.bias", H, w->norm2_b, &at[SHIFT_NORM2]);
}

// The head's biases of items. Without a head that ranks there are none.
static souk_status read_items(shift_reader *r) {
  const souk_bundle *b = r->b;
  const size_t W = (size_t)b->width, n = (size_t)b->items;
  float *base;
  if (n == 0 || safetensors_find(r->file, "cls.predictions.bias") == NULL) return SOUK_OK;
  if (b->content.bias != NULL)
    return infer_fail(r->e, SOUK_ERR_FORMAT,
                      "%s has biases of items with content, whose vectors are made when the bundle is",
                      r->path);
  PASS(infer_alloc(&base, n, sizeof *base, "biases of items", r->e));
  for (size_t i = 0; i < n; i++)
    memcpy(&base[i], b->item_rows + (i * W + W - 1) * sizeof *base, sizeof *base);
  const souk_status rc = take(r, "", "cls.predictions.bias", (size_t)b->vocab_size, (size_t)b->first_item, n,
                              base, 1, &r->to->whole[SHIFT_ITEMS]);
  free(base);
  return rc;
}

static souk_status read_heads(shift_reader *r) {
  const souk_bundle *b = r->b;
  const int32_t H = b->hidden;
  float **at = r->to->whole;
  PASS(vector(r, "bert.embeddings.", "LayerNorm.bias", H, b->emb_norm_b, &at[SHIFT_EMBEDDING]));
  if (b->pre_norm) PASS(vector(r, "bert.encoder.", "ln.bias", H, b->final_norm_b, &at[SHIFT_FINAL]));
  if (b->labels.n > 0) {
    PASS(vector(r, "bert.", "pooler.dense.bias", H, b->labels.pooler_b, &at[SHIFT_POOLER]));
    PASS(vector(r, "", "classifier.bias", b->labels.n, b->labels.classifier_b, &at[SHIFT_CLASSIFIER]));
  }
  if (b->copy.there) PASS(vector(r, "", "copy.bias", b->copy.classes, b->copy.bias, &at[SHIFT_COPY_BIAS]));
  if (b->copy.there && b->copy.transform != NULL) {
    PASS(vector(r, "copy.transform.", "dense.bias", H, b->copy.transform_b, &at[SHIFT_COPY]));
    PASS(vector(r, "copy.transform.", "LayerNorm.bias", H, b->copy.norm_b, &at[SHIFT_COPY_NORM]));
  }
  if (!b->plain) {
    PASS(vector(r, "cls.predictions.transform.", "dense.bias", H, b->mlm_b, &at[SHIFT_HEAD]));
    PASS(vector(r, "cls.predictions.transform.", "LayerNorm.bias", H, b->mlm_norm_b, &at[SHIFT_HEAD_NORM]));
  }
  return read_items(r);
}

// Those of heads that ranking and labels do without.
static void pass_over(const safetensors *f) {
  static const char *const others[] = {"bert.pooler.dense.bias", "cls.seq_relationship.bias",
                                       "cls.predictions.bias"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    tensor *t = safetensors_find(f, others[i]);
    if (t != NULL) t->used = true;
  }
}

souk_status bias_shifts_read(bias_shifts **out, const souk_bundle *b, const safetensors *f, const char *path,
                             souk_error *e) {
  bias_shifts *s;
  PASS(infer_alloc(&s, 1, sizeof *s, "an adapter", e));
  *out = s;
  s->layers = (size_t)b->layers;
  for (size_t i = 0; i < f->count; i++) s->n += padded((size_t)f->items[i].size); // as many as the file has
  PASS(infer_alloc(&s->layer, s->layers * SHIFT_PLACES, sizeof *s->layer, "an adapter", e));
  PASS(infer_alloc(&s->floats, s->n, sizeof *s->floats, "an adapter", e));
  PASS(check_finite(f, path, e));
  shift_reader r = {.to = s, .b = b, .file = f, .path = path, .e = e};
  for (int32_t i = 0; i < b->layers; i++) PASS(read_layer(&r, i));
  PASS(read_heads(&r));
  pass_over(f);
  return r.used > 0 ? SOUK_OK
                    : infer_fail(e, SOUK_ERR_FORMAT,
                                 "%s has no biases, so that the adapter would change nothing", path);
}

void bias_shifts_free(bias_shifts *s) {
  if (s == NULL) return;
  free(s->layer);
  free(s->floats);
  free(s);
}

size_t bias_shifts_bytes(const bias_shifts *s) {
  if (s == NULL) return 0;
  return sizeof *s + s->n * sizeof *s->floats + s->layers * SHIFT_PLACES * sizeof *s->layer;
}
