// See row_weights.h.
#include "infer/row_weights.h"

#include <stdlib.h>
#include "infer/adapters.h"
#include "infer/errors.h"
#include "simd/simd.h"

// The inverse of gemm_pack, for b [n,k].
static void unpack(const float *packed, size_t n, size_t k, float *b) {
  for (size_t i = 0; i < n; i++)
    for (size_t p = 0; p < k; p++) b[i * k + p] = packed[i / PANEL * PANEL * k + p * PANEL + i % PANEL];
}

const adapted_layer *row_adapted(const row_weights *w, const souk_bundle *b, int32_t layer,
                                 adapted_place place) {
  return w->adapter >= 0 ? adapter_at(&b->adapters, w->adapter, layer, place) : NULL;
}

const bottleneck_weights *row_neck(const row_weights *w, const souk_bundle *b, int32_t layer, int place,
                                   int k) {
  const bottleneck_weights *own = &b->layer[layer].necks[place];
  if (k == 0) return own->width > 0 ? own : NULL;
  return w->adapter >= 0 ? adapter_neck_at(&b->adapters, w->adapter, layer, (neck_place)place) : NULL;
}

static void factors_of(row_factors *to, float **at, const float *down, const float *up, size_t r, size_t in,
                       size_t out) {
  *to = (row_factors){*at, *at + r * in};
  *at += r * (in + out);
  unpack(down, r, in, to->down);
  unpack(up, out, r, to->up);
}

// All factors of adapters and bottlenecks, from `at` on; NULL: only how many floats they have.
static size_t take_factors(row_weights *w, const souk_bundle *b, float *at) {
  const size_t H = (size_t)b->hidden, F = (size_t)b->intermediate;
  size_t floats = 0;
  for (int32_t i = 0; i < b->layers; i++) {
    for (int p = 0; p < ADAPTED_PLACES; p++) {
      const adapted_layer *l = row_adapted(w, b, i, (adapted_place)p);
      const size_t in = p == ADAPTED_FFN2 ? F : H, out = p == ADAPTED_FFN1 ? F : H;
      if (l != NULL) floats += (size_t)l->rank * (in + out);
      if (l != NULL && at != NULL)
        factors_of(&w->low[i * ADAPTED_PLACES + p], &at, l->down, l->up, (size_t)l->rank, in, out);
    }
    for (int p = 0; p < NECK_PLACES * NECKS; p++) {
      const bottleneck_weights *k = row_neck(w, b, i, p / NECKS, p % NECKS);
      if (k != NULL) floats += (size_t)k->width * 2 * H;
      if (k != NULL && at != NULL)
        factors_of(&w->necks[i * NECK_PLACES * NECKS + p], &at, k->down, k->up, (size_t)k->width, H, H);
    }
  }
  return floats;
}

static souk_status make_room(row_weights *w, const souk_bundle *b, size_t floats, souk_error *e) {
  static const char what[] = "the weights of explanations";
  const size_t L = (size_t)b->layers;
  PASS(infer_alloc(&w->layer, L, sizeof *w->layer, what, e));
  PASS(infer_alloc(&w->low, L * ADAPTED_PLACES, sizeof *w->low, what, e));
  PASS(infer_alloc(&w->necks, L * NECK_PLACES * NECKS, sizeof *w->necks, what, e));
  return infer_alloc(&w->floats, floats + take_factors(w, b, NULL), sizeof *w->floats, what, e);
}

souk_status row_weights_new(row_weights **out, const souk_bundle *b, int32_t adapter, souk_error *e) {
  const size_t H = (size_t)b->hidden, F = (size_t)b->intermediate, L = (size_t)b->layers;
  const size_t each = 4 * H * H + 2 * H * F;
  row_weights *w;
  *out = NULL;
  PASS(infer_alloc(&w, 1, sizeof *w, "the weights of explanations", e));
  w->adapter = adapter;
  const souk_status rc = make_room(w, b, L * each + H * H, e);
  if (rc != SOUK_OK) {
    row_weights_free(w);
    return rc;
  }
  for (size_t i = 0; i < L; i++) {
    const layer_weights *from = &b->layer[i];
    float *at = w->floats + i * each;
    row_layer *to = &w->layer[i];
    *to = (row_layer){at, at + H * H, at + 3 * H * H, at + 4 * H * H, at + 4 * H * H + F * H};
    unpack(from->q, H, H, to->q);
    unpack(from->kv, 2 * H, H, to->kv);
    unpack(from->out, H, H, to->out);
    unpack(from->ffn1, F, H, to->ffn1);
    unpack(from->ffn2, H, F, to->ffn2);
  }
  w->mlm = w->floats + L * each;
  if (!b->plain) unpack(b->mlm, H, H, w->mlm);
  take_factors(w, b, w->mlm + H * H);
  *out = w;
  return SOUK_OK;
}

void row_weights_free(row_weights *w) {
  if (w == NULL) return;
  free(w->layer);
  free(w->low);
  free(w->necks);
  free(w->floats);
  free(w);
}
