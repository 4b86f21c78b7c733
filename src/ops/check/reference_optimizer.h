// References of the optimiser. A part of reference_body.h, like which it is compiled twice and has no guard.

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
