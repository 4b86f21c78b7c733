// Vectors of new items; see content.h.
#include "infer/content.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/safetensors.h"
#include "infer/bundle.h"
#include "simd/simd.h"

typedef struct reader {
  safetensors file;
  char path[4096];
  souk_error *e;
} reader;

bool content_is_there(const souk_bundle *b) {
  return b->content.bias != NULL;
}

size_t content_bytes(const souk_bundle *b) {
  const item_content_weights *w = &b->content;
  const size_t H = (size_t)b->hidden;
  return (H * H * (w->text != NULL) + H * (size_t)w->n_features + H * (w->bias != NULL)) * sizeof *w->bias;
}

void content_free(souk_bundle *b) {
  free(b->content.text);
  free(b->content.features);
  free(b->content.bias);
  b->content = (item_content_weights){.text = NULL};
}

// A tensor [rows,columns], copied to memory that is aligned (rows 0: a vector).
static souk_status take(const reader *r, const char *name, int64_t rows, int64_t columns, float **to) {
  const tensor *t;
  format_error found;
  const size_t n = (size_t)(rows > 0 ? rows : 1) * (size_t)columns;
  const bool there = rows > 0
                         ? safetensors_expect(&r->file, r->path, name, "F32", 2, rows, columns, &t, &found)
                         : safetensors_expect(&r->file, r->path, name, "F32", 1, columns, 0, &t, &found);
  if (!there) return infer_fail_format(r->e, &found);
  PASS(infer_alloc(to, n, sizeof **to, "the weights of item content", r->e));
  memcpy(*to, t->data, n * sizeof **to);
  for (size_t i = 0; i < n; i++)
    if (!isfinite((*to)[i]))
      return infer_fail(r->e, SOUK_ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity", r->path,
                        name);
  return SOUK_OK;
}

static souk_status read_weights(souk_bundle *b, reader *r) {
  static const char text[] = "items.content.text.weight", features[] = "items.content.features.weight";
  item_content_weights *w = &b->content;
  const tensor *wide = safetensors_find(&r->file, features);
  float *one = NULL;
  if (safetensors_find(&r->file, text) != NULL) PASS(take(r, text, b->hidden, b->hidden, &w->text));
  if (wide != NULL) {
    if (wide->ndim != 2 || wide->shape[1] < 1 || wide->shape[1] > 65536)
      return infer_fail(r->e, SOUK_ERR_FORMAT, "%s: tensor \"%s\" must have 1 to 65536 columns", r->path,
                        features);
    w->n_features = (int32_t)wide->shape[1];
    PASS(take(r, features, b->hidden, wide->shape[1], &w->features));
  }
  souk_status rc = take(r, "items.new.bias", 0, 1, &one);
  if (rc == SOUK_OK) w->item_bias = *one;
  free(one);
  PASS(rc);
  return take(r, "items.content.bias", 0, b->hidden, &w->bias);
}

souk_status content_read(souk_bundle *b, souk_error *e) {
  reader r = {.e = e};
  format_error found;
  const mapping *m = &b->files[FILE_CONTENT];
  if (m->data == NULL) return SOUK_OK;
  snprintf(r.path, sizeof r.path, "%s/%s", b->dir, bundle_file_names[FILE_CONTENT]);
  const souk_status rc = safetensors_read(&r.file, m->data, m->bytes, r.path, &found)
                             ? read_weights(b, &r)
                             : infer_fail_format(e, &found);
  safetensors_free(&r.file);
  return rc;
}

static void normalise(float *v, size_t H) {
  const double norm = sqrt(simd()->sum_squares(v, H));
  simd()->scale((float)(1 / (norm > 1e-6 ? norm : 1e-6)), v, H);
}

souk_status content_vector(const souk_bundle *b, const int32_t *ids, size_t n, const float *features,
                           float *out, souk_error *e) {
  const item_content_weights *w = &b->content;
  const size_t H = (size_t)b->hidden, F = (size_t)w->n_features;
  float *mean = NULL;
  PASS(infer_alloc(&mean, H, sizeof *mean, "the mean of an item's words", e));
  for (size_t k = 0; k < n; k++) simd()->add(b->word + (size_t)ids[k] * H, mean, H);
  if (n > 1) simd()->scale(1.0f / (float)n, mean, H);
  for (size_t j = 0; j < H; j++) {
    out[j] = w->bias[j];
    if (w->text != NULL) out[j] += simd()->dot(w->text + j * H, mean, H);
    if (w->features != NULL && features != NULL) out[j] += simd()->dot(w->features + j * F, features, F);
  }
  free(mean);
  if (b->cosine) normalise(out, H);
  out[H] = w->item_bias;
  return SOUK_OK;
}
