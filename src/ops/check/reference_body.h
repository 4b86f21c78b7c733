// The references' one source; see reference.h. REAL is the element type, MATH(f) libm's f for it.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "ops/check/reference.h"

struct op_ctx {
  step_state state;
  step_result result;
  bool tf32; // operands of matmuls are rounded
};

// Fields of the params structs as arrays of REAL, whatever their declared type.
static REAL *reals(const void *p) {
  return (REAL *)p;
}

static int64_t live(const op_ctx *ctx, rows n) {
  const int32_t counts[] = {[ROWS_FIXED] = n.cap,
                            [ROWS_TOKENS] = ctx->state.tokens,
                            [ROWS_SEQS] = ctx->state.seqs,
                            [ROWS_MASKED] = ctx->state.masked,
                            [ROWS_LISTED] = ctx->state.listed,
                            [ROWS_ITEMS] = ctx->state.items,
                            [ROWS_TEXTS] = ctx->state.texts};
  return counts[n.kind];
}

// An operand of a matmul of a linear layer or of scores, as the hardware takes it.
static REAL operand(const op_ctx *ctx, REAL x) {
  return ctx->tf32 ? (REAL)round_to_tf32((float)x) : x;
}

// ---- dropout -------------------------------------------------------------------------------------------------

// Philox4x32-10 from its paper; byte `index` of the 16 output bytes.
static uint32_t philox_byte(uint64_t seed, uint32_t stream, const uint32_t counter[4], int index) {
  uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};
  uint32_t key[2] = {(uint32_t)(seed & 0xFFFFFFFFu), (uint32_t)(seed >> 32) ^ stream};
  for (int round = 0; round < 10; round++) {
    const uint64_t a = 0xD2511F53ull * x[0], b = 0xCD9E8D57ull * x[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ x[1] ^ key[0], (uint32_t)(b & 0xFFFFFFFFu),
                              (uint32_t)(a >> 32) ^ x[3] ^ key[1], (uint32_t)(a & 0xFFFFFFFFu)};
    memcpy(x, next, sizeof x);
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return x[index / 4] >> (8 * (index % 4)) & 255u;
}

// The factor of an element: 0 if it is dropped.
static REAL keep_factor(dropout drop, uint32_t byte) {
  return byte < drop.threshold ? 0 : (REAL)256 / (REAL)(256 - (int32_t)drop.threshold);
}

static REAL hidden_keep(const op_ctx *ctx, const batch_view *b, dropout drop, int64_t row, int64_t channel) {
  if (drop.threshold == 0) return 1;
  const int32_t s = b->seq_of[row];
  const uint64_t id = (uint64_t)b->seq_ids[s];
  const uint32_t position = (uint32_t)(row - b->cu_seqlens[s]);
  const uint32_t counter[4] = {(uint32_t)id, (uint32_t)ctx->state.step,
                               position + ((uint32_t)(id >> 32) << 16), (uint32_t)(channel / 16)};
  return keep_factor(drop,
                     philox_byte(ctx->state.seed, STREAM_DROPOUT + drop.site, counter, (int)(channel % 16)));
}

static REAL path_keep(const op_ctx *ctx, const batch_view *b, dropout path, int64_t row) {
  if (path.threshold == 0) return 1;
  const uint64_t id = (uint64_t)b->seq_ids[b->seq_of[row]];
  const uint32_t counter[4] = {(uint32_t)id, (uint32_t)ctx->state.step, (uint32_t)(id >> 32), 0};
  return keep_factor(path, philox_byte(ctx->state.seed, STREAM_PATH + path.site, counter, 0));
}

static REAL attention_keep(const op_ctx *ctx, const batch_view *b, dropout drop, int32_t s, int32_t head,
                           int32_t query, int32_t key) {
  if (drop.threshold == 0) return 1;
  const uint64_t id = (uint64_t)b->seq_ids[s];
  const uint32_t counter[4] = {(uint32_t)id, (uint32_t)ctx->state.step,
                               (uint32_t)query + ((uint32_t)(id >> 32) << 16),
                               (uint32_t)(key / 64 * 4 + key % 8 / 2) + ((uint32_t)head << 20)};
  return keep_factor(
      drop, philox_byte(ctx->state.seed, STREAM_DROPOUT + drop.site, counter, key % 64 / 8 * 2 + key % 2));
}

// ---- norms ---------------------------------------------------------------------------------------------------

static void norm_row(const REAL *x, const REAL *gamma, const REAL *beta, float eps, REAL *y, REAL *mean,
                     REAL *rstd, int32_t n) {
  REAL sum = 0, squares = 0;
  for (int32_t j = 0; j < n; j++) sum += x[j];
  *mean = sum / (REAL)n;
  for (int32_t j = 0; j < n; j++) squares += (x[j] - *mean) * (x[j] - *mean);
  *rstd = 1 / MATH(sqrt)(squares / (REAL)n + (REAL)eps);
  for (int32_t j = 0; j < n; j++) y[j] = (x[j] - *mean) * *rstd * gamma[j] + beta[j];
}

// dx of one row, where dy is the gradient of the norm's output; dgamma and dbeta may be NULL.
static void norm_row_back(const REAL *dy, const REAL *x, const REAL *gamma, REAL mean, REAL rstd, REAL *dx,
                          REAL *dgamma, REAL *dbeta, int32_t n) {
  REAL along_one = 0, along_x = 0;
  for (int32_t j = 0; j < n; j++) {
    const REAL hat = (x[j] - mean) * rstd;
    along_one += dy[j] * gamma[j] / (REAL)n;
    along_x += dy[j] * gamma[j] * hat / (REAL)n;
    if (dgamma != NULL) dgamma[j] += dy[j] * hat;
    if (dbeta != NULL) dbeta[j] += dy[j];
  }
  for (int32_t j = 0; j < n; j++)
    dx[j] = rstd * (dy[j] * gamma[j] - along_one - (x[j] - mean) * rstd * along_x);
}

static status embed_forward(op_ctx *ctx, const embed_params *p) {
  const batch_view *b = p->batch;
  const int32_t H = p->hidden;
  for (int64_t i = 0; i < live(ctx, p->n); i++) {
    REAL *sum = reals(p->sum) + i * H, *y = reals(p->y) + i * H;
    for (int32_t j = 0; j < H; j++)
      sum[j] = reals(p->word)[(int64_t)b->ids[i] * H + j] + reals(p->type)[(int64_t)b->types[i] * H + j] +
               reals(p->position)[(int64_t)b->positions[i] * H + j];
    norm_row(sum, reals(p->gamma), reals(p->beta), p->eps, y, reals(p->mean) + i, reals(p->rstd) + i, H);
    for (int32_t j = 0; j < H; j++) y[j] *= hidden_keep(ctx, b, p->drop, i, j);
  }
  return OK;
}

static status embed_backward(op_ctx *ctx, const embed_params *p) {
  const batch_view *b = p->batch;
  const int32_t H = p->hidden;
  REAL *dy, *dsum;
  TRY(mem_new(&dy, 2 * (size_t)H, sizeof *dy, "a reference's row"));
  dsum = dy + H;
  for (int64_t i = 0; i < live(ctx, p->n); i++) {
    for (int32_t j = 0; j < H; j++) dy[j] = reals(p->dy)[i * H + j] * hidden_keep(ctx, b, p->drop, i, j);
    norm_row_back(dy, reals(p->sum) + i * H, reals(p->gamma), reals(p->mean)[i], reals(p->rstd)[i], dsum,
                  reals(p->dgamma), reals(p->dbeta), H);
    const struct {
      REAL *table;
      int64_t row;
    } to[] = {
        {reals(p->dword), b->ids[i]}, {reals(p->dtype), b->types[i]}, {reals(p->dposition), b->positions[i]}};
    for (int k = 0; k < 3; k++)
      for (int32_t j = 0; to[k].table != NULL && j < H; j++) to[k].table[to[k].row * H + j] += dsum[j];
    if (p->touched != NULL) p->touched[b->ids[i]] = 1;
  }
  free(dy);
  return OK;
}

static status norm_forward(op_ctx *ctx, const norm_params *p) {
  const int32_t H = p->hidden;
  for (int64_t i = 0; i < live(ctx, p->n); i++) {
    REAL *sum = reals(p->sum) + i * H;
    for (int32_t j = 0; j < H; j++) {
      sum[j] = reals(p->x)[i * H + j] * hidden_keep(ctx, p->batch, p->drop, i, j) *
               path_keep(ctx, p->batch, p->path, i);
      if (p->residual != NULL) sum[j] += reals(p->residual)[i * H + j];
    }
    norm_row(sum, reals(p->gamma), reals(p->beta), p->eps, reals(p->y) + i * H, reals(p->mean) + i,
             reals(p->rstd) + i, H);
  }
  return OK;
}

static status norm_backward(op_ctx *ctx, const norm_params *p) {
  const int32_t H = p->hidden;
  for (int64_t i = 0; i < live(ctx, p->n); i++) {
    REAL *dx = reals(p->dx) + i * H;
    norm_row_back(reals(p->dy) + i * H, reals(p->sum) + i * H, reals(p->gamma), reals(p->mean)[i],
                  reals(p->rstd)[i], dx, reals(p->dgamma), reals(p->dbeta), H);
    for (int32_t j = 0; j < H; j++) {
      if (p->dsum != NULL) dx[j] += reals(p->dsum)[i * H + j];
      if (p->dresidual != NULL) reals(p->dresidual)[i * H + j] = dx[j];
      dx[j] *= hidden_keep(ctx, p->batch, p->drop, i, j) * path_keep(ctx, p->batch, p->path, i);
    }
  }
  return OK;
}

// ---- linear --------------------------------------------------------------------------------------------------

static REAL activate(activation kind, REAL z) {
  const REAL half = (REAL)0.5;
  switch (kind) {
  case ACT_GELU_TANH:
    return half * z * (1 + MATH(tanh)((REAL)sqrt(2 / M_PI) * (z + (REAL)0.044715 * z * z * z)));
  case ACT_GELU_ERF:
    return half * z * (1 + MATH(erf)(z * (REAL)M_SQRT1_2));
  case ACT_TANH:
    return MATH(tanh)(z);
  case ACT_NONE:
    break;
  }
  return z;
}

// d y / d z, from z (GELU) or from y (tanh).
static REAL activation_slope(activation kind, REAL z, REAL y) {
  const REAL half = (REAL)0.5;
  switch (kind) {
  case ACT_GELU_TANH: {
    const REAL c = (REAL)sqrt(2 / M_PI), t = MATH(tanh)(c * (z + (REAL)0.044715 * z * z * z));
    return half * (1 + t) + half * z * (1 - t * t) * c * (1 + 3 * (REAL)0.044715 * z * z);
  }
  case ACT_GELU_ERF:
    return half * (1 + MATH(erf)(z * (REAL)M_SQRT1_2)) + z * MATH(exp)(-half * z * z) / (REAL)sqrt(2 * M_PI);
  case ACT_TANH:
    return 1 - y * y;
  case ACT_NONE:
    break;
  }
  return 1;
}

static status linear_forward(op_ctx *ctx, const linear_params *p) {
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t o = 0; o < p->out; o++) {
      REAL z = 0;
      for (int32_t j = 0; j < p->in; j++)
        z += operand(ctx, reals(p->x)[i * p->in + j]) * operand(ctx, reals(p->w)[(int64_t)o * p->in + j]);
      if (p->b != NULL) z += reals(p->b)[o];
      REAL *y = &reals(p->y)[i * p->out + o], *pre = p->pre != NULL ? &reals(p->pre)[i * p->out + o] : NULL;
      if (p->y_add) z += pre != NULL ? *pre : *y;
      if (pre != NULL) *pre = z;
      *y = activate(p->kind, z);
    }
  return OK;
}

static status linear_backward(op_ctx *ctx, const linear_params *p) {
  const int64_t n = live(ctx, p->n);
  const int32_t in = p->in, out = p->out;
  REAL *dy = reals(p->dy);
  for (int64_t i = 0; i < n * out; i++)
    dy[i] *=
        activation_slope(p->kind, p->pre != NULL ? reals(p->pre)[i] : 0, p->y != NULL ? reals(p->y)[i] : 0);
  for (int64_t i = 0; p->dx != NULL && i < n; i++) {
    REAL *dx = reals(p->dx) + i * in;
    for (int32_t j = 0; j < in && !p->dx_add; j++) dx[j] = 0;
    for (int32_t o = 0; o < out; o++)
      for (int32_t j = 0; j < in; j++)
        dx[j] += operand(ctx, dy[i * out + o]) * operand(ctx, reals(p->w)[(int64_t)o * in + j]);
  }
  for (int64_t i = 0; i < n; i++)
    for (int32_t o = 0; o < out; o++) {
      for (int32_t j = 0; p->dw != NULL && j < in; j++)
        reals(p->dw)[(int64_t)o * in + j] +=
            operand(ctx, dy[i * out + o]) * operand(ctx, reals(p->x)[i * in + j]);
      if (p->db != NULL) reals(p->db)[o] += dy[i * out + o];
    }
  return OK;
}

// ---- attention -----------------------------------------------------------------------------------------------

static bool sees(const attention_params *p, int32_t s, int32_t query, int32_t key) {
  if (p->kind == ATTENTION_FULL) return true;
  if (p->kind == ATTENTION_CAUSAL) return key <= query;
  return query < p->batch->prefix_len[s] ? key < p->batch->prefix_len[s] : key <= query;
}

// q, k or v (which 0, 1, 2) of a token and head, in qkv or its gradient.
static REAL *head_row(const attention_params *p, const act *qkv, int64_t row, int which, int32_t head) {
  return reals(qkv) + ((row * 3 + which) * p->heads + head) * p->head_size;
}

static status attention_forward(op_ctx *ctx, const attention_params *p) {
  const int32_t A = p->heads, D = p->head_size;
  const batch_view *b = p->batch;
  REAL *s;
  TRY(mem_new(&s, (size_t)p->n.cap, sizeof *s, "a reference's row of scores"));
  for (int32_t w = 0; w < ctx->state.work; w++) {
    const int32_t seq = b->work[2 * w], first = b->work[2 * w + 1];
    const int64_t row = b->cu_seqlens[seq];
    const int32_t n = b->cu_seqlens[seq + 1] - b->cu_seqlens[seq];
    for (int32_t a = 0; a < A; a++)
      for (int32_t i = first; i < n && i < first + ATTENTION_BLOCK; i++) {
        REAL row_max = -INFINITY, sum = 0;
        for (int32_t j = 0; j < n; j++) {
          if (!sees(p, seq, i, j)) continue;
          s[j] = 0;
          for (int32_t d = 0; d < D; d++)
            s[j] += head_row(p, p->qkv, row + i, 0, a)[d] * head_row(p, p->qkv, row + j, 1, a)[d];
          s[j] *= (REAL)p->scale;
          row_max = s[j] > row_max ? s[j] : row_max;
        }
        for (int32_t j = 0; j < n; j++)
          if (sees(p, seq, i, j)) sum += MATH(exp)(s[j] - row_max);
        reals(p->lse)[(int64_t)a * p->n.cap + row + i] = row_max + MATH(log)(sum);
        REAL *out = reals(p->out) + ((row + i) * A + a) * D;
        for (int32_t d = 0; d < D; d++) out[d] = 0;
        for (int32_t j = 0; j < n; j++) {
          if (!sees(p, seq, i, j)) continue;
          const REAL r = MATH(exp)(s[j] - row_max) / sum * attention_keep(ctx, b, p->drop, seq, a, i, j);
          for (int32_t d = 0; d < D; d++) out[d] += r * head_row(p, p->qkv, row + j, 2, a)[d];
        }
      }
  }
  free(s);
  return OK;
}

// With P the probabilities and R = keep P: dv_j = sum_i R_ij dout_i; dP_ij = keep_ij dout_i . v_j;
// dS_ij = P_ij (dP_ij - sum_k P_ik dP_ik).
static status attention_backward(op_ctx *ctx, const attention_params *p) {
  const int32_t A = p->heads, D = p->head_size;
  const batch_view *b = p->batch;
  REAL *prob, *dprob;
  TRY(mem_new(&prob, 2 * (size_t)p->n.cap, sizeof *prob, "a reference's rows of probabilities"));
  dprob = prob + p->n.cap;
  for (int64_t i = 0; i < (int64_t)ctx->state.tokens * 3 * A * D; i++) reals(p->dqkv)[i] = 0;
  for (int32_t seq = 0; seq < ctx->state.seqs; seq++) {
    const int64_t row = b->cu_seqlens[seq];
    const int32_t n = b->cu_seqlens[seq + 1] - b->cu_seqlens[seq];
    for (int32_t a = 0; a < A; a++)
      for (int32_t i = 0; i < n; i++) {
        const REAL *q = head_row(p, p->qkv, row + i, 0, a), *dout = reals(p->dout) + ((row + i) * A + a) * D;
        REAL mean = 0;
        for (int32_t j = 0; j < n; j++) {
          if (!sees(p, seq, i, j)) continue;
          const REAL *k = head_row(p, p->qkv, row + j, 1, a), *v = head_row(p, p->qkv, row + j, 2, a);
          REAL *dv = head_row(p, p->dqkv, row + j, 2, a);
          REAL s = 0, dot = 0;
          for (int32_t d = 0; d < D; d++) s += q[d] * k[d];
          for (int32_t d = 0; d < D; d++) dot += dout[d] * v[d];
          const REAL keep = attention_keep(ctx, b, p->drop, seq, a, i, j);
          prob[j] = MATH(exp)((REAL)p->scale * s - reals(p->lse)[(int64_t)a * p->n.cap + row + i]);
          dprob[j] = keep * dot;
          mean += prob[j] * dprob[j];
          for (int32_t d = 0; d < D; d++) dv[d] += prob[j] * keep * dout[d];
        }
        for (int32_t j = 0; j < n; j++) {
          if (!sees(p, seq, i, j)) continue;
          const REAL ds = (REAL)p->scale * prob[j] * (dprob[j] - mean);
          const REAL *k = head_row(p, p->qkv, row + j, 1, a);
          REAL *dq = head_row(p, p->dqkv, row + i, 0, a), *dk = head_row(p, p->dqkv, row + j, 1, a);
          for (int32_t d = 0; d < D; d++) dq[d] += ds * k[d];
          for (int32_t d = 0; d < D; d++) dk[d] += ds * q[d];
        }
      }
  }
  free(prob);
  return OK;
}

// ---- gather --------------------------------------------------------------------------------------------------

static status gather_forward(op_ctx *ctx, const gather_params *p) {
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t j = 0; j < p->hidden; j++)
      reals(p->y)[i * p->hidden + j] = reals(p->x)[(int64_t)p->index[i] * p->hidden + j];
  return OK;
}

static status gather_backward(op_ctx *ctx, const gather_params *p) {
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t j = 0; j < p->hidden; j++)
      reals(p->dx)[(int64_t)p->index[i] * p->hidden + j] += reals(p->dy)[i * p->hidden + j];
  return OK;
}

// ---- scaling of columns --------------------------------------------------------------------------------------

static REAL scale_of(const scale_params *p, int32_t column) {
  return (REAL)p->scale * (p->factor != NULL ? reals(p->factor)[column] : 1);
}

static status scale_forward(op_ctx *ctx, const scale_params *p) {
  const int64_t stride = p->y_width > 0 ? p->y_width : p->width;
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t j = 0; j < p->width; j++) {
      REAL *y = &reals(p->y)[i * stride + p->at + j];
      *y = scale_of(p, j) * reals(p->x)[i * p->width + j] + (p->y_add ? *y : 0);
    }
  return OK;
}

static status scale_backward(op_ctx *ctx, const scale_params *p) {
  const int64_t stride = p->y_width > 0 ? p->y_width : p->width;
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t j = 0; j < p->width; j++) {
      const REAL dy = reals(p->dy)[i * stride + p->at + j];
      if (p->dfactor != NULL) reals(p->dfactor)[j] += (REAL)p->scale * reals(p->x)[i * p->width + j] * dy;
      reals(p->dx)[i * p->width + j] = scale_of(p, j) * dy;
    }
  return OK;
}

// ---- item vectors --------------------------------------------------------------------------------------------

static status bag_forward(op_ctx *ctx, const bag_params *p) {
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t j = 0; j < p->hidden; j++) {
      REAL sum = 0;
      const int32_t first = p->offsets[i], end = p->offsets[i + 1];
      for (int32_t k = first; k < end; k++) sum += reals(p->table)[(int64_t)p->index[k] * p->hidden + j];
      reals(p->y)[i * p->hidden + j] = end > first ? sum / (REAL)(end - first) : 0;
    }
  return OK;
}

static status bag_backward(op_ctx *ctx, const bag_params *p) {
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t k = p->offsets[i]; k < p->offsets[i + 1]; k++)
      for (int32_t j = 0; j < p->hidden; j++)
        reals(p->dtable)[(int64_t)p->index[k] * p->hidden + j] +=
            reals(p->dy)[i * p->hidden + j] / (REAL)(p->offsets[i + 1] - p->offsets[i]);
  return OK;
}

// The factor of an item's id in channel j.
static REAL id_factor(const op_ctx *ctx, const fuse_params *p, int32_t item, int32_t j) {
  if (p->gate == NULL || (p->known != NULL && p->known[item] == 0)) return 0;
  const uint32_t counter[4] = {(uint32_t)item, (uint32_t)ctx->state.step, 0, 0};
  if (p->id_threshold > 0 && philox_byte(ctx->state.seed, STREAM_ID, counter, 0) < p->id_threshold) return 0;
  return 1 / (1 + MATH(exp)(-reals(p->gate)[j]));
}

// Row k of those to make is row v of e and, where that is an item, row *content of its content; -1: no item.
static int32_t fused_row(const fuse_params *p, int32_t k, int64_t *content) {
  const int32_t v = p->list != NULL ? p->list[k] : k, item = v - p->base;
  *content = item < 0 || item >= p->items ? -1 : p->list != NULL ? k : item;
  return v;
}

static int32_t fused_rows(const op_ctx *ctx, const fuse_params *p) {
  return p->list != NULL ? (int32_t)live(ctx, p->listed) : p->vocab;
}

static status fuse_forward(op_ctx *ctx, const fuse_params *p) {
  for (int32_t k = 0; k < fused_rows(ctx, p); k++)
    for (int32_t j = 0; j < p->hidden; j++) {
      int64_t content;
      const int32_t v = fused_row(p, k, &content);
      const int64_t at = (int64_t)v * p->hidden + j;
      reals(p->e)[at] = content < 0 ? reals(p->id)[at]
                                    : reals(p->content)[content * p->hidden + j] +
                                          id_factor(ctx, p, v - p->base, j) * reals(p->id)[at];
    }
  return OK;
}

static status fuse_backward(op_ctx *ctx, const fuse_params *p) {
  for (int32_t k = 0; k < fused_rows(ctx, p); k++)
    for (int32_t j = 0; j < p->hidden; j++) {
      int64_t content;
      const int32_t v = fused_row(p, k, &content);
      const int64_t at = (int64_t)v * p->hidden + j;
      const REAL de = reals(p->de)[at];
      const REAL factor = content >= 0 ? id_factor(ctx, p, v - p->base, j) : 1;
      if (content >= 0 || p->list != NULL)
        reals(p->dcontent)[(content >= 0 ? content : k) * (int64_t)p->hidden + j] = content >= 0 ? de : 0;
      if (p->did != NULL) reals(p->did)[at] += factor * de;
      if (content >= 0 && p->dgate != NULL)
        reals(p->dgate)[j] += factor * (1 - factor) * reals(p->id)[at] * de;
      if (p->list != NULL) ((REAL *)p->de)[at] = 0;
    }
  return OK;
}

// ---- ranks of adapters ---------------------------------------------------------------------------------------

static int64_t of_rank(int32_t ranks, int32_t width, bool columns, int32_t k, int32_t j) {
  return columns ? (int64_t)j * ranks + k : (int64_t)k * width + j;
}

static REAL covariance_of(const orthogonal_params *p, int32_t k, int32_t l) {
  REAL sum = k == l ? -1 : 0;
  for (int32_t j = 0; j < p->width; j++)
    sum += reals(p->p)[of_rank(p->ranks, p->width, p->columns, k, j)] *
           reals(p->p)[of_rank(p->ranks, p->width, p->columns, l, j)];
  return sum;
}

static REAL distance_of(const orthogonal_params *p) {
  REAL squares = 0;
  for (int32_t k = 0; k < p->ranks; k++)
    for (int32_t l = 0; l < p->ranks; l++) squares += covariance_of(p, k, l) * covariance_of(p, k, l);
  return MATH(sqrt)(squares);
}

static status orthogonal_forward(op_ctx *ctx, const orthogonal_params *p) {
  (void)ctx;
  *reals(p->value) = distance_of(p);
  return OK;
}

static status orthogonal_backward(op_ctx *ctx, const orthogonal_params *p) {
  (void)ctx;
  const REAL norm = distance_of(p);
  for (int32_t k = 0; k < p->ranks; k++)
    for (int32_t l = 0; norm > 0 && l < p->ranks; l++) {
      const REAL c = covariance_of(p, k, l);
      for (int32_t j = 0; j < p->width; j++)
        reals(p->dp)[of_rank(p->ranks, p->width, p->columns, k, j)] +=
            2 * (REAL)p->scale * c * reals(p->p)[of_rank(p->ranks, p->width, p->columns, l, j)] / norm;
    }
  return OK;
}

static status importance(op_ctx *ctx, const importance_params *p) {
  const REAL bound = (REAL)(ctx->state.clip_norm / (sqrt(ctx->result.grad_sumsq) + 1e-6));
  const REAL clip = ctx->state.clip_norm > 0 && bound < 1 ? bound : 1;
  for (int32_t k = 0; ctx->result.nonfinite == 0 && k < p->ranks; k++)
    for (int32_t j = 0; j < p->width; j++) {
      const int64_t at = of_rank(p->ranks, p->width, p->columns, k, j);
      REAL *ipt = &reals(p->ipt)[at], *unc = &reals(p->unc)[at];
      const REAL i = MATH(fabs)(reals(p->p)[at] * reals(p->g)[at] * clip), b1 = (REAL)p->beta1,
                 b2 = (REAL)p->beta2;
      *ipt = b1 * *ipt + (1 - b1) * i;
      *unc = b2 * *unc + (1 - b2) * MATH(fabs)(i - *ipt);
      reals(p->score)[k] += *ipt * *unc / (REAL)p->width;
    }
  return OK;
}

// ---- losses --------------------------------------------------------------------------------------------------

// f(x) = x / max(|x|, 1e-6): the divisor, and whether the gradient flows through it too.
static REAL divisor(const xent_params *p, const REAL *x, bool *flows) {
  *flows = false;
  if (p->score == SCORE_DOT) return 1;
  REAL squares = 0;
  for (int32_t d = 0; d < p->hidden; d++) squares += x[d] * x[d];
  const REAL norm = MATH(sqrt)(squares), least = (REAL)1e-6;
  *flows = norm > least;
  return norm > least ? norm : least;
}

// d += g times the gradient of f(x) . f(t) by x: (f(t) - f(x) (f(x) . f(t))) / divisor, where the projection is only
// there if f(x) is on the sphere.
static void add_score_gradient(const op_ctx *ctx, const xent_params *p, const REAL *x, const REAL *t, REAL g,
                               REAL *d) {
  bool flows, unused;
  const REAL norm = divisor(p, x, &flows), other = divisor(p, t, &unused);
  REAL dot = 0;
  for (int32_t j = 0; flows && j < p->hidden; j++) dot += x[j] / norm * (t[j] / other);
  for (int32_t j = 0; j < p->hidden; j++)
    d[j] += (operand(ctx, g) * operand(ctx, t[j] / other) - g * (x[j] / norm * dot)) / norm;
}

static REAL score_of(const op_ctx *ctx, const xent_params *p, const REAL *x, int32_t class) {
  bool unused;
  const REAL *t = reals(p->table) + (int64_t) class * p->hidden;
  const REAL nx = divisor(p, x, &unused), nt = divisor(p, t, &unused);
  REAL dot = 0;
  for (int32_t j = 0; j < p->hidden; j++) dot += operand(ctx, x[j] / nx) * operand(ctx, t[j] / nt);
  return (REAL)p->inv_temperature * dot + (p->bias != NULL ? reals(p->bias)[class] : 0);
}

// Candidates of a row: the classes or, sampled, the label (first) and the negatives that are not the label.
typedef struct candidates {
  REAL *s; // scores, and then the loss's slopes by them
  int32_t *class;
  int32_t n, at; // how many, and which is the label
} candidates;

static void find_candidates(op_ctx *ctx, const xent_params *p, int64_t i, candidates *c) {
  const REAL *x = reals(p->x) + i * p->hidden;
  const bool reduced = p->loss == LOSS_SOFTMAX && p->logq != LOGQ_NONE;
  c->n = c->at = 0;
  if (p->n_negatives == 0) {
    for (; c->n < p->classes; c->n++) {
      c->class[c->n] = c->n;
      c->s[c->n] = score_of(ctx, p, x, c->n);
    }
    c->at = p->labels[i] - p->class_base;
    return;
  }
  c->class[c->n] = p->labels[i] - p->class_base;
  c->s[c->n++] =
      score_of(ctx, p, x, c->class[0]) - (reduced && p->logq == LOGQ_STANDARD ? (REAL)p->label_logq[i] : 0);
  for (int32_t k = 0; k < p->n_negatives; k++) {
    if (p->negatives[k] == p->labels[i]) continue;
    c->class[c->n] = p->negatives[k] - p->class_base;
    c->s[c->n] = score_of(ctx, p, x, c->class[c->n]) - (reduced ? (REAL)p->negative_logq[k] : 0);
    c->n++;
  }
  if (!reduced || p->logq != LOGQ_CORRECTED) return;
  const REAL S = (REAL)p->n_negatives, draws = S - MATH(exp)((REAL)p->label_logq[i]), least = S * (REAL)1e-6;
  for (int32_t k = 1; k < c->n; k++) c->s[k] += MATH(log)((draws > least ? draws : least) / (REAL)(c->n - 1));
}

static REAL softplus(REAL x) {
  return x > 0 ? x + MATH(log1p)(MATH(exp)(-x)) : MATH(log1p)(MATH(exp)(x));
}
static REAL sigmoid(REAL x) { // the slope of softplus
  return x > 0 ? 1 / (1 + MATH(exp)(-x)) : MATH(exp)(x) / (1 + MATH(exp)(x));
}

// The losses of ops.h as they stand there. Each turns scores into slopes; *hit: the label's score is the largest.
static REAL softmax_loss(const xent_params *p, candidates *c, bool *hit) {
  REAL best = c->s[0], wanted = 0;
  for (int32_t k = 1; k < c->n; k++) best = c->s[k] > best ? c->s[k] : best;
  REAL sum = MATH(exp)(c->s[0] - best);
  for (int32_t k = 1; k < c->n; k++) sum += MATH(exp)(c->s[k] - best);
  *hit = c->s[c->at] >= best;
  for (int32_t k = 0; k < c->n; k++) {
    const REAL target = (REAL)p->smoothing / (REAL)c->n + (k == c->at ? 1 - (REAL)p->smoothing : 0);
    wanted += target * (c->s[k] - best);
    c->s[k] = MATH(exp)(c->s[k] - best) / sum - target;
  }
  return MATH(log)(sum) - wanted;
}

static REAL gbce_loss(const xent_params *p, candidates *c) {
  REAL loss = (REAL)p->beta * softplus(-c->s[0]);
  c->s[0] = -(REAL)p->beta * sigmoid(-c->s[0]) / (REAL)c->n;
  for (int32_t k = 1; k < c->n; k++) {
    loss += softplus(c->s[k]);
    c->s[k] = sigmoid(c->s[k]) / (REAL)c->n;
  }
  return loss / (REAL)c->n;
}

static REAL bpr_loss(candidates *c) {
  REAL loss = 0, slopes = 0;
  const REAL negatives = (REAL)(c->n - 1);
  for (int32_t k = 1; k < c->n; k++) {
    loss += softplus(c->s[k] - c->s[0]) / negatives;
    c->s[k] = sigmoid(c->s[k] - c->s[0]) / negatives;
    slopes += c->s[k];
  }
  c->s[0] = -slopes;
  return loss;
}

static void xent_row(op_ctx *ctx, const xent_params *p, int64_t i, candidates *c) {
  const REAL *x = reals(p->x) + i * p->hidden;
  find_candidates(ctx, p, i, c);
  bool hit = false;
  const REAL loss = p->loss == LOSS_SOFTMAX ? softmax_loss(p, c, &hit)
                    : p->loss == LOSS_GBCE  ? gbce_loss(p, c)
                                            : bpr_loss(c);
  const REAL weight = (REAL)p->weights[i];
  if (p->row_loss != NULL) reals(p->row_loss)[i] = loss;
  slot_result *r = &ctx->result.slot[p->slot];
  r->loss += (double)(weight * loss);
  r->weight += (double)weight;
  if (p->n_negatives == 0 && hit) r->hits += (double)weight;
  if (p->dx == NULL) return;
  REAL *dx = reals(p->dx) + i * p->hidden;
  for (int32_t j = 0; j < p->hidden; j++) dx[j] = 0;
  for (int32_t k = 0; k < c->n; k++) {
    const REAL g = (REAL)ctx->state.scale[p->slot] * weight * c->s[k];
    const int64_t row = (int64_t)c->class[k] * p->hidden;
    add_score_gradient(ctx, p, x, reals(p->table) + row, g * (REAL)p->inv_temperature, dx);
    if (p->dtable != NULL)
      add_score_gradient(ctx, p, reals(p->table) + row, x, g * (REAL)p->inv_temperature,
                         reals(p->dtable) + row);
    if (p->bias != NULL && p->dbias != NULL) reals(p->dbias)[c->class[k]] += g;
  }
}

static status xent(op_ctx *ctx, const xent_params *p) {
  const size_t room = (size_t)(p->classes > p->n_negatives ? p->classes : p->n_negatives) + 1;
  candidates c = {.n = 0};
  TRY(mem_new(&c.s, room, sizeof *c.s, "a reference's scores"));
  status rc;
  TRY_GOTO(mem_new(&c.class, room, sizeof *c.class, "a reference's candidates"), done);
  for (int64_t i = 0; i < live(ctx, p->n); i++) xent_row(ctx, p, i, &c);
  // Rows that may have been added to: all classes, or the labels and every negative.
  if (p->dx != NULL && p->touched != NULL) {
    for (int32_t k = 0; p->n_negatives == 0 && k < p->classes; k++) p->touched[k] = 1;
    for (int32_t k = 0; k < p->n_negatives; k++) p->touched[p->negatives[k] - p->class_base] = 1;
    for (int64_t i = 0; i < live(ctx, p->n); i++) p->touched[p->labels[i] - p->class_base] = 1;
  }
done:
  free(c.class);
  free(c.s);
  return rc;
}

static status several(op_ctx *ctx, const classify_params *p) {
  slot_result *r = &ctx->result.slot[p->slot];
  for (int64_t i = 0; i < live(ctx, p->n) * p->classes; i++) {
    const REAL z = reals(p->logits)[i], weight = p->weights != NULL ? reals(p->weights)[i] : 1;
    const int32_t label = p->labels[i];
    // log(1 + exp(z)) with the larger of both exponents taken out
    const REAL largest = z > 0 ? z : 0, sum = MATH(exp)(-largest) + MATH(exp)(z - largest);
    if (p->dlogits != NULL)
      reals(p->dlogits)[i] =
          label < 0 ? 0
                    : (REAL)ctx->state.scale[p->slot] * weight * (MATH(exp)(z - largest) / sum - (REAL)label);
    if (label < 0) continue;
    r->loss += (double)(weight * (MATH(log)(sum) + largest - (REAL)label * z));
    r->weight += (double)weight;
    r->hits += (z > 0) == (label == 1) ? (double)weight : 0;
  }
  return OK;
}

static status classify(op_ctx *ctx, const classify_params *p) {
  if (p->kind == CLASSIFY_SEVERAL) return several(ctx, p);
  slot_result *r = &ctx->result.slot[p->slot];
  for (int64_t i = 0; i < live(ctx, p->n); i++) {
    const REAL *z = reals(p->logits) + i * p->classes;
    const int32_t label = p->labels[i];
    const REAL weight = p->weights != NULL ? reals(p->weights)[i] : 1;
    int32_t best = 0;
    REAL sum = 0;
    for (int32_t c = 1; c < p->classes; c++)
      if (z[c] > z[best]) best = c;
    for (int32_t c = 0; c < p->classes; c++) sum += MATH(exp)(z[c] - z[best]);
    if (label >= 0) {
      r->loss += (double)(weight * (MATH(log)(sum) + z[best] - z[label]));
      r->weight += (double)weight;
      r->hits += best == label ? (double)weight : 0;
    }
    const REAL g = (REAL)ctx->state.scale[p->slot] * weight;
    for (int32_t c = 0; p->dlogits != NULL && c < p->classes; c++)
      reals(p->dlogits)[i * p->classes + c] =
          label < 0 ? 0 : g * (MATH(exp)(z[c] - z[best]) / sum - (c == label ? 1 : 0));
  }
  return OK;
}

static status drop(op_ctx *ctx, const drop_params *p) {
  for (int64_t i = 0; i < live(ctx, p->n); i++)
    for (int32_t j = 0; j < p->hidden; j++) {
      const bool named = p->drop.threshold > 0;
      const int64_t row = named && p->n.kind == ROWS_SEQS     ? p->batch->cu_seqlens[i]
                          : named && p->n.kind == ROWS_MASKED ? p->index[i]
                                                              : i;
      REAL *y = &reals(p->y)[i * p->hidden + j];
      *y = reals(p->x)[i * p->hidden + j] * hidden_keep(ctx, p->batch, p->drop, row, j) + (p->y_add ? *y : 0);
    }
  return OK;
}

// ---- optimiser -----------------------------------------------------------------------------------------------

static bool row_moves(const optim_tensor *t, int64_t element) {
  return t->row == 0 || t->touched[element / t->row] != 0;
}

static status grad_norm(op_ctx *ctx, const optim_params *p) {
  REAL sum = 0;
  for (int32_t k = 0; k < p->n; k++)
    for (int64_t i = 0; i < p->tensors[k].n; i++)
      if (row_moves(&p->tensors[k], i)) sum += reals(p->tensors[k].g)[i] * reals(p->tensors[k].g)[i];
  ctx->result.grad_sumsq = (double)sum;
  if (!isfinite(sum)) ctx->result.nonfinite = 1;
  return OK;
}

// Moments of element i, and the direction of its step (with decay).
static REAL adam_update(const op_ctx *ctx, const optim_params *p, const optim_tensor *t, int64_t i) {
  const REAL step = (REAL)(ctx->state.step + 1), b1 = (REAL)p->beta1, b2 = (REAL)p->beta2;
  const REAL bound = (REAL)(ctx->state.clip_norm / (sqrt(ctx->result.grad_sumsq) + 1e-6));
  const REAL clip = ctx->state.clip_norm > 0 && bound < 1 ? bound : 1;
  const REAL g = reals(t->g)[i] * clip;
  REAL *m = reals(t->m) + i, *v = reals(t->v) + i;
  *m = b1 * *m + (1 - b1) * g;
  *v = b2 * *v + (1 - b2) * g * g;
  const REAL m_hat = *m / (1 - MATH(pow)(b1, step)), v_hat = *v / (1 - MATH(pow)(b2, step));
  return m_hat / (MATH(sqrt)(v_hat) + (REAL)p->eps) + (REAL)t->weight_decay * reals(t->p)[i];
}

static void move(const op_ctx *ctx, const optim_tensor *t, int64_t i, REAL ratio, REAL update) {
  const REAL before = reals(t->p)[i];
  reals(t->p)[i] -= (REAL)ctx->state.lr * (REAL)t->lr_scale * ratio * update;
  if (t->lag != NULL) reals(t->lag)[i] += (before - reals(t->p)[i]) * (REAL)ctx->state.lag_rate;
  if (t->p_compute != NULL) reals(t->p_compute)[i] = reals(t->p)[i];
}

static void forget_gradients(const optim_params *p) {
  for (int32_t k = 0; k < p->n; k++) {
    const optim_tensor *t = &p->tensors[k];
    for (int64_t i = 0; i < t->n; i++) reals(t->g)[i] = 0;
    for (int64_t r = 0; t->row > 0 && r < t->n / t->row; r++) t->touched[r] = 0;
  }
}

static status adamw(op_ctx *ctx, const optim_params *p) {
  for (int32_t k = 0; k < p->n && !ctx->result.nonfinite; k++) {
    const optim_tensor *t = &p->tensors[k];
    for (int64_t i = 0; i < t->n; i++)
      if (row_moves(t, i)) move(ctx, t, i, 1, adam_update(ctx, p, t, i));
  }
  forget_gradients(p);
  return OK;
}

static status lamb_update(op_ctx *ctx, const optim_params *p) {
  if (ctx->result.nonfinite) {
    forget_gradients(p);
    return OK;
  }
  for (int32_t k = 0; k < 2 * p->wholes; k++) p->norms[k] = 0; // there may be none, and no array either
  for (int32_t k = 0; k < p->n; k++) {
    const optim_tensor *t = &p->tensors[k];
    REAL weights = 0, update = 0;
    for (int64_t i = 0; i < t->n; i++) {
      REAL *g = reals(t->g) + i;
      *g = adam_update(ctx, p, t, i);
      weights += reals(t->p)[i] * reals(t->p)[i];
      update += *g * *g;
    }
    p->norms[2 * t->whole] += (double)weights;
    p->norms[2 * t->whole + 1] += (double)update;
  }
  return OK;
}

static status lamb_apply(op_ctx *ctx, const optim_params *p) {
  for (int32_t k = 0; k < p->n && !ctx->result.nonfinite; k++) {
    const optim_tensor *t = &p->tensors[k];
    const REAL weights = (REAL)p->norms[2 * t->whole], update = (REAL)p->norms[2 * t->whole + 1];
    const REAL ratio = t->trust && weights > 0 && update > 0 ? MATH(sqrt)(weights) / MATH(sqrt)(update) : 1;
    for (int64_t i = 0; i < t->n; i++) move(ctx, t, i, ratio, reals(t->g)[i]);
  }
  forget_gradients(p);
  return OK;
}

static status average_weights(op_ctx *ctx, const optim_params *p) {
  (void)ctx;
  for (int32_t k = 0; k < p->n; k++) {
    const optim_tensor *t = &p->tensors[k];
    for (int64_t i = 0; i < t->n; i++)
      reals(t->g)[i] = reals(t->p)[i] + (t->lag != NULL ? (REAL)p->scale * reals(t->lag)[i] : 0);
  }
  return OK;
}

static status average_rescale(op_ctx *ctx, const optim_params *p) {
  (void)ctx;
  for (int32_t k = 0; k < p->n; k++)
    for (int64_t i = 0; p->tensors[k].lag != NULL && i < p->tensors[k].n; i++)
      reals(p->tensors[k].lag)[i] *= (REAL)p->scale;
  return OK;
}

static size_t optim_bytes(const optim_params *p) {
  (void)p;
  return 0;
}

static status optim_prepare(op_ctx *ctx, const optim_params *p) {
  (void)ctx;
  (void)p;
  return OK;
}

// ---- the rest of a backend -----------------------------------------------------------------------------------

static status probe(int32_t device) {
  (void)device;
  return OK;
}

static status open_reference(op_ctx **out, const backend_config *cfg) {
  TRY(mem_new(out, 1, sizeof **out, "a reference backend"));
  (*out)->tf32 = cfg->matmul == MATMUL_TF32;
  return OK;
}

static void close_reference(op_ctx *ctx) {
  free(ctx);
}

static status supports(op_kind kind, const void *params) {
  (void)kind;
  (void)params;
  return OK;
}

static size_t scratch_bytes(op_kind kind, const void *params, int32_t threads) {
  (void)kind;
  (void)params;
  (void)threads;
  return 0;
}

static status allocate(op_ctx *ctx, size_t bytes, const char *what, void **out) {
  (void)ctx;
  return mem_new(out, bytes, 1, what);
}

static void release(op_ctx *ctx, void *p) {
  (void)ctx;
  free(p);
}

static status transfer(op_ctx *ctx, void *to, const void *from, size_t bytes) {
  (void)ctx;
  memcpy(to, from, bytes);
  return OK;
}

static status state_write(op_ctx *ctx, const step_state *state) {
  ctx->state = *state;
  return OK;
}

static status result_clear(op_ctx *ctx) {
  memset(&ctx->result, 0, sizeof ctx->result);
  return OK;
}

static status result_read(op_ctx *ctx, step_result *result) {
  *result = ctx->result;
  return OK;
}

const backend REFERENCE = {
    .version = OPS_VERSION,
    .name = REFERENCE_NAME,
    .act_size = sizeof(REAL),
    .host_memory = true,
    .tf32 = true,
    .probe = probe,
    .open = open_reference,
    .close = close_reference,
    .supports = supports,
    .scratch_bytes = scratch_bytes,
    .mem_alloc = allocate,
    .mem_free = release,
    .upload = transfer,
    .download = transfer,
    .optim_bytes = optim_bytes,
    .optim_prepare = optim_prepare,
    .state_write = state_write,
    .result_clear = result_clear,
    .result_read = result_read,
    .embed_forward = embed_forward,
    .embed_backward = embed_backward,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .linear_forward = linear_forward,
    .linear_backward = linear_backward,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .gather_forward = gather_forward,
    .gather_backward = gather_backward,
    .bag_forward = bag_forward,
    .bag_backward = bag_backward,
    .fuse_forward = fuse_forward,
    .fuse_backward = fuse_backward,
    .xent = xent,
    .classify = classify,
    .drop = drop,
    .scale_forward = scale_forward,
    .scale_backward = scale_backward,
    .orthogonal_forward = orthogonal_forward,
    .orthogonal_backward = orthogonal_backward,
    .importance = importance,
    .grad_norm = grad_norm,
    .adamw = adamw,
    .lamb_update = lamb_update,
    .lamb_apply = lamb_apply,
    .average_weights = average_weights,
    .average_rescale = average_rescale,
};
