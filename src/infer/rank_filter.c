// The filters of a call; see rank_filter.h.
#include "infer/rank_filter.h"

#include <stdlib.h>
#include <string.h>
#include "simd/simd.h"

void gather_packed(const souk_bundle *b, const int32_t *ids, int32_t n, float *rows, float *packed) {
  const size_t W = (size_t)b->width;
  for (int32_t i = 0; i < n; i += 16) {
    const int32_t count = n - i < 16 ? n - i : 16;
    for (int32_t j = 0; j < count; j++)
      memcpy(rows + (size_t)j * W, b->item_rows + (size_t)ids[i + j] * W * sizeof(float), W * sizeof(float));
    gemm_pack(rows, W, (size_t)count, W, packed + (size_t)i * W);
  }
}

static souk_status small_table(call_filter *f, const souk_bundle *b, int32_t count, souk_error *e) {
  const size_t W = (size_t)b->width;
  float *rows = NULL;
  PASS(infer_alloc(&f->ids, (size_t)count, sizeof *f->ids, "allowed items", e));
  PASS(infer_alloc(&f->packed, gemm_packed_size((size_t)count, W), sizeof *f->packed, "allowed items", e));
  PASS(infer_alloc(&rows, 16 * W, sizeof *rows, "allowed items", e));
  int32_t n = 0;
  for (int32_t i = 0; i < b->items; i++)
    if (!filter_denies(f, i)) f->ids[n++] = i;
  gather_packed(b, f->ids, n, rows, f->packed);
  free(rows);
  f->table = (item_table){f->packed, f->ids, n};
  return SOUK_OK;
}

void filter_free(call_filter *f) {
  free(f->denied);
  free(f->ids);
  free(f->packed);
}

souk_status filter_make(call_filter *f, const souk_bundle *b, const souk_rank_options *o, souk_error *e) {
  *f = (call_filter){.table = {b->packed_items, NULL, b->items}};
  if (o->allow == NULL && o->n_deny == 0) return SOUK_OK;
  const size_t bytes = (size_t)b->items / 8 + 1;
  PASS(infer_alloc(&f->denied, bytes, 1, "a filter", e));
  if (o->allow != NULL) memset(f->denied, 0xff, bytes);
  for (size_t i = 0; o->allow != NULL && i < o->n_allow; i++)
    if (o->allow[i] >= 0) f->denied[o->allow[i] / 8] &= (uint8_t) ~(1u << o->allow[i] % 8);
  for (size_t i = 0; i < o->n_deny; i++)
    if (o->deny[i] >= 0) f->denied[o->deny[i] / 8] |= (uint8_t)(1u << o->deny[i] % 8);
  int32_t count = 0;
  for (int32_t i = 0; i < b->items; i++) count += !filter_denies(f, i);
  return count < b->items / 8 ? small_table(f, b, count, e) : SOUK_OK;
}
