// References of losses. A part of reference_body.h, like which it is compiled twice and has no guard.

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

// What the gradient g of a row's score of a class is to the table's factors.
static void add_factors(const xent_params *p, int64_t i, int64_t class, REAL g) {
  g *= (REAL)p->inv_temperature;
  for (int32_t j = 0; j < p->low; j++) {
    const int64_t of_row = i * p->low + j, of_class = class * p->low + j;
    if (p->dx_low != NULL) reals(p->dx_low)[of_row] += g * reals(p->table_low)[of_class];
    if (p->dtable_low != NULL) reals(p->dtable_low)[of_class] += g * reals(p->x_low)[of_row];
  }
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
  for (int32_t j = 0; p->dx_low != NULL && j < p->low; j++) reals(p->dx_low)[i * p->low + j] = 0;
  for (int32_t k = 0; k < c->n; k++) {
    const REAL g = (REAL)ctx->state.scale[p->slot] * weight * c->s[k];
    const int64_t row = (int64_t)c->class[k] * p->hidden;
    add_score_gradient(ctx, p, x, reals(p->table) + row, g * (REAL)p->inv_temperature, dx);
    if (p->dtable != NULL)
      add_score_gradient(ctx, p, reals(p->table) + row, x, g * (REAL)p->inv_temperature,
                         reals(p->dtable) + row);
    if (p->bias != NULL && p->dbias != NULL) reals(p->dbias)[c->class[k]] += g;
    add_factors(p, i, c->class[k], g);
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

// Logits of row i of a model.
static void leash_scores(const op_ctx *ctx, const leash_params *p, int64_t i, bool base, REAL *s) {
  const REAL *x = reals(base ? p->base_x : p->x) + i * p->hidden, *t = reals(base ? p->base_table : p->table);
  const act *bias = base ? p->base_bias : p->bias;
  for (int64_t c = 0; c < p->classes; c++) {
    REAL dot = 0;
    for (int32_t j = 0; j < p->hidden; j++) dot += operand(ctx, x[j]) * operand(ctx, t[c * p->hidden + j]);
    s[c] = (REAL)(base ? p->base_inv_temperature : p->inv_temperature) * dot +
           (bias != NULL ? reals(bias)[c] : 0);
  }
}

// Logarithms of the softmax, in place.
static void log_shares(REAL *s, int32_t n) {
  REAL best = s[0], sum = 0;
  for (int32_t c = 1; c < n; c++) best = s[c] > best ? s[c] : best;
  for (int32_t c = 0; c < n; c++) sum += MATH(exp)(s[c] - best);
  for (int32_t c = 0; c < n; c++) s[c] -= best + MATH(log)(sum);
}

// s and s0: room for the classes.
static void leash_row(op_ctx *ctx, const leash_params *p, int64_t i, REAL *s, REAL *s0) {
  const int32_t H = p->hidden;
  const REAL *x = reals(p->x) + i * H, weight = p->weights != NULL ? (REAL)p->weights[i] : 1;
  leash_scores(ctx, p, i, false, s);
  leash_scores(ctx, p, i, true, s0);
  log_shares(s, p->classes);
  log_shares(s0, p->classes);
  REAL loss = 0;
  for (int32_t c = 0; c < p->classes; c++) loss += MATH(exp)(s0[c]) * (s0[c] - s[c]);
  if (p->row_loss != NULL) reals(p->row_loss)[i] = loss;
  ctx->result.slot[p->slot].loss += (double)(weight * loss);
  ctx->result.slot[p->slot].weight += (double)weight;
  for (int64_t c = 0; p->dx != NULL && c < p->classes; c++) {
    const REAL g = (REAL)ctx->state.scale[p->slot] * weight * (MATH(exp)(s[c]) - MATH(exp)(s0[c]));
    if (p->bias != NULL && p->dbias != NULL) reals(p->dbias)[c] += g;
    for (int32_t j = 0; j < H; j++) {
      reals(p->dx)[i * H + j] +=
          (REAL)p->inv_temperature * operand(ctx, g) * operand(ctx, reals(p->table)[c * H + j]);
      if (p->dtable != NULL)
        reals(p->dtable)[c * H + j] += (REAL)p->inv_temperature * operand(ctx, g) * operand(ctx, x[j]);
    }
  }
}

static status leash(op_ctx *ctx, const leash_params *p) {
  REAL *s;
  TRY(mem_new(&s, 2 * (size_t)p->classes, sizeof *s, "scores"));
  for (int64_t i = 0; i < live(ctx, p->n); i++) leash_row(ctx, p, i, s, s + p->classes);
  if (p->dx != NULL && p->touched != NULL) memset(p->touched, 1, (size_t)p->classes);
  free(s);
  return OK;
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
