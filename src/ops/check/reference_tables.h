// References of item vectors, and the ranks of adapters. A part of reference_body.h, like which it is compiled twice and has no guard.

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
      if (p->list != NULL) reals(p->de)[at] = 0;
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
