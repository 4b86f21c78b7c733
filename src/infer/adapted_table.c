// Adapters of the word table; see adapted_table.h.
#include "infer/adapted_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "infer/bundle.h"
#include "simd/simd.h"

struct adapted_table {
  int32_t rank;
  float *a;                // [r,V]
  float *up, *down;        // [H,r] s B, packed; [r,H] its transposed, packed
  float *shrink, *inverse; // [I] |e| / |e'|, 1 / |e'|; NULL: scores are not cosines
  double longest;          // of the columns of a that items have, times `inverse`
  double most_shrink;
  size_t bytes;
};

// ---- making --------------------------------------------------------------------------------------------------

static void pack_factors(adapted_table *t, const float *b, double s, size_t H, float *room) {
  const size_t r = (size_t)t->rank;
  for (size_t i = 0; i < H * r; i++) room[i] = (float)(s * (double)b[i]);
  gemm_pack(room, r, H, r, t->up);
  gemm_pack_rows(room, r, r, H, t->down);
}

static double at_least(double length) {
  return length > 1e-6 ? length : 1e-6; // as the trainer has it
}

// The lengths of an item's row before and after, in double.
static void lengths(const souk_bundle *bundle, const adapted_table *t, const float *b, double s, size_t token,
                    double *before, double *after) {
  const size_t H = (size_t)bundle->hidden, V = (size_t)bundle->vocab_size, r = (size_t)t->rank;
  const float *row = bundle->word + token * H;
  double was = 0, is = 0;
  for (size_t j = 0; j < H; j++) {
    double added = 0;
    for (size_t k = 0; k < r; k++) added += (double)b[j * r + k] * (double)t->a[k * V + token];
    const double x = (double)row[j], y = x + s * added;
    was += x * x;
    is += y * y;
  }
  *before = at_least(sqrt(was));
  *after = at_least(sqrt(is));
}

static void measure(adapted_table *t, const souk_bundle *bundle, const float *b, double s) {
  const size_t V = (size_t)bundle->vocab_size, r = (size_t)t->rank;
  t->most_shrink = 1;
  for (int32_t i = 0; i < bundle->items; i++) {
    const size_t token = (size_t)(bundle->first_item + i);
    double sum = 0, before, after = 1;
    for (size_t k = 0; k < r; k++) sum += (double)t->a[k * V + token] * (double)t->a[k * V + token];
    if (t->shrink != NULL) {
      lengths(bundle, t, b, s, token, &before, &after);
      t->shrink[i] = (float)(before / after);
      t->inverse[i] = (float)(1 / after);
      t->most_shrink = fmax(t->most_shrink, before / after);
    }
    t->longest = fmax(t->longest, sqrt(sum) / after);
  }
}

static souk_status make_room(adapted_table *t, const souk_bundle *bundle, float **room, souk_error *e) {
  const size_t H = (size_t)bundle->hidden, r = (size_t)t->rank, I = (size_t)bundle->items;
  const size_t up = gemm_packed_size(H, r), down = gemm_packed_size(r, H);
  PASS(infer_alloc(&t->up, up, sizeof *t->up, "an adapter", e));
  PASS(infer_alloc(&t->down, down, sizeof *t->down, "an adapter", e));
  t->bytes = sizeof *t + (up + down + (size_t)bundle->vocab_size * r) * sizeof(float);
  if (bundle->cosine) {
    PASS(infer_alloc(&t->shrink, I + 1, sizeof *t->shrink, "an adapter", e));
    PASS(infer_alloc(&t->inverse, I + 1, sizeof *t->inverse, "an adapter", e));
    t->bytes += 2 * (I + 1) * sizeof(float);
  }
  return infer_alloc(room, H * r, sizeof **room, "an adapter", e);
}

souk_status adapted_table_new(adapted_table **out, const souk_bundle *bundle, float *a, const float *b,
                              double s, int32_t rank, souk_error *e) {
  float *room = NULL;
  adapted_table *t;
  *out = NULL;
  souk_status rc = infer_alloc(&t, 1, sizeof *t, "an adapter", e);
  if (rc != SOUK_OK) {
    free(a);
    return rc;
  }
  t->rank = rank;
  t->a = a;
  rc = make_room(t, bundle, &room, e);
  if (rc == SOUK_OK) {
    pack_factors(t, b, s, (size_t)bundle->hidden, room);
    measure(t, bundle, b, s);
    *out = t;
  } else {
    adapted_table_free(t);
  }
  free(room);
  return rc;
}

void adapted_table_free(adapted_table *t) {
  if (t == NULL) return;
  free(t->a);
  free(t->up);
  free(t->down);
  free(t->shrink);
  free(t->inverse);
  free(t);
}

size_t adapted_table_bytes(const adapted_table *t) {
  return t != NULL ? t->bytes : 0;
}

int32_t adapted_table_rank(const adapted_table *t) {
  return t != NULL ? t->rank : 0;
}

// ---- lookups -------------------------------------------------------------------------------------------------

void add_packed_product(const float *a, size_t k, const float *b, float *c, size_t c_row, size_t m,
                        size_t n) {
  const simd_gemm p = {.m = m,
                       .n = n,
                       .k = k,
                       .a = a,
                       .a_row = k,
                       .a_step = 1,
                       .b = b,
                       .packed = true,
                       .add = true,
                       .c = c,
                       .c_row = c_row};
  simd()->gemm(&p);
}

void adapted_table_rows(const souk_bundle *bundle, const adapted_table *t, const int32_t *tokens, size_t n,
                        float *low, float *x) {
  const size_t H = (size_t)bundle->hidden, V = (size_t)bundle->vocab_size, r = (size_t)t->rank;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < r; k++) low[i * r + k] = t->a[k * V + (size_t)tokens[i]];
  add_packed_product(low, r, t->up, x, H, n, H);
}

// ---- scores --------------------------------------------------------------------------------------------------

double adapted_table_low(const souk_bundle *bundle, const adapted_table *t, const float *u, float *low) {
  const size_t H = (size_t)bundle->hidden, r = (size_t)t->rank;
  simd()->gemm_packed(u, (size_t)bundle->width, t->down, NULL, low, r, 1, r, H);
  const double length = sqrt(simd()->sum_squares(u, (size_t)bundle->width)),
               of_low = sqrt(simd()->sum_squares(low, r));
  return length * bundle->longest_item * t->most_shrink + of_low * t->longest;
}

// sums [n] = low . a of the items.
static void dots(const souk_bundle *bundle, const adapted_table *t, const float *low, const int32_t *ids,
                 int32_t first, size_t n, float *sums) {
  enum { RANKS = 16 };
  const size_t V = (size_t)bundle->vocab_size, r = (size_t)t->rank;
  float part[RANKS * ADAPTED_BLOCK];
  memset(sums, 0, n * sizeof *sums);
  for (size_t k = 0; k < r; k += RANKS) {
    const size_t ranks = r - k < RANKS ? r - k : RANKS;
    const float *rows = t->a + k * V + (size_t)bundle->first_item;
    for (size_t p = 0; ids != NULL && p < ranks; p++)
      for (size_t i = 0; i < n; i++) part[p * n + i] = rows[p * V + (size_t)ids[i]];
    const simd_gemm g = {.m = 1,
                         .n = n,
                         .k = ranks,
                         .a = low + k,
                         .a_row = ranks,
                         .a_step = 1,
                         .b = ids != NULL ? part : rows + first,
                         .b_row = ids != NULL ? n : V,
                         .add = true,
                         .c = sums,
                         .c_row = n};
    simd()->gemm(&g);
  }
}

static float bias_of(const souk_bundle *bundle, int32_t item) {
  const size_t W = (size_t)bundle->width;
  float bias;
  memcpy(&bias, bundle->item_rows + ((size_t)item * W + W - 1) * sizeof bias, sizeof bias);
  return bias;
}

void adapted_table_scores(const souk_bundle *bundle, const adapted_table *t, const float *u, const float *low,
                          const int32_t *ids, int32_t first, int32_t n, float *scores) {
  float sums[ADAPTED_BLOCK];
  dots(bundle, t, low, ids, first, (size_t)n, sums);
  if (t->shrink == NULL) {
    simd()->add(sums, scores, (size_t)n);
    return;
  }
  const float last = u[bundle->width - 1];
  for (int32_t i = 0; i < n; i++) {
    const int32_t item = ids != NULL ? ids[i] : first + i;
    const float bias = last * bias_of(bundle, item);
    scores[i] = (scores[i] - bias) * t->shrink[item] + sums[i] * t->inverse[item] + bias;
  }
}

void adapted_table_item(const souk_bundle *bundle, const adapted_table *t, int32_t item, float *low,
                        float *v) {
  const size_t H = (size_t)bundle->hidden;
  const int32_t token = bundle->first_item + item;
  if (t->shrink != NULL) memcpy(v, bundle->word + (size_t)token * H, H * sizeof *v);
  adapted_table_rows(bundle, t, &token, 1, low, v);
  if (t->shrink != NULL) simd()->scale(t->inverse[item], v, H);
}

void adapted_table_words(const souk_bundle *bundle, const adapted_table *t, const float *y, size_t n,
                         float *low, float *logits) {
  const size_t H = (size_t)bundle->hidden, V = (size_t)bundle->vocab_size, r = (size_t)t->rank;
  simd()->gemm_packed(y, H, t->down, NULL, low, r, 1, r, H);
  for (size_t k = 0; k < r; k++) simd()->axpy(low[k], t->a + k * V, logits, n);
}
