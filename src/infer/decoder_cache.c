// The key-value cache; see decoder_cache.h.
#include "infer/decoder_cache.h"

#include <stdlib.h>
#include <string.h>

typedef struct step {
  copy_cache *cache;
  const copy_row *rows;
  int32_t n;
} step;

// ---- memory --------------------------------------------------------------------------------------------------

static size_t keys_floats(const copy_cache *c) {
  return gemm_packed_size((size_t)c->longest, (size_t)c->b->head_size);
}
static size_t values_floats(const copy_cache *c) {
  return gemm_packed_size((size_t)c->b->head_size, (size_t)c->longest);
}
static size_t source_floats(const copy_cache *c) { // of a seat
  return (size_t)c->b->layers * (size_t)c->b->heads * (keys_floats(c) + values_floats(c));
}
static size_t copy_floats(const copy_cache *c) { // of a seat
  return (size_t)c->b->layers * (size_t)c->copy_rows * (size_t)c->width * 2 * (size_t)c->b->hidden;
}

static float *keys_at(const copy_cache *c, int32_t seat, int32_t layer, int32_t head) {
  const size_t heads = (size_t)layer * (size_t)c->b->heads + (size_t)head;
  return c->sources + (size_t)seat * source_floats(c) + heads * (keys_floats(c) + values_floats(c));
}

// Key and value of the row that was computed as token `at` in place `place`.
static float *pair_at(const copy_cache *c, int32_t layer, int32_t seat, int32_t at, int32_t place) {
  const size_t seats = (size_t)layer * (size_t)c->seats + (size_t)seat;
  const size_t row = (seats * (size_t)c->copy_rows + (size_t)at) * (size_t)c->width + (size_t)place;
  return c->copies + row * 2 * (size_t)c->b->hidden;
}

static copy_cache sizes_of(const souk_bundle *b, int32_t seats, int32_t width, int32_t copy_rows) {
  const int32_t most = b->layout.max_positions;
  return (copy_cache){.b = b,
                      .seats = seats,
                      .width = width,
                      .copy_rows = copy_rows > 0 ? copy_rows : 1,
                      .longest = (most + PANEL - 1) / PANEL * PANEL};
}

size_t copy_seat_bytes(const souk_bundle *b, int32_t width, int32_t copy_rows) {
  const copy_cache c = sizes_of(b, 1, width, copy_rows);
  return (source_floats(&c) + copy_floats(&c)) * sizeof(float);
}

souk_status copy_cache_open(copy_cache *c, const souk_bundle *b, int32_t seats, int32_t width,
                            int32_t copy_rows, souk_error *e) {
  *c = sizes_of(b, seats, width, copy_rows);
  const size_t sources = (size_t)seats * source_floats(c), copies = (size_t)seats * copy_floats(c);
  const size_t scores = (size_t)width * (size_t)(c->longest + c->copy_rows);
  const size_t floats = sources + copies + scores + PANEL;
  PASS(infer_alloc(&c->source, (size_t)seats, sizeof *c->source, "a cache", e));
  c->memory = aligned_alloc(64, (floats + PANEL - 1) / PANEL * PANEL * sizeof(float));
  if (c->memory == NULL)
    return infer_fail(e, SOUK_ERR_MEMORY, "out of memory: %zu bytes for keys and values",
                      floats * sizeof(float));
  c->sources = c->memory;
  c->copies = c->sources + sources;
  c->scores = c->copies + copies;
  return SOUK_OK;
}

void copy_cache_close(copy_cache *c) {
  free(c->source);
  free(c->memory);
  *c = (copy_cache){.seats = 0};
}

// ---- the source ----------------------------------------------------------------------------------------------

void copy_cache_keep(copy_cache *c, const chunk *from, int32_t layer, int32_t sequence, int32_t seat) {
  const size_t H = (size_t)c->b->hidden, D = (size_t)c->b->head_size;
  const size_t begin = (size_t)from->begin[sequence], n = (size_t)from->begin[sequence + 1] - begin;
  const float *row = from->qkv + begin * 3 * H + H;
  c->source[seat] = (int32_t)n;
  for (int32_t a = 0; a < c->b->heads; a++) {
    float *keys = keys_at(c, seat, layer, a);
    gemm_pack(row + (size_t)a * D, 3 * H, n, D, keys);
    gemm_pack_rows(row + H + (size_t)a * D, 3 * H, D, n, keys + keys_floats(c));
  }
}

// ---- a step --------------------------------------------------------------------------------------------------

// Where the key and value lie of token t that row r has behind it, or that is itself.
static const float *seen(const copy_cache *c, const copy_row *r, int32_t layer, int32_t t) {
  return pair_at(c, layer, r->seat, t, t < r->at ? r->places[t] : r->place);
}

static void cover(const copy_cache *c, const copy_row *r, const float *weights, float sum) {
  if (r->coverage != NULL)
    simd()->axpy(1 / (sum * (float)c->b->heads), weights, r->coverage, (size_t)c->source[r->seat]);
}

// One head of the n rows of a seat: scores of the source are one product, those of the copy a row's own.
static void attend_head(const copy_cache *c, const chunk *k, const copy_row *rows, size_t first, size_t n,
                        int32_t layer, int32_t head) {
  const size_t H = (size_t)c->b->hidden, D = (size_t)c->b->head_size, at = (size_t)head * D;
  const size_t source = (size_t)c->source[rows->seat], wide = (size_t)(c->longest + c->copy_rows);
  const float *q = k->qkv + first * 3 * H + at, *keys = keys_at(c, rows->seat, layer, head);
  float *out = k->context + first * H + at, sums[COPY_WIDTH_MAX] = {0};
  k->k->gemm_packed(q, 3 * H, keys, NULL, c->scores, wide, n, source, D);
  for (size_t i = 0; i < n; i++) {
    float *s = c->scores + i * wide;
    const size_t all = source + (size_t)rows[i].at + 1;
    for (int32_t t = 0; t <= rows[i].at; t++)
      s[source + (size_t)t] = k->k->dot(q + i * 3 * H, seen(c, &rows[i], layer, t) + at, D);
    sums[i] = k->k->exp_sum(s, k->k->max(s, all), all);
    if (layer + 1 == c->b->layers) cover(c, &rows[i], s, sums[i]);
  }
  k->k->gemm_packed(c->scores, wide, keys + keys_floats(c), NULL, out, H, n, D, source);
  for (size_t i = 0; i < n; i++) {
    const float *s = c->scores + i * wide + source;
    for (int32_t t = 0; t <= rows[i].at; t++)
      k->k->axpy(s[t], seen(c, &rows[i], layer, t) + H + at, out + i * H, D);
    k->k->scale(1 / sums[i], out + i * H, D);
  }
}

static void attend_cached(void *arg, const chunk *k, int32_t layer) {
  const step *s = arg;
  const copy_cache *c = s->cache;
  const size_t H = (size_t)c->b->hidden;
  for (int32_t i = 0; i < s->n; i++)
    memcpy(pair_at(c, layer, s->rows[i].seat, s->rows[i].at, s->rows[i].place),
           k->qkv + (size_t)i * 3 * H + H, 2 * H * sizeof(float));
  for (int32_t i = 0, stop; i < s->n; i = stop) {
    for (stop = i + 1; stop < s->n && s->rows[stop].seat == s->rows[i].seat;) stop++;
    for (int32_t a = 0; a < c->b->heads; a++)
      attend_head(c, k, s->rows + i, (size_t)i, (size_t)(stop - i), layer, a);
  }
}

void copy_cache_step(copy_cache *cache, chunk *c, const copy_row *rows, int32_t n) {
  step s = {.cache = cache, .rows = rows, .n = n};
  c->T = c->S = 0;
  for (int32_t i = 0; i < n; i++) {
    c->ids[i] = rows[i].tokens[rows[i].at];
    c->types[i] = rows[i].type;
    c->positions[i] = rows[i].position;
    chunk_added(c, 1, 0);
    c->adapter[i] = rows[i].adapter;
  }
  c->attend = attend_cached;
  c->arg = &s;
  chunk_run(c, true);
  c->attend = NULL;
  c->arg = NULL;
}
