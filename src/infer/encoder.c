// The encoder's forward pass over a chunk; see encoder.h.
//
// Where one row of each sequence is asked, the last layer does less work than in training: that row's query,
// projection, feed-forward part and norms are computed, and only keys and values for all rows. Biases are added by the
// matmuls; the attention's scale is part of the weights.
//
// Every row is computed in the same way wherever it is in a chunk (see gemm_packed in simd.h), so an answer has the
// same bits in a batch of any size.
#include "infer/encoder.h"

#include <math.h>
#include <string.h>
#include "infer/encode.h"
#include "infer/workspace.h"

enum { CHUNK_FLOATS = 131072, CHUNK_MIN = 128, CHUNK_MAX = 1024, QUERY_ROWS = 48 };

// ---- layers --------------------------------------------------------------------------------------------------

// y = norm(x) of n rows.
static void norm_rows(const chunk *c, const float *x, const float *w, const float *bias, float *y, size_t n) {
  const size_t H = (size_t)c->b->hidden;
  for (size_t i = 0; i < n; i++) c->k->norm_row(x + i * H, w, bias, c->b->eps, y + i * H, NULL, NULL, H);
}

// stream += branch; x = norm(stream), where post-norm's stream is x itself.
static void add_and_norm(const chunk *c, const float *w, const float *bias, size_t n) {
  const size_t H = (size_t)c->b->hidden;
  for (size_t i = 0; i < n; i++) {
    c->k->add(c->branch + i * H, c->stream + i * H, H);
    c->k->norm_row(c->stream + i * H, w, bias, c->b->eps, c->x + i * H, NULL, NULL, H);
  }
}

static void gelu(const chunk *c, float *x, size_t rows, size_t n) {
  void (*const f)(const float *, float *, size_t) = c->b->erf ? c->k->gelu_erf : c->k->gelu_tanh;
  for (size_t i = 0; i < rows; i++) f(x + i * n, x + i * n, n);
}

// Softmax of each row without the division; *sums gets the divisors.
static void exponentials(const chunk *c, float *scores, size_t stride, size_t rows, size_t n, float *sums) {
  for (size_t i = 0; i < rows; i++) {
    float *s = scores + i * stride;
    sums[i] = c->k->exp_sum(s, c->k->max(s, n), n);
  }
}

// How many of a sequence's n rows its row i sees.
static size_t keys_of(const chunk *c, int32_t sequence, size_t i, size_t n) {
  const size_t prefix = (size_t)c->prefix[sequence];
  if (prefix > 0) return i < prefix ? prefix : i + 1;
  return c->b->layout.asks == ASKS_MASKED ? n : i + 1;
}

// Attention of all tokens of a sequence, one head: context = softmax(q k^T) v. Where a row sees none behind it, its scores end
// where it is, and are 0 behind that.
static void attend(const chunk *c, int32_t sequence, int32_t head) {
  const size_t H = (size_t)c->b->hidden, D = (size_t)c->b->head_size, at = (size_t)head * D;
  const size_t begin = (size_t)c->begin[sequence], n = (size_t)c->begin[sequence + 1] - begin;
  const size_t wide = (n + PANEL - 1) / PANEL * PANEL; // keys, rounded up to whole panels (filled with zeros)
  const float *q = c->qkv + begin * 3 * H + at;
  float *out = c->context + begin * H + at, sums[QUERY_ROWS];
  gemm_pack(q + H, 3 * H, n, D, c->keys);
  gemm_pack_rows(q + 2 * H, 3 * H, D, n, c->values);
  for (size_t i = 0; i < n; i += QUERY_ROWS) {
    const size_t rows = n - i < QUERY_ROWS ? n - i : QUERY_ROWS;
    c->k->gemm_packed(q + i * 3 * H, 3 * H, c->keys, NULL, c->scores, wide, rows, wide, D);
    for (size_t r = 0; r < rows; r++) {
      const size_t keys = keys_of(c, sequence, i + r, n);
      exponentials(c, c->scores + r * wide, wide, 1, keys, &sums[r]);
      memset(c->scores + r * wide + keys, 0, (n - keys) * sizeof *c->scores);
    }
    c->k->gemm_packed(c->scores, wide, c->values, NULL, out + i * H, H, rows, D, n);
    for (size_t r = 0; r < rows; r++) c->k->scale(1.0f / sums[r], out + (i + r) * H, D);
  }
}

// The same for the one query of a sequence in the last layer.
static void attend_asked(const chunk *c, int32_t sequence, int32_t head) {
  const size_t H = (size_t)c->b->hidden, D = (size_t)c->b->head_size, at = (size_t)head * D;
  const size_t begin = (size_t)c->begin[sequence];
  const size_t n =
      keys_of(c, sequence, (size_t)c->asked[sequence] - begin, (size_t)c->begin[sequence + 1] - begin);
  const float *key = c->qkv + begin * 3 * H + H + at, *q = c->q + (size_t)sequence * H + at;
  float *out = c->context + (size_t)sequence * H + at, sum;
  for (size_t i = 0; i < n; i++) c->scores[i] = c->k->dot(q, key + i * 3 * H, D);
  exponentials(c, c->scores, n, 1, n, &sum);
  memset(out, 0, D * sizeof *out);
  for (size_t i = 0; i < n; i++) c->k->axpy(c->scores[i], key + H + i * 3 * H, out, D);
  c->k->scale(1.0f / sum, out, D);
}

// Moves the rows that are asked to the front of x [.,H]. No row moves back, so none is overwritten before it is read.
static void keep_asked(const chunk *c, float *x) {
  const size_t H = (size_t)c->b->hidden;
  for (int32_t i = 0; i < c->S; i++) memmove(x + (size_t)i * H, x + (size_t)c->asked[i] * H, H * sizeof *x);
}

// Rows whose sequences have one adapter, neighbours together.
typedef struct adapted_rows {
  int32_t adapter, next; // the sequence behind them
  size_t first, n;
} adapted_rows;

// The next such rows: of all rows, or of the asked ones at the front. False: there are no more.
static bool next_adapted(const chunk *c, bool asked, adapted_rows *r) {
  int32_t s = r->next, stop;
  while (s < c->S && (c->b->adapters.n == 0 || c->adapter[s] < 0)) s++;
  if (s == c->S) return false;
  for (stop = s + 1; stop < c->S && c->adapter[stop] == c->adapter[s];) stop++;
  r->adapter = c->adapter[s];
  r->next = stop;
  r->first = (size_t)(asked ? s : c->begin[s]);
  r->n = (size_t)(asked ? stop : c->begin[stop]) - r->first;
  return true;
}

// y's rows += by [width]; NULL: nothing.
static void shift_rows(const chunk *c, const float *by, const adapted_rows *r, float *y, size_t ldy,
                       size_t width) {
  for (size_t i = 0; by != NULL && i < r->n; i++) c->k->add(by, y + (r->first + i) * ldy, width);
}

// Adds what the sequences' adapters add to a linear layer from x [.,in] to y [.,ldy]: of all rows, or of the asked ones at the
// front.
static void adapt(const chunk *c, int32_t layer, adapted_place place, const float *x, float *y, size_t ldy,
                  bool asked) {
  const souk_bundle *b = c->b;
  const size_t H = (size_t)b->hidden, F = (size_t)b->intermediate;
  const size_t in = place == ADAPTED_FFN2 ? F : H, out = place == ADAPTED_FFN1 ? F : H;
  adapted_rows r = {.next = 0};
  while (next_adapted(c, asked, &r)) {
    const adapted_layer *l = adapter_at(&b->adapters, r.adapter, layer, place);
    shift_rows(c, adapter_shift(&b->adapters, r.adapter, layer, (int)place), &r, y, ldy, out);
    if (l == NULL) continue;
    const size_t rank = (size_t)l->rank;
    c->k->gemm_packed(x + r.first * in, in, l->down, NULL, c->low, rank, r.n, rank, in);
    add_packed_product(c->low, rank, l->up, y + r.first * ldy, ldy, r.n, out);
  }
}

// The same of a norm, whose rows are x [.,H].
static void adapt_norm(const chunk *c, int32_t layer, int place, float *x, bool asked) {
  const size_t H = (size_t)c->b->hidden;
  adapted_rows r = {.next = 0};
  while (next_adapted(c, asked, &r))
    shift_rows(c, adapter_shift(&c->b->adapters, r.adapter, layer, place), &r, x, H, H);
}

static void shift_whole_rows(const chunk *c, shift_whole which, float *x, size_t width, bool asked) {
  adapted_rows r = {.next = 0};
  while (next_adapted(c, asked, &r))
    shift_rows(c, adapter_shift_whole(&c->b->adapters, r.adapter, which), &r, x, width, width);
}

void chunk_shift(const chunk *c, shift_whole which, float *x, size_t width) {
  shift_whole_rows(c, which, x, width, true);
}

// x [n,H] += up(act(down(x))).
static void pass_neck(const chunk *c, const bottleneck_weights *k, float *x, size_t n) {
  const size_t H = (size_t)c->b->hidden, width = (size_t)k->width;
  if (width == 0) return;
  c->k->gemm_packed(x, H, k->down, k->down_b, c->low, width, n, width, H);
  gelu(c, c->low, n, width);
  add_packed_product(c->low, width, k->up, x, H, n, H);
  for (size_t i = 0; i < n; i++) c->k->add(k->up_b, x + i * H, H);
}

// A branch's rows go through the bundle's own bottleneck, where it has them, and each through that of its sequence's adapter.
static void pass_necks(const chunk *c, int32_t layer, neck_place place, bool asked) {
  const size_t H = (size_t)c->b->hidden;
  adapted_rows r = {.next = 0};
  pass_neck(c, &c->b->layer[layer].necks[place], c->branch, (size_t)(asked ? c->S : c->T));
  while (next_adapted(c, asked, &r)) {
    const bottleneck_weights *k = adapter_neck_at(&c->b->adapters, r.adapter, layer, place);
    if (k != NULL) pass_neck(c, k, c->branch + r.first * H, r.n);
  }
}

// Adds what the sequences' adapters add to the rows of the word table.
static void adapt_table(const chunk *c) {
  adapted_rows r = {.next = 0};
  while (next_adapted(c, false, &r)) {
    const adapted_table *t = adapter_table(&c->b->adapters, r.adapter);
    if (t != NULL)
      adapted_table_rows(c->b, t, c->ids + r.first, r.n, c->low, c->stream + r.first * (size_t)c->b->hidden);
  }
}

static void embed(const chunk *c) {
  const souk_bundle *b = c->b;
  const size_t H = (size_t)b->hidden;
  for (int32_t i = 0; i < c->T; i++)
    memcpy(c->stream + (size_t)i * H, b->word + (size_t)c->ids[i] * H, H * sizeof *c->stream);
  adapt_table(c);
  for (int32_t i = 0; i < c->T; i++) {
    float *x = c->stream + (size_t)i * H;
    c->k->add(b->type + (size_t)c->types[i] * H, x, H);
    c->k->add(b->position + (size_t)c->positions[i] * H, x, H);
    c->k->norm_row(x, b->emb_norm_w, b->emb_norm_b, b->eps, x, NULL, NULL, H);
  }
  shift_whole_rows(c, SHIFT_EMBEDDING, c->stream, H, false);
}

static void attend_rows(const chunk *c, int32_t layer, bool asked) {
  if (c->attend != NULL) {
    c->attend(c->arg, c, layer);
    return;
  }
  for (int32_t s = 0; s < c->S; s++)
    for (int32_t a = 0; a < c->b->heads; a++) {
      if (asked)
        attend_asked(c, s, a);
      else
        attend(c, s, a);
    }
}

// Layer i over all tokens. `asked`: only the row that is asked of each sequence is left, at the front of x.
static void run_layer(const chunk *c, int32_t i, bool asked) {
  const souk_bundle *b = c->b;
  const layer_weights *w = &b->layer[i];
  const size_t H = (size_t)b->hidden, F = (size_t)b->intermediate, T = (size_t)c->T;
  size_t rows = T;
  c->k->gemm_packed(c->x, H, w->kv, w->kv_b, c->qkv + H, 3 * H, T, 2 * H, H);
  adapt(c, i, ADAPTED_KEY, c->x, c->qkv + H, 3 * H, false);
  adapt(c, i, ADAPTED_VALUE, c->x, c->qkv + 2 * H, 3 * H, false);
  if (c->keep != NULL) c->keep(c->arg, c, i);
  if (asked) {
    rows = (size_t)c->S;
    keep_asked(c, c->x);
    if (c->stream != c->x) keep_asked(c, c->stream);
    c->k->gemm_packed(c->x, H, w->q, w->q_b, c->q, H, rows, H, H);
    adapt(c, i, ADAPTED_QUERY, c->x, c->q, H, true);
  } else {
    c->k->gemm_packed(c->x, H, w->q, w->q_b, c->qkv, 3 * H, T, H, H);
    adapt(c, i, ADAPTED_QUERY, c->x, c->qkv, 3 * H, false);
  }
  attend_rows(c, i, asked);
  c->k->gemm_packed(c->context, H, w->out, w->out_b, c->branch, H, rows, H, H);
  adapt(c, i, ADAPTED_PROJECTION, c->context, c->branch, H, asked);
  pass_necks(c, i, NECK_ATTENTION, asked);
  if (b->pre_norm)
    add_and_norm(c, w->norm2_w, w->norm2_b, rows);
  else
    add_and_norm(c, w->norm1_w, w->norm1_b, rows);
  adapt_norm(c, i, b->pre_norm ? SHIFT_NORM2 : SHIFT_NORM1, c->x, asked);
  c->k->gemm_packed(c->x, H, w->ffn1, w->ffn1_b, c->ffn, F, rows, F, H);
  adapt(c, i, ADAPTED_FFN1, c->x, c->ffn, F, asked);
  gelu(c, c->ffn, rows, F);
  c->k->gemm_packed(c->ffn, F, w->ffn2, w->ffn2_b, c->branch, H, rows, H, F);
  adapt(c, i, ADAPTED_FFN2, c->ffn, c->branch, H, asked);
  pass_necks(c, i, NECK_FFN, asked);
  if (!b->pre_norm)
    add_and_norm(c, w->norm2_w, w->norm2_b, rows);
  else if (i + 1 == b->layers)
    add_and_norm(c, b->final_norm_w, b->final_norm_b, rows);
  else
    add_and_norm(c, w[1].norm1_w, w[1].norm1_b, rows);
  if (!b->pre_norm)
    adapt_norm(c, i, SHIFT_NORM2, c->x, asked);
  else if (i + 1 == b->layers)
    shift_whole_rows(c, SHIFT_FINAL, c->x, H, asked);
  else
    adapt_norm(c, i + 1, SHIFT_NORM1, c->x, false);
}

// ---- chunks --------------------------------------------------------------------------------------------------

// Pointers into the area for T tokens in S sequences of at most `longest`; with a NULL area, only the size.
static size_t lay_out(chunk *c, area *a, size_t T, size_t S, size_t longest) {
  const souk_bundle *b = c->b;
  const size_t H = (size_t)b->hidden, F = (size_t)b->intermediate, D = (size_t)b->head_size;
  const size_t wide = (longest + PANEL - 1) / PANEL * PANEL;
  const struct {
    void *where;
    size_t count;
  } pieces[] = {
      {&c->ids, T},
      {&c->types, T},
      {&c->positions, T},
      {&c->adapter, S},
      {&c->low, T * (size_t)b->adapters.most_inner},
      {&c->begin, S + 1},
      {&c->asked, S},
      {&c->prefix, S},
      {&c->tokens, (size_t)b->max_history},
      {&c->events, ((size_t)b->max_history + 3) / 4},
      {&c->stream, T * H},
      {&c->x, b->pre_norm ? T * H : 0},
      {&c->qkv, T * 3 * H},
      {&c->context, T * H},
      {&c->branch, T * H},
      {&c->ffn, T * F},
      {&c->q, S * H},
      {&c->keys, gemm_packed_size(longest, D)},
      {&c->values, gemm_packed_size(D, longest)},
      {&c->scores, QUERY_ROWS * wide},
  };
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    bytes += area_size(pieces[i].count, sizeof(float));
    if (a == NULL) continue;
    void *p = area_take(a, pieces[i].count, sizeof(float));
    memcpy(pieces[i].where, &p, sizeof p);
  }
  if (a != NULL && !b->pre_norm) c->x = c->stream;
  return bytes;
}

size_t chunk_bytes(const chunk *c) {
  chunk sizes = *c;
  return lay_out(&sizes, NULL, (size_t)c->most_T, (size_t)c->most_S, (size_t)c->longest);
}

void chunk_open(chunk *c, area *scratch) {
  lay_out(c, scratch, (size_t)c->most_T, (size_t)c->most_S, (size_t)c->longest);
  c->T = c->S = 0;
  c->begin[0] = 0;
}

void chunk_run(const chunk *c, bool all) {
  const souk_bundle *b = c->b;
  embed(c);
  if (b->pre_norm) {
    norm_rows(c, c->stream, b->layer[0].norm1_w, b->layer[0].norm1_b, c->x, (size_t)c->T);
    adapt_norm(c, 0, SHIFT_NORM1, c->x, false);
  }
  for (int32_t i = 0; i < b->layers; i++) run_layer(c, i, !all && i + 1 == b->layers);
}

souk_status chunks_run(const chunk_job *j, area *scratch, size_t n, souk_error *e) {
  int32_t budget = CHUNK_FLOATS / j->b->intermediate;
  budget = budget < CHUNK_MIN ? CHUNK_MIN : budget > CHUNK_MAX ? CHUNK_MAX : budget;
  for (size_t i = 0, stop; i < n; i = stop) {
    int32_t tokens = 0, longest = 0;
    for (stop = i; stop < n; stop++) {
      const int32_t length = j->longest(j->arg, stop);
      if (stop > i && tokens + length > budget) break;
      tokens += length;
      if (length > longest) longest = length;
    }
    chunk c = {.b = j->b,
               .k = simd(),
               .most_T = tokens,
               .most_S = (int32_t)(stop - i),
               .longest = longest,
               .keep = j->keep,
               .arg = j->arg};
    PASS(area_reserve(scratch, chunk_bytes(&c), e));
    chunk_open(&c, scratch);
    for (size_t s = i; s < stop; s++) PASS(j->add(j->arg, &c, s, e));
    chunk_run(&c, j->all);
    j->done(j->arg, &c, i);
  }
  return SOUK_OK;
}

souk_status chunk_room(const chunk *c, int32_t n, souk_error *e) {
  if (n <= c->longest && n <= c->most_T - c->T && c->S < c->most_S) return SOUK_OK;
  return infer_fail(e, SOUK_ERR_FORMAT, "%s: a sequence has %d tokens, where there is room for %d of %d",
                    c->b->dir, n, c->most_T - c->T, c->longest);
}

souk_status chunk_add(chunk *c, const int32_t *ids, const int32_t *types, int32_t n, int32_t asked,
                      souk_error *e) {
  PASS(chunk_room(c, n, e));
  memcpy(c->ids + c->T, ids, (size_t)n * sizeof *ids);
  memcpy(c->types + c->T, types, (size_t)n * sizeof *types);
  sequence_positions(&c->b->layout, n, c->positions + c->T);
  chunk_added(c, n, asked);
  return SOUK_OK;
}

void chunk_added(chunk *c, int32_t n, int32_t asked) {
  c->asked[c->S] = c->T + asked;
  c->adapter[c->S] = -1;
  c->prefix[c->S] = 0;
  c->T += n;
  c->begin[++c->S] = c->T;
}

// ---- the head ------------------------------------------------------------------------------------------------

double length_of(const float *u, size_t n) {
  return sqrt(simd()->sum_squares(u, n));
}

void chunk_user_vectors(const chunk *c, float *u) {
  const souk_bundle *b = c->b;
  const size_t H = (size_t)b->hidden, W = (size_t)b->width, S = (size_t)c->S;
  const float *scored = c->x;
  if (!b->plain) {
    c->k->gemm_packed(c->x, H, b->mlm, b->mlm_b, c->branch, H, S, H, H);
    chunk_shift(c, SHIFT_HEAD, c->branch, H);
    gelu(c, c->branch, S, H);
    norm_rows(c, c->branch, b->mlm_norm_w, b->mlm_norm_b, c->branch, S);
    chunk_shift(c, SHIFT_HEAD_NORM, c->branch, H);
    scored = c->branch;
  }
  for (size_t i = 0; i < S; i++) {
    float *to = u + i * W;
    memcpy(to, scored + i * H, H * sizeof *to);
    double factor = b->inv_temperature_wide;
    if (b->cosine) {
      const double norm = length_of(to, H);
      factor /= norm > 1e-6 ? norm : 1e-6;
    }
    c->k->scale((float)factor, to, H);
    to[H] = 1.0f;
  }
}
