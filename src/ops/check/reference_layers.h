// References of the layers of an encoder: norms, linear, attention, gather, scaling of columns. A part of reference_body.h, like which it is compiled twice and has no guard.

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
