// The encoder forward and backward over one sequence; see gradient.h.
//
// The forward pass keeps what the backward pass needs and cannot make again cheaply: of each layer q, k and v, the inputs of
// both norms with their statistics, and the feed-forward part before its activation. Attention's probabilities are made again,
// QUERY_ROWS rows at a time. Weights have no gradients here, so every product of the backward pass is one with a matrix
// as it lies in rows: dx = dy W.
//
// What an adapter adds to a linear layer is linear too: its way back is dx += (dy B) A. A bottleneck keeps what is before its
// activation; the bundle's own comes first, and the adapter's behind it.
//
// Of the last layer only the row that is asked is computed, as in encoder.c: `first` and `rows` say which rows a layer has.
#include "infer/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "infer/encode.h"
#include "infer/workspace.h"

enum { QUERY_ROWS = 48 };

// What a layer keeps. first_norm is the one of the attention, second_norm that of the feed-forward part, before or after them.
typedef struct norm_tape {
  float *x, *mean, *rstd; // [T,H] its input, [T], [T]
} norm_tape;

typedef struct layer_tape {
  float *qkv, *ffn; // [T,3H], [T,F]
  norm_tape first_norm, second_norm;
  float *neck[NECK_PLACES][NECKS]; // [T,width] each, before the activation
} layer_tape;

struct gradient {
  const souk_bundle *b;
  const row_weights *w;
  const simd_table *k;
  size_t T, asked;
  layer_tape *layer; // [L]
  norm_tape embedding, final;
  float *x, *branch, *context, *hidden; // [T,H], [T,H], [T,H], [T,F]
  float *dqkv, *dcontext;               // [T,3H], [T,H]
  float *low, *dbranch;                 // [T, the largest rank or width], [T,H] of bottlenecks
  float *packed, *p, *dp;               // [T,D] packed, [QUERY_ROWS,T] each, rows rounded up to panels
  float *head, *head_act, *u,
      *unused; // [H] each: the head's linear output and activation; u before scaling; dgamma, dbeta
  float head_mean, head_rstd;
  double length; // of u before scaling, for cosine scores
  area room;
};

// ---- room ----------------------------------------------------------------------------------------------------

typedef struct carver {
  area *room; // NULL: only the size is wanted
  size_t bytes;
} carver;

static void carve(carver *c, float **where, size_t floats) {
  c->bytes += area_size(floats, sizeof(float));
  if (c->room != NULL) *where = area_take(c->room, floats, sizeof(float));
}

static void carve_norm(carver *c, norm_tape *t, size_t T, size_t H) {
  carve(c, &t->x, T * H);
  carve(c, &t->mean, T);
  carve(c, &t->rstd, T);
}

static size_t lay_out(gradient *g, area *room) {
  const souk_bundle *b = g->b;
  const size_t H = (size_t)b->hidden, F = (size_t)b->intermediate, T = g->T;
  const size_t wide = (T + PANEL - 1) / PANEL * PANEL;
  carver c = {.room = room};
  for (int32_t i = 0; i < b->layers; i++) {
    carve(&c, &g->layer[i].qkv, T * 3 * H);
    carve(&c, &g->layer[i].ffn, T * F);
    carve_norm(&c, &g->layer[i].first_norm, T, H);
    carve_norm(&c, &g->layer[i].second_norm, T, H);
    for (int p = 0; p < NECK_PLACES * NECKS; p++) {
      const bottleneck_weights *k = row_neck(g->w, b, i, p / NECKS, p % NECKS);
      if (k != NULL) carve(&c, &g->layer[i].neck[p / NECKS][p % NECKS], T * (size_t)k->width);
    }
  }
  carve(&c, &g->low, T * (size_t)b->adapters.most_inner);
  carve(&c, &g->dbranch, T * H);
  carve_norm(&c, &g->embedding, T, H);
  carve_norm(&c, &g->final, T, H);
  float **const rows[] = {&g->x, &g->branch, &g->context, &g->dcontext};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) carve(&c, rows[i], T * H);
  carve(&c, &g->hidden, T * F);
  carve(&c, &g->dqkv, T * 3 * H);
  carve(&c, &g->packed, gemm_packed_size(T, (size_t)b->head_size));
  carve(&c, &g->p, QUERY_ROWS * wide);
  carve(&c, &g->dp, QUERY_ROWS * wide);
  float **const vectors[] = {&g->head, &g->head_act, &g->u};
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) carve(&c, vectors[i], H);
  carve(&c, &g->unused, 2 * H);
  return c.bytes;
}

souk_status gradient_new(gradient **out, const souk_bundle *b, const row_weights *w, int32_t T, int32_t asked,
                         souk_error *e) {
  gradient *g;
  *out = NULL;
  PASS(infer_alloc(&g, 1, sizeof *g, "an explanation", e));
  *g = (gradient){.b = b, .w = w, .k = simd(), .T = (size_t)T, .asked = (size_t)asked};
  souk_status rc = infer_alloc(&g->layer, (size_t)b->layers, sizeof *g->layer, "an explanation", e);
  if (rc == SOUK_OK) rc = area_reserve(&g->room, lay_out(g, NULL), e);
  if (rc == SOUK_OK) {
    lay_out(g, &g->room);
    *out = g;
  } else {
    gradient_free(g);
  }
  return rc;
}

void gradient_free(gradient *g) {
  if (g == NULL) return;
  free(g->layer);
  free(g->room.memory);
  free(g);
}

// ---- pieces of both passes -----------------------------------------------------------------------------------

// Rows that a layer's query, projection, feed-forward part and norms have.
typedef struct span {
  size_t first, rows;
} span;

static span span_of(const gradient *g, int32_t layer) {
  return layer + 1 < g->b->layers ? (span){0, g->T} : (span){g->asked, 1};
}

// y = norm(x), rows of a span; x is kept.
static void norm(const gradient *g, span s, const float *x, const float *gamma, const float *beta,
                 const norm_tape *t, float *y) {
  const size_t H = (size_t)g->b->hidden;
  for (size_t i = s.first; i < s.first + s.rows; i++) {
    memcpy(t->x + i * H, x + i * H, H * sizeof *x);
    g->k->norm_row(t->x + i * H, gamma, beta, g->b->eps, y + i * H, &t->mean[i], &t->rstd[i], H);
  }
}

// dx = what dy is before the norm; dx may be dy.
static void norm_back(const gradient *g, span s, const float *gamma, const norm_tape *t, const float *dy,
                      float *dx) {
  const size_t H = (size_t)g->b->hidden;
  for (size_t i = s.first; i < s.first + s.rows; i++)
    g->k->norm_row_back(dy + i * H, t->x + i * H, gamma, t->mean[i], t->rstd[i], dx + i * H, g->unused,
                        g->unused + H, H);
}

// c [m,n] = a [m,k] w [k,n], or c += it. Strides in floats.
static void product(const gradient *g, const float *a, size_t a_row, const float *w, size_t w_row, float *c,
                    size_t c_row, size_t m, size_t n, size_t k, bool add) {
  const simd_gemm p = {.m = m,
                       .n = n,
                       .k = k,
                       .a = a,
                       .a_row = a_row,
                       .a_step = 1,
                       .b = w,
                       .b_row = w_row,
                       .add = add,
                       .c = c,
                       .c_row = c_row};
  g->k->gemm(&p);
}

// The same with a transposed: a [k,m].
static void product_transposed(const gradient *g, const float *a, size_t a_row, const float *w, size_t w_row,
                               float *c, size_t c_row, size_t m, size_t n, size_t k) {
  const simd_gemm p = {.m = m,
                       .n = n,
                       .k = k,
                       .a = a,
                       .a_row = 1,
                       .a_step = a_row,
                       .b = w,
                       .b_row = w_row,
                       .add = true,
                       .c = c,
                       .c_row = c_row};
  g->k->gemm(&p);
}

static void gelu(const gradient *g, const float *x, float *y, size_t n) {
  (g->b->erf ? g->k->gelu_erf : g->k->gelu_tanh)(x, y, n);
}

static void gelu_back(const gradient *g, const float *x, float *dy, size_t n) {
  (g->b->erf ? g->k->gelu_erf_back : g->k->gelu_tanh_back)(x, dy, n);
}

// Rows of y += what the adapter adds to a bias, if it does. On the way back there is nothing to do.
static void shift(const gradient *g, const float *by, float *y, size_t ldy, span s, size_t width) {
  for (size_t i = s.first; by != NULL && i < s.first + s.rows; i++) g->k->add(by, y + i * ldy, width);
}

static void shift_norm(const gradient *g, int32_t layer, int place, float *x, span s) {
  const size_t H = (size_t)g->b->hidden;
  shift(g, adapter_shift(&g->b->adapters, g->w->adapter, layer, place), x, H, s, H);
}

// Of something behind or before the layers.
static void shift_at(const gradient *g, shift_whole which, float *x, span s) {
  const size_t H = (size_t)g->b->hidden;
  shift(g, adapter_shift_whole(&g->b->adapters, g->w->adapter, which), x, H, s, H);
}

// y += what the adapter adds to a linear layer from x, in rows `ldy` floats apart.
static void adapt(const gradient *g, int32_t i, adapted_place place, const float *x, float *y, size_t ldy,
                  span s) {
  const adapted_layer *l = row_adapted(g->w, g->b, i, place);
  const size_t H = (size_t)g->b->hidden, F = (size_t)g->b->intermediate;
  const size_t in = place == ADAPTED_FFN2 ? F : H, out = place == ADAPTED_FFN1 ? F : H;
  shift(g, adapter_shift(&g->b->adapters, g->w->adapter, i, (int)place), y, ldy, s, out);
  if (l == NULL) return;
  const size_t r = (size_t)l->rank;
  g->k->gemm_packed(x + s.first * in, in, l->down, NULL, g->low, r, s.rows, r, in);
  add_packed_product(g->low, r, l->up, y + s.first * ldy, ldy, s.rows, out);
}

// dx += dy B A.
static void adapt_back(const gradient *g, int32_t i, adapted_place place, const float *dy, size_t ldy,
                       float *dx, span s) {
  const adapted_layer *l = row_adapted(g->w, g->b, i, place);
  const row_factors *w = &g->w->low[i * ADAPTED_PLACES + (int32_t)place];
  const size_t H = (size_t)g->b->hidden, F = (size_t)g->b->intermediate;
  const size_t in = place == ADAPTED_FFN2 ? F : H, out = place == ADAPTED_FFN1 ? F : H;
  if (l == NULL) return;
  const size_t r = (size_t)l->rank;
  product(g, dy + s.first * ldy, ldy, w->up, r, g->low, r, s.rows, r, out, false);
  product(g, g->low, r, w->down, in, dx + s.first * in, in, s.rows, in, r, true);
}

// g->branch goes through the bottlenecks behind it.
static void pass_necks(const gradient *g, int32_t i, neck_place place, span s) {
  const size_t H = (size_t)g->b->hidden;
  for (int n = 0; n < NECKS; n++) {
    const bottleneck_weights *k = row_neck(g->w, g->b, i, (int)place, n);
    if (k == NULL) continue;
    const size_t width = (size_t)k->width;
    float *x = g->branch + s.first * H, *pre = g->layer[i].neck[place][n] + s.first * width;
    g->k->gemm_packed(x, H, k->down, k->down_b, pre, width, s.rows, width, H);
    gelu(g, pre, g->low, s.rows * width);
    add_packed_product(g->low, width, k->up, x, H, s.rows, H);
    for (size_t r = 0; r < s.rows; r++) g->k->add(k->up_b, x + r * H, H);
  }
}

// The gradient of a branch before its bottlenecks, of d behind them: d itself, or g->dbranch.
static const float *necks_back(const gradient *g, int32_t i, neck_place place, span s, const float *d) {
  const size_t H = (size_t)g->b->hidden, at = s.first * H;
  for (int n = NECKS - 1; n >= 0; n--) {
    const bottleneck_weights *k = row_neck(g->w, g->b, i, (int)place, n);
    const row_factors *w = &g->w->necks[(i * NECK_PLACES + (int32_t)place) * NECKS + n];
    if (k == NULL) continue;
    const size_t width = (size_t)k->width;
    if (d != g->dbranch) memcpy(g->dbranch + at, d + at, s.rows * H * sizeof *d);
    d = g->dbranch;
    product(g, d + at, H, w->up, width, g->low, width, s.rows, width, H, false);
    gelu_back(g, g->layer[i].neck[place][n] + s.first * width, g->low, s.rows * width);
    product(g, g->low, width, w->down, H, g->dbranch + at, H, s.rows, H, width, true);
  }
  return d;
}

// g->p [rows, wide] = the attention's probabilities of rows `at` .. of one head; keys that a row does not see get 0.
// g->packed is used for the keys.
static void probabilities(const gradient *g, const float *qkv, size_t head_at, size_t at, size_t rows) {
  const size_t H = (size_t)g->b->hidden, D = (size_t)g->b->head_size;
  const size_t wide = (g->T + PANEL - 1) / PANEL * PANEL;
  gemm_pack(qkv + H + head_at, 3 * H, g->T, D, g->packed);
  g->k->gemm_packed(qkv + at * 3 * H + head_at, 3 * H, g->packed, NULL, g->p, wide, rows, wide, D);
  for (size_t r = 0; r < rows; r++) {
    const size_t keys = g->b->layout.asks == ASKS_MASKED ? g->T : at + r + 1;
    float *p = g->p + r * wide;
    const float sum = g->k->exp_sum(p, g->k->max(p, keys), keys);
    g->k->scale(1.0f / sum, p, keys);
    memset(p + keys, 0, (wide - keys) * sizeof *p);
  }
}

// ---- forward -------------------------------------------------------------------------------------------------

static void attention(const gradient *g, int32_t i, span s) {
  const layer_weights *w = &g->b->layer[i];
  const size_t H = (size_t)g->b->hidden, D = (size_t)g->b->head_size;
  const size_t wide = (g->T + PANEL - 1) / PANEL * PANEL;
  const span all = {0, g->T};
  float *qkv = g->layer[i].qkv;
  g->k->gemm_packed(g->x, H, w->kv, w->kv_b, qkv + H, 3 * H, g->T, 2 * H, H);
  g->k->gemm_packed(g->x + s.first * H, H, w->q, w->q_b, qkv + s.first * 3 * H, 3 * H, s.rows, H, H);
  adapt(g, i, ADAPTED_QUERY, g->x, qkv, 3 * H, s);
  adapt(g, i, ADAPTED_KEY, g->x, qkv + H, 3 * H, all);
  adapt(g, i, ADAPTED_VALUE, g->x, qkv + 2 * H, 3 * H, all);
  for (size_t a = 0; a < (size_t)g->b->heads; a++)
    for (size_t at = s.first; at < s.first + s.rows; at += QUERY_ROWS) {
      const size_t left = s.first + s.rows - at, rows = left < QUERY_ROWS ? left : QUERY_ROWS;
      probabilities(g, qkv, a * D, at, rows);
      product(g, g->p, wide, qkv + 2 * H + a * D, 3 * H, g->context + at * H + a * D, H, rows, D, g->T,
              false);
    }
  const size_t from = s.first * H;
  g->k->gemm_packed(g->context + from, H, w->out, w->out_b, g->branch + from, H, s.rows, H, H);
  adapt(g, i, ADAPTED_PROJECTION, g->context, g->branch, H, s);
  pass_necks(g, i, NECK_ATTENTION, s);
}

static void feed_forward(const gradient *g, int32_t i, span s) {
  const layer_weights *w = &g->b->layer[i];
  const size_t H = (size_t)g->b->hidden, F = (size_t)g->b->intermediate, from = s.first;
  float *ffn = g->layer[i].ffn;
  g->k->gemm_packed(g->x + from * H, H, w->ffn1, w->ffn1_b, ffn + from * F, F, s.rows, F, H);
  adapt(g, i, ADAPTED_FFN1, g->x, ffn, F, s);
  gelu(g, ffn + from * F, g->hidden + from * F, s.rows * F);
  g->k->gemm_packed(g->hidden + from * F, F, w->ffn2, w->ffn2_b, g->branch + from * H, H, s.rows, H, F);
  adapt(g, i, ADAPTED_FFN2, g->hidden, g->branch, H, s);
  pass_necks(g, i, NECK_FFN, s);
}

// to += g->branch.
static void add_branch(const gradient *g, span s, float *to) {
  const size_t H = (size_t)g->b->hidden;
  g->k->add(g->branch + s.first * H, to + s.first * H, s.rows * H);
}

// Post-norm: g->x is the layer's input and output. Pre-norm: `stream` is, and g->x is what the blocks read.
static void layer_forward(const gradient *g, int32_t i, float *stream) {
  const layer_weights *w = &g->b->layer[i];
  const layer_tape *t = &g->layer[i];
  const span s = span_of(g, i), all = {0, g->T};
  if (g->b->pre_norm) {
    norm(g, all, stream, w->norm1_w, w->norm1_b, &t->first_norm, g->x);
    shift_norm(g, i, SHIFT_NORM1, g->x, all);
    attention(g, i, s);
    add_branch(g, s, stream);
    norm(g, s, stream, w->norm2_w, w->norm2_b, &t->second_norm, g->x);
    shift_norm(g, i, SHIFT_NORM2, g->x, s);
    feed_forward(g, i, s);
    add_branch(g, s, stream);
  } else {
    attention(g, i, s);
    add_branch(g, s, g->x);
    norm(g, s, g->x, w->norm1_w, w->norm1_b, &t->first_norm, g->x);
    shift_norm(g, i, SHIFT_NORM1, g->x, s);
    feed_forward(g, i, s);
    add_branch(g, s, g->x);
    norm(g, s, g->x, w->norm2_w, w->norm2_b, &t->second_norm, g->x);
    shift_norm(g, i, SHIFT_NORM2, g->x, s);
  }
}

// u of the asked row's hidden state.
static void head_forward(gradient *g, const float *x, float *u) {
  const souk_bundle *b = g->b;
  const size_t H = (size_t)b->hidden;
  if (b->plain) {
    memcpy(g->u, x, H * sizeof *x);
  } else {
    const span one = {0, 1};
    g->k->gemm_packed(x, H, b->mlm, b->mlm_b, g->head, H, 1, H, H);
    shift_at(g, SHIFT_HEAD, g->head, one);
    gelu(g, g->head, g->head_act, H);
    g->k->norm_row(g->head_act, b->mlm_norm_w, b->mlm_norm_b, b->eps, g->u, &g->head_mean, &g->head_rstd, H);
    shift_at(g, SHIFT_HEAD_NORM, g->u, one);
  }
  double factor = b->inv_temperature_wide;
  g->length = length_of(g->u, H);
  if (b->cosine) factor /= g->length > 1e-6 ? g->length : 1e-6;
  memcpy(u, g->u, H * sizeof *u);
  g->k->scale((float)factor, u, H);
  u[H] = 1.0f;
}

void gradient_forward(gradient *g, const float *rows, float *u) {
  const souk_bundle *b = g->b;
  const size_t H = (size_t)b->hidden;
  const span all = {0, g->T}, asked = {g->asked, 1};
  float *stream = b->pre_norm ? g->dcontext : g->x; // the backward pass needs dcontext only later
  norm(g, all, rows, b->emb_norm_w, b->emb_norm_b, &g->embedding, stream);
  shift_at(g, SHIFT_EMBEDDING, stream, all);
  for (int32_t i = 0; i < b->layers; i++) layer_forward(g, i, stream);
  if (b->pre_norm) {
    norm(g, asked, stream, b->final_norm_w, b->final_norm_b, &g->final, g->x);
    shift_at(g, SHIFT_FINAL, g->x, asked);
  }
  head_forward(g, g->x + g->asked * H, u);
}

// ---- backward ------------------------------------------------------------------------------------------------

// dx [H] of the asked row's hidden state.
static void head_back(const gradient *g, const float *du, float *dx) {
  const souk_bundle *b = g->b;
  const size_t H = (size_t)b->hidden;
  double factor = b->inv_temperature_wide;
  memcpy(dx, du, H * sizeof *dx);
  if (b->cosine) factor /= g->length > 1e-6 ? g->length : 1e-6;
  if (b->cosine && g->length > 1e-6) // only what is across u turns it
    g->k->axpy(-g->k->dot(du, g->u, H) / (float)(g->length * g->length), g->u, dx, H);
  g->k->scale((float)factor, dx, H);
  if (b->plain) return;
  g->k->norm_row_back(dx, g->head_act, b->mlm_norm_w, g->head_mean, g->head_rstd, dx, g->unused,
                      g->unused + H, H);
  gelu_back(g, g->head, dx, H);
  memcpy(g->branch, dx, H * sizeof *dx);
  product(g, g->branch, H, g->w->mlm, H, dx, H, 1, H, H, false);
}

// From d(context) to dqkv of one head, QUERY_ROWS rows at a time.
static void attend_back(const gradient *g, const float *qkv, size_t head_at, span s) {
  const size_t H = (size_t)g->b->hidden, D = (size_t)g->b->head_size;
  const size_t wide = (g->T + PANEL - 1) / PANEL * PANEL;
  const float *q = qkv + head_at, *keys = q + H, *values = q + 2 * H;
  float *dq = g->dqkv + head_at, *dkeys = dq + H, *dvalues = dq + 2 * H;
  for (size_t at = s.first; at < s.first + s.rows; at += QUERY_ROWS) {
    const size_t left = s.first + s.rows - at, rows = left < QUERY_ROWS ? left : QUERY_ROWS;
    const float *dcontext = g->dcontext + at * H + head_at;
    probabilities(g, qkv, head_at, at, rows);
    product_transposed(g, g->p, wide, dcontext, H, dvalues, 3 * H, g->T, D, rows);
    gemm_pack(values, 3 * H, g->T, D, g->packed);
    g->k->gemm_packed(dcontext, H, g->packed, NULL, g->dp, wide, rows, wide, D);
    for (size_t r = 0; r < rows; r++) {
      float *p = g->p + r * wide, *dp = g->dp + r * wide;
      const float sum = g->k->dot(p, dp, g->T);
      for (size_t j = 0; j < g->T; j++) dp[j] = p[j] * (dp[j] - sum);
    }
    product(g, g->dp, wide, keys, 3 * H, dq + at * 3 * H, 3 * H, rows, D, g->T, false);
    product_transposed(g, g->dp, wide, q + at * 3 * H, 3 * H, dkeys, 3 * H, g->T, D, rows);
  }
}

// g->branch [T,H] = what d [rows of the span] is before the attention block.
static void attention_back(const gradient *g, int32_t i, span s, const float *d) {
  const row_layer *w = &g->w->layer[i];
  const size_t H = (size_t)g->b->hidden, D = (size_t)g->b->head_size, from = s.first * H;
  const span all = {0, g->T};
  d = necks_back(g, i, NECK_ATTENTION, s, d);
  product(g, d + from, H, w->out, H, g->dcontext + from, H, s.rows, H, H, false);
  adapt_back(g, i, ADAPTED_PROJECTION, d, H, g->dcontext, s);
  memset(g->dqkv, 0, g->T * 3 * H * sizeof *g->dqkv);
  for (size_t a = 0; a < (size_t)g->b->heads; a++) attend_back(g, g->layer[i].qkv, a * D, s);
  product(g, g->dqkv + H, 3 * H, w->kv, H, g->branch, H, g->T, H, 2 * H, false);
  product(g, g->dqkv + 3 * from, 3 * H, w->q, H, g->branch + from, H, s.rows, H, H, true);
  adapt_back(g, i, ADAPTED_QUERY, g->dqkv, 3 * H, g->branch, s);
  adapt_back(g, i, ADAPTED_KEY, g->dqkv + H, 3 * H, g->branch, all);
  adapt_back(g, i, ADAPTED_VALUE, g->dqkv + 2 * H, 3 * H, g->branch, all);
}

// g->branch [rows of the span] = what d is before the feed-forward block.
static void feed_forward_back(const gradient *g, int32_t i, span s, const float *d) {
  const row_layer *w = &g->w->layer[i];
  const size_t H = (size_t)g->b->hidden, F = (size_t)g->b->intermediate, from = s.first;
  d = necks_back(g, i, NECK_FFN, s, d);
  product(g, d + from * H, H, w->ffn2, F, g->hidden + from * F, F, s.rows, F, H, false);
  adapt_back(g, i, ADAPTED_FFN2, d, H, g->hidden, s);
  gelu_back(g, g->layer[i].ffn + from * F, g->hidden + from * F, s.rows * F);
  product(g, g->hidden + from * F, F, w->ffn1, H, g->branch + from * H, H, s.rows, H, F, false);
  adapt_back(g, i, ADAPTED_FFN1, g->hidden, F, g->branch, s);
}

// d [T,H] is the gradient of the layer's output, and becomes that of its input. It is 0 outside of the span.
static void layer_back(const gradient *g, int32_t i, float *d) {
  const layer_weights *w = &g->b->layer[i];
  const layer_tape *t = &g->layer[i];
  const span s = span_of(g, i), all = {0, g->T};
  if (g->b->pre_norm) {
    feed_forward_back(g, i, s, d);
    norm_back(g, s, w->norm2_w, &t->second_norm, g->branch, g->branch);
    add_branch(g, s, d);
    attention_back(g, i, s, d);
    norm_back(g, all, w->norm1_w, &t->first_norm, g->branch, g->branch);
  } else {
    norm_back(g, s, w->norm2_w, &t->second_norm, d, d);
    feed_forward_back(g, i, s, d);
    add_branch(g, s, d);
    norm_back(g, s, w->norm1_w, &t->first_norm, d, d);
    attention_back(g, i, s, d);
  }
  add_branch(g, all, d);
}

void gradient_backward(gradient *g, const float *du, float *drows) {
  const souk_bundle *b = g->b;
  const size_t H = (size_t)b->hidden;
  const span all = {0, g->T}, asked = {g->asked, 1};
  memset(drows, 0, g->T * H * sizeof *drows);
  head_back(g, du, drows + g->asked * H);
  if (b->pre_norm) norm_back(g, asked, b->final_norm_w, &g->final, drows, drows);
  for (int32_t i = b->layers - 1; i >= 0; i--) layer_back(g, i, drows);
  norm_back(g, all, b->emb_norm_w, &g->embedding, drows, drows);
}
