// From safetensors to weights in the kernels' layout.
//
// One walk over all tensors serves twice: first it checks that each is there with the right type and shape
// and adds up the room, then it fills one arena. Every number is checked: a NaN or infinity in a weight would
// otherwise only show in answers. Matrices are packed; q is multiplied by the attention's 1/sqrt(D), and k and v
// become one matrix.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/safetensors.h"
#include "infer/bundle.h"
#include "infer/encode.h"
#include "simd/simd.h"

enum { NAME = 128 };

typedef struct loader {
  souk_bundle *b;
  const safetensors *file;
  char path[4096]; // of the file, for messages
  bool filling;
  size_t used;    // floats of the arena
  float *scratch; // a matrix, aligned
  size_t scratch_floats;
  souk_error *e;
} loader;

static size_t padded(size_t floats) {
  return (floats + 15) / 16 * 16;
}

// All exponent bits set mark NaN and infinity; as integers, because the data may lie anywhere.
static bool all_finite(const char *data, size_t floats) {
  uint32_t bad = 0;
  for (size_t i = 0; i < floats; i++) {
    uint32_t bits;
    memcpy(&bits, data + 4 * i, sizeof bits);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return bad == 0;
}

static souk_status check_finite(const loader *l, const tensor *t) {
  if (all_finite(t->data, (size_t)(t->end - t->begin) / sizeof(float))) return SOUK_OK;
  return infer_fail(l->e, SOUK_ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity", l->path,
                    t->name);
}

static souk_status read_table(safetensors *f, const mapping *m, const char *path, souk_error *e) {
  format_error found;
  return safetensors_read(f, m->data, m->bytes, path, &found) ? SOUK_OK : infer_fail_format(e, &found);
}

// The tensor with this name, dtype and shape; ERR_FORMAT otherwise.
static souk_status expect(const safetensors *f, const char *path, const char *name, const char *dtype,
                          int32_t ndim, int64_t rows, int64_t columns, const tensor **out, souk_error *e) {
  format_error found;
  return safetensors_expect(f, path, name, dtype, ndim, rows, columns, out, &found)
             ? SOUK_OK
             : infer_fail_format(e, &found);
}

static float *carve(loader *l, float **where, size_t floats) {
  float *p = l->filling ? l->b->arena + l->used : NULL;
  *where = p;
  l->used += padded(floats);
  return p;
}

// rows 0: a vector.
static souk_status find(const loader *l, const char *prefix, const char *name, int32_t rows, int32_t columns,
                        const tensor **t) {
  char full[2 * NAME];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  const int64_t first = rows > 0 ? rows : columns;
  return expect(l->file, l->path, full, "F32", rows > 0 ? 2 : 1, first, columns, t, l->e);
}

// Copies floats of a tensor times `scale`.
static souk_status copy(const loader *l, const tensor *t, float *to, size_t floats, float scale) {
  PASS(check_finite(l, t));
  memcpy(to, t->data, floats * sizeof *to);
  simd()->scale(scale, to, floats);
  return SOUK_OK;
}

static souk_status vector(loader *l, float **where, const char *prefix, const char *name, int32_t n,
                          float scale) {
  const tensor *t;
  PASS(find(l, prefix, name, 0, n, &t));
  float *to = carve(l, where, (size_t)n);
  return l->filling ? copy(l, t, to, (size_t)n, scale) : SOUK_OK;
}

// A packed matrix [out,in].
static souk_status matrix(loader *l, float **where, const char *prefix, const char *name, int32_t out,
                          int32_t in, float scale) {
  const tensor *t;
  const size_t n = (size_t)out, k = (size_t)in;
  PASS(find(l, prefix, name, out, in, &t));
  float *to = carve(l, where, gemm_packed_size(n, k));
  if (!l->filling) {
    if (n * k > l->scratch_floats) l->scratch_floats = n * k;
    return SOUK_OK;
  }
  PASS(copy(l, t, l->scratch, n * k, scale));
  gemm_pack(l->scratch, k, n, k, to);
  return SOUK_OK;
}

// k and v, one below the other.
static souk_status keys_values(loader *l, layer_weights *w, const char *prefix) {
  const int32_t H = l->b->hidden;
  const size_t n = (size_t)H;
  const tensor *k, *v, *k_b, *v_b;
  PASS(find(l, prefix, "attention.self.key.weight", H, H, &k));
  PASS(find(l, prefix, "attention.self.value.weight", H, H, &v));
  PASS(find(l, prefix, "attention.self.key.bias", 0, H, &k_b));
  PASS(find(l, prefix, "attention.self.value.bias", 0, H, &v_b));
  float *to = carve(l, &w->kv, gemm_packed_size(2 * n, n)), *bias = carve(l, &w->kv_b, 2 * n);
  if (!l->filling) {
    if (2 * n * n > l->scratch_floats) l->scratch_floats = 2 * n * n;
    return SOUK_OK;
  }
  PASS(copy(l, k, l->scratch, n * n, 1.0f));
  PASS(copy(l, v, l->scratch + n * n, n * n, 1.0f));
  gemm_pack(l->scratch, n, 2 * n, n, to);
  PASS(copy(l, k_b, bias, n, 1.0f));
  return copy(l, v_b, bias + n, n, 1.0f);
}

// A table [rows,H].
static souk_status table(loader *l, float **where, const char *name, int32_t rows) {
  const tensor *t;
  const size_t floats = (size_t)rows * (size_t)l->b->hidden;
  PASS(find(l, "bert.embeddings.", name, rows, l->b->hidden, &t));
  float *to = carve(l, where, floats);
  return l->filling ? copy(l, t, to, floats, 1.0f) : SOUK_OK;
}

// The word table is used where it is mapped; it is copied only if the header leaves it unaligned.
static souk_status word_table(loader *l) {
  souk_bundle *b = l->b;
  const tensor *t;
  PASS(find(l, "bert.embeddings.", "word_embeddings.weight", b->vocab_size, b->hidden, &t));
  if (!l->filling) return SOUK_OK;
  PASS(check_finite(l, t));
  if ((uintptr_t)t->data % _Alignof(float) == 0) {
    b->word = (const float *)(const void *)t->data;
    return SOUK_OK;
  }
  const size_t floats = (size_t)b->vocab_size * (size_t)b->hidden;
  PASS(infer_alloc(&b->word_copy, floats, sizeof(float), "the embedding table", l->e));
  memcpy(b->word_copy, t->data, floats * sizeof(float));
  b->word = b->word_copy;
  return SOUK_OK;
}

// Bottlenecks of the model itself (adapters.h).
static souk_status necks(loader *l, int32_t i) {
  const int32_t H = l->b->hidden, width = l->b->adapter_width;
  for (int k = 0; width > 0 && k < NECK_PLACES; k++) {
    bottleneck_weights *to = &l->b->layer[i].necks[k];
    char prefix[NAME];
    snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.%s.adapter.", i, neck_modules[k]);
    to->width = width;
    PASS(matrix(l, &to->down, prefix, "down.weight", width, H, 1.0f));
    PASS(vector(l, &to->down_b, prefix, "down.bias", width, 1.0f));
    PASS(matrix(l, &to->up, prefix, "up.weight", H, width, 1.0f));
    PASS(vector(l, &to->up_b, prefix, "up.bias", H, 1.0f));
  }
  return SOUK_OK;
}

static souk_status layer(loader *l, int32_t i) {
  souk_bundle *b = l->b;
  layer_weights *w = &b->layer[i];
  const int32_t H = b->hidden, F = b->intermediate;
  const float scale = 1.0f / sqrtf((float)b->head_size);
  const bool pre = b->pre_norm;
  char prefix[NAME];
  snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.", i);
  PASS(matrix(l, &w->q, prefix, "attention.self.query.weight", H, H, scale));
  PASS(vector(l, &w->q_b, prefix, "attention.self.query.bias", H, scale));
  PASS(keys_values(l, w, prefix));
  PASS(matrix(l, &w->out, prefix, "attention.output.dense.weight", H, H, 1.0f));
  PASS(vector(l, &w->out_b, prefix, "attention.output.dense.bias", H, 1.0f));
  PASS(vector(l, &w->norm1_w, prefix, pre ? "attention.ln.weight" : "attention.output.LayerNorm.weight", H,
              1.0f));
  PASS(
      vector(l, &w->norm1_b, prefix, pre ? "attention.ln.bias" : "attention.output.LayerNorm.bias", H, 1.0f));
  PASS(matrix(l, &w->ffn1, prefix, "intermediate.dense.weight", F, H, 1.0f));
  PASS(vector(l, &w->ffn1_b, prefix, "intermediate.dense.bias", F, 1.0f));
  PASS(matrix(l, &w->ffn2, prefix, "output.dense.weight", H, F, 1.0f));
  PASS(vector(l, &w->ffn2_b, prefix, "output.dense.bias", H, 1.0f));
  PASS(vector(l, &w->norm2_w, prefix, pre ? "ln.weight" : "output.LayerNorm.weight", H, 1.0f));
  return vector(l, &w->norm2_b, prefix, pre ? "ln.bias" : "output.LayerNorm.bias", H, 1.0f);
}

static souk_status walk(loader *l) {
  souk_bundle *b = l->b;
  const int32_t H = b->hidden;
  PASS(word_table(l));
  PASS(table(l, &b->type, "token_type_embeddings.weight", b->layout.segments * b->layout.n_event_types));
  PASS(table(l, &b->position, "position_embeddings.weight", b->layout.max_positions));
  PASS(vector(l, &b->emb_norm_w, "bert.embeddings.", "LayerNorm.weight", H, 1.0f));
  PASS(vector(l, &b->emb_norm_b, "bert.embeddings.", "LayerNorm.bias", H, 1.0f));
  for (int32_t i = 0; i < b->layers; i++) {
    PASS(layer(l, i));
    PASS(necks(l, i));
  }
  if (b->pre_norm) {
    PASS(vector(l, &b->final_norm_w, "bert.encoder.", "ln.weight", H, 1.0f));
    PASS(vector(l, &b->final_norm_b, "bert.encoder.", "ln.bias", H, 1.0f));
  }
  if (b->labels.n > 0) {
    PASS(matrix(l, &b->labels.pooler, "bert.", "pooler.dense.weight", H, H, 1.0f));
    PASS(vector(l, &b->labels.pooler_b, "bert.", "pooler.dense.bias", H, 1.0f));
    PASS(matrix(l, &b->labels.classifier, "", "classifier.weight", b->labels.n, H, 1.0f));
    PASS(vector(l, &b->labels.classifier_b, "", "classifier.bias", b->labels.n, 1.0f));
  }
  if (b->plain) return SOUK_OK;
  const char *const mlm = "cls.predictions.transform.";
  PASS(matrix(l, &b->mlm, mlm, "dense.weight", H, H, 1.0f));
  PASS(vector(l, &b->mlm_b, mlm, "dense.bias", H, 1.0f));
  PASS(vector(l, &b->mlm_norm_w, mlm, "LayerNorm.weight", H, 1.0f));
  return vector(l, &b->mlm_norm_b, mlm, "LayerNorm.bias", H, 1.0f);
}

static bool begins_with(const char *name, const char *with) {
  return strncmp(name, with, strlen(with)) == 0;
}

// What is no part of a BERT, and the heads that ranking does without.
static bool is_passed_over(const char *name) {
  static const char *const known[] = {"bert.pooler.", "cls.seq_relationship.", "cls.predictions.bias",
                                      "cls.predictions.decoder.", "bert.embeddings.position_ids"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (begins_with(name, known[i])) return true;
  return !begins_with(name, "bert.") && !begins_with(name, "cls.");
}

// A tensor more is a model other than the one that config.json describes: with more layers, for one.
static souk_status refuse_surplus(const loader *l) {
  const tensor *first = NULL;
  size_t n = 0;
  for (size_t i = 0; i < l->file->count; i++) {
    const tensor *t = &l->file->items[i];
    if (t->used || is_passed_over(t->name)) continue;
    if (first == NULL) first = t;
    n++;
  }
  if (n == 0) return SOUK_OK;
  return infer_fail(l->e, SOUK_ERR_FORMAT,
                    "%s: %zu tensor%s, \"%s\" first, %s no place in the model of config.json, which has %d "
                    "layer%s",
                    l->path, n, n > 1 ? "s" : "", first->name, n > 1 ? "have" : "has", l->b->layers,
                    l->b->layers > 1 ? "s" : "");
}

// ---- items ---------------------------------------------------------------------------------------------------

static souk_status find_items(souk_bundle *b, const char *path, souk_error *e) {
  safetensors f;
  const tensor *vectors, *counts;
  if (b->items == 0) return SOUK_OK;
  PASS(read_table(&f, &b->files[FILE_ITEMS], path, e));
  souk_status rc = expect(&f, path, "vectors", "F32", 2, b->items, b->width, &vectors, e);
  if (rc == SOUK_OK) rc = expect(&f, path, "counts", "I64", 1, b->items, 0, &counts, e);
  if (rc == SOUK_OK) {
    b->item_rows = vectors->data;
    if (!all_finite(vectors->data, (size_t)b->items * (size_t)b->width))
      rc = infer_fail(e, SOUK_ERR_NONFINITE, "%s: tensor \"vectors\" holds a NaN or an infinity", path);
  }
  safetensors_free(&f);
  return rc;
}

// A panel at a time, because the mapped rows may lie anywhere.
static void pack_items(souk_bundle *b, float *scratch) {
  const size_t W = (size_t)b->width, I = (size_t)b->items;
  for (size_t i = 0; i < I; i += PANEL) {
    const size_t rows = I - i < PANEL ? I - i : PANEL;
    memcpy(scratch, b->item_rows + i * W * sizeof(float), rows * W * sizeof(float));
    gemm_pack(scratch, W, rows, W, b->packed_items + i * W);
    for (size_t r = 0; r < rows; r++) b->longest_item = fmax(b->longest_item, length_of(scratch + r * W, W));
  }
}

souk_status weights_read(souk_bundle *b, souk_error *e) {
  loader *l = NULL;
  safetensors file = {0};
  char items_path[4096];
  souk_status rc;
  PASS_GOTO(infer_alloc(&l, 1, sizeof *l, "a loader", e), done);
  l->b = b;
  l->e = e;
  l->file = &file;
  b->adapters.most_inner = b->adapter_width;
  snprintf(l->path, sizeof l->path, "%s/%s", b->dir, bundle_file_names[FILE_MODEL]);
  snprintf(items_path, sizeof items_path, "%s/%s", b->dir, bundle_file_names[FILE_ITEMS]);
  PASS_GOTO(read_table(&file, &b->files[FILE_MODEL], l->path, e), done);
  PASS_GOTO(infer_alloc(&b->layer, (size_t)b->layers, sizeof *b->layer, "layers", e), done);
  PASS_GOTO(walk(l), done);
  PASS_GOTO(refuse_surplus(l), done);
  PASS_GOTO(find_items(b, items_path, e), done);
  PASS_GOTO(content_read(b, e), done);
  const size_t W = (size_t)b->width;
  carve(l, &b->packed_items, gemm_packed_size((size_t)b->items, W));
  if (l->scratch_floats < PANEL * W) l->scratch_floats = PANEL * W;
  b->arena_floats = l->used;
  PASS_GOTO(infer_alloc(&b->arena, l->used, sizeof *b->arena, "the weights", e), done);
  PASS_GOTO(infer_alloc(&l->scratch, l->scratch_floats, sizeof *l->scratch, "a matrix", e), done);
  l->used = 0;
  l->filling = true;
  PASS_GOTO(walk(l), done);
  carve(l, &b->packed_items, 0);
  pack_items(b, l->scratch);
done:
  if (l != NULL) free(l->scratch);
  free(l);
  safetensors_free(&file);
  return rc;
}
