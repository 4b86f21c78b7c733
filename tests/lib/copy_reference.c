// A prefix language model in double precision; see copy_reference.h.
#include "lib/copy_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "format/safetensors.h"
#include "lib/check.h"

enum { ROWS = 128 };

struct copy_reference {
  const souk_bundle *b;
  safetensors model, head;
};

copy_reference *copy_reference_open(const souk_bundle *b) {
  copy_reference *r = calloc(1, sizeof *r);
  format_error e;
  assert_non_null(r);
  r->b = b;
  const mapping *m = &b->files[FILE_MODEL], *h = &b->files[FILE_COPY];
  if (!safetensors_read(&r->model, m->data, m->bytes, "model", &e)) fail_msg("%s", e.message);
  if (!safetensors_read(&r->head, h->data, h->bytes, "copy", &e)) fail_msg("%s", e.message);
  return r;
}

void copy_reference_close(copy_reference *r) {
  safetensors_free(&r->model);
  safetensors_free(&r->head);
  free(r);
}

static double value(const copy_reference *r, const char *prefix, const char *name, size_t i) {
  char full[256];
  float x;
  snprintf(full, sizeof full, "%s%s", prefix, name);
  const tensor *t = safetensors_find(strncmp(full, "copy.", 5) == 0 ? &r->head : &r->model, full);
  if (t == NULL) fail_msg("no tensor %s", full);
  memcpy(&x, t->data + i * sizeof x, sizeof x);
  return (double)x;
}

// All of a tensor, freed by the caller.
static double *values(const copy_reference *r, const char *prefix, const char *name, size_t n) {
  double *v = malloc(n * sizeof *v);
  assert_non_null(v);
  for (size_t i = 0; i < n; i++) v[i] = value(r, prefix, name, i);
  return v;
}

static void linear(const copy_reference *r, const char *prefix, const char *name, const double *x, size_t n,
                   size_t in, size_t out, double *y) {
  char weight[128], bias[128];
  snprintf(weight, sizeof weight, "%s.weight", name);
  snprintf(bias, sizeof bias, "%s.bias", name);
  double *w = values(r, prefix, weight, in * out), *b = values(r, prefix, bias, out);
  for (size_t i = 0; i < n; i++)
    for (size_t o = 0; o < out; o++) {
      double sum = b[o];
      for (size_t k = 0; k < in; k++) sum += w[o * in + k] * x[i * in + k];
      y[i * out + o] = sum;
    }
  free(w);
  free(b);
}

static void norm(const copy_reference *r, const char *prefix, const char *name, const double *x, size_t n,
                 double *y) {
  const size_t H = (size_t)r->b->hidden;
  char weight[128], bias[128];
  snprintf(weight, sizeof weight, "%s.weight", name);
  snprintf(bias, sizeof bias, "%s.bias", name);
  double *w = values(r, prefix, weight, H), *b = values(r, prefix, bias, H);
  for (size_t i = 0; i < n; i++) {
    double mean = 0, variance = 0;
    for (size_t k = 0; k < H; k++) mean += x[i * H + k] / (double)H;
    for (size_t k = 0; k < H; k++) variance += (x[i * H + k] - mean) * (x[i * H + k] - mean) / (double)H;
    for (size_t k = 0; k < H; k++)
      y[i * H + k] = (x[i * H + k] - mean) / sqrt(variance + (double)r->b->eps) * w[k] + b[k];
  }
  free(w);
  free(b);
}

static double gelu(const souk_bundle *b, double x) {
  if (b->erf) return 0.5 * x * (1 + erf(x / sqrt(2)));
  return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void attention(const copy_reference *r, const char *prefix, const double *x, size_t n, size_t source,
                      double *out) {
  const size_t H = (size_t)r->b->hidden, D = (size_t)r->b->head_size;
  double *q = malloc(3 * n * H * sizeof *q), *k = q + n * H, *v = k + n * H, p[ROWS], *mixed;
  mixed = calloc(n * H, sizeof *mixed);
  assert_true(q != NULL && mixed != NULL);
  linear(r, prefix, "attention.self.query", x, n, H, H, q);
  linear(r, prefix, "attention.self.key", x, n, H, H, k);
  linear(r, prefix, "attention.self.value", x, n, H, H, v);
  for (size_t i = 0; i < n; i++)
    for (size_t at = 0; at < H; at += D) {
      const size_t keys = i < source ? source : i + 1;
      double sum = 0;
      for (size_t j = 0; j < keys; j++) {
        double s = 0;
        for (size_t d = 0; d < D; d++) s += q[i * H + at + d] * k[j * H + at + d];
        sum += p[j] = exp(s / sqrt((double)D));
      }
      for (size_t j = 0; j < keys; j++)
        for (size_t d = 0; d < D; d++) mixed[i * H + at + d] += p[j] / sum * v[j * H + at + d];
    }
  linear(r, prefix, "attention.output.dense", mixed, n, H, H, out);
  free(q);
  free(mixed);
}

static void layer(const copy_reference *r, int32_t i, double *x, size_t n, size_t source) {
  const size_t H = (size_t)r->b->hidden, F = (size_t)r->b->intermediate;
  const bool pre = r->b->pre_norm;
  char prefix[64];
  double *y = malloc(n * (2 * H + F) * sizeof *y), *branch = y + n * H, *wide = branch + n * H;
  assert_non_null(y);
  snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.", i);
  if (pre) norm(r, prefix, "attention.ln", x, n, y);
  attention(r, prefix, pre ? y : x, n, source, branch);
  for (size_t k = 0; k < n * H; k++) x[k] += branch[k];
  if (!pre) norm(r, prefix, "attention.output.LayerNorm", x, n, x);
  if (pre) norm(r, prefix, "ln", x, n, y);
  linear(r, prefix, "intermediate.dense", pre ? y : x, n, H, F, wide);
  for (size_t k = 0; k < n * F; k++) wide[k] = gelu(r->b, wide[k]);
  linear(r, prefix, "output.dense", wide, n, F, H, branch);
  for (size_t k = 0; k < n * H; k++) x[k] += branch[k];
  if (!pre) norm(r, prefix, "output.LayerNorm", x, n, x);
  free(y);
}

void copy_reference_logits(const copy_reference *r, const int32_t *ids, const int32_t *types,
                           const int32_t *positions, int32_t n, int32_t prefix, double *logits) {
  const souk_bundle *b = r->b;
  const size_t H = (size_t)b->hidden, rows = (size_t)n;
  const char *const emb = "bert.embeddings.";
  double *x = malloc(rows * H * sizeof *x), *y = malloc(2 * H * sizeof *y), *last = x + (rows - 1) * H;
  assert_true(n <= ROWS && x != NULL && y != NULL);
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < H; k++)
      x[i * H + k] = value(r, emb, "word_embeddings.weight", (size_t)ids[i] * H + k) +
                     value(r, emb, "token_type_embeddings.weight", (size_t)types[i] * H + k) +
                     value(r, emb, "position_embeddings.weight", (size_t)positions[i] * H + k);
  norm(r, emb, "LayerNorm", x, rows, x);
  for (int32_t i = 0; i < b->layers; i++) layer(r, i, x, rows, (size_t)prefix);
  if (b->pre_norm) norm(r, "bert.encoder.", "ln", last, 1, last);
  linear(r, "copy.transform.", "dense", last, 1, H, H, y);
  for (size_t k = 0; k < H; k++) y[k] = gelu(b, y[k]);
  norm(r, "copy.transform.", "LayerNorm", y, 1, y);
  for (size_t c = 0; c < (size_t)b->copy.classes; c++) {
    logits[c] = value(r, "copy.", "bias", c);
    for (size_t k = 0; k < H; k++)
      logits[c] += y[k] * b->inv_temperature_wide * value(r, emb, "word_embeddings.weight", c * H + k);
  }
  free(x);
  free(y);
}

void copy_reference_next(const copy_reference *r, const int32_t *ids, const int32_t *types,
                         const int32_t *positions, int32_t source, const int32_t *tokens, int32_t n,
                         double *logits) {
  int32_t all[3][ROWS];
  assert_true(source + n <= ROWS);
  memcpy(all[0], ids, (size_t)source * sizeof *ids);
  memcpy(all[1], types, (size_t)source * sizeof *ids);
  memcpy(all[2], positions, (size_t)source * sizeof *ids);
  for (int32_t k = 0; k < n; k++) {
    all[0][source + k] = tokens[k];
    all[1][source + k] = r->b->layout.n_event_types; // segment 1, no event
    all[2][source + k] = r->b->layout.positions_from_end ? positions[source - 1] - 1 - k // they count down
                                                         : source + k;
  }
  copy_reference_logits(r, all[0], all[1], all[2], source + n, source, logits);
}
