// Bytes and operations of ops; see op_cost.h.
#include "ops/bench/op_cost.h"

static const double F = sizeof(float), I = sizeof(int32_t);

static double live(rows n, const batch_facts *f) {
  const int32_t counts[ROWS_KINDS] = {
      [ROWS_FIXED] = n.cap, [ROWS_TOKENS] = f->tokens, [ROWS_SEQS] = f->seqs, [ROWS_MASKED] = f->masked};
  return counts[n.kind];
}

// Ids, types, positions; a row of each table, which is read again for each token (scattered over the table); sum and y.
static op_cost embed_forward(const embed_params *p, const batch_facts *f, double A) {
  const double n = f->tokens, H = p->hidden;
  const double tables =
      (f->types + f->positions + 2.0) * H * A; // these stay in a cache, as gamma and beta do
  return (op_cost){n * (3 * I + 2 * F) + 3 * n * H * A + tables, 14 * n * H};
}

// dy and sum read; of each table the rows that occur are added to.
static op_cost embed_backward(const embed_params *p, const batch_facts *f, double A) {
  const double n = f->tokens, H = p->hidden;
  double added = 0;
  if (p->dword != NULL) added += f->words;
  if (p->dtype != NULL) added += f->types;
  if (p->dposition != NULL) added += f->positions;
  if (p->dgamma != NULL) added += 2;
  return (op_cost){n * (3 * I + 2 * F) + 2 * n * H * A + added * H * 2 * F, 16 * n * H};
}

static op_cost norm_forward(const norm_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), H = p->hidden;
  const double arrays = p->residual != NULL ? 4 : 3; // x, residual, sum, y
  return (op_cost){n * H * arrays * A + 2 * n * F + 2 * H * A, n * H * (p->drop.threshold > 0 ? 18 : 12)};
}

static op_cost norm_backward(const norm_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), H = p->hidden;
  const double arrays = 3 + (p->dsum != NULL) + (p->dresidual != NULL); // dy, sum, dx
  return (op_cost){n * H * arrays * A + 2 * n * F + H * A + (p->dgamma != NULL ? 4 * H * F : 0),
                   n * H * (p->drop.threshold > 0 ? 22 : 16)};
}

static op_cost linear_forward(const linear_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), in = p->in, out = p->out;
  const double made = p->pre != NULL || p->y_add ? 2 : 1; // z and y, or y read and written
  return (op_cost){A * (n * in + in * out + (p->b != NULL ? out : 0) + made * n * out), 2 * n * in * out};
}

static op_cost linear_backward(const linear_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), in = p->in, out = p->out;
  op_cost c = {n * out * A, 0};                        // dy
  if (p->kind != ACT_NONE) c.bytes += 2 * n * out * A; // pre or y, and dz in dy's place
  if (p->db != NULL) c.bytes += 2 * out * F;
  if (p->dx != NULL) {
    c.bytes += A * (in * out + n * in * (p->dx_add ? 2 : 1));
    c.flops += 2 * n * in * out;
  }
  if (p->dw != NULL) {
    c.bytes += A * n * in + 2 * F * in * out;
    c.flops += 2 * n * in * out;
  }
  return c;
}

// Pairs of a query and a key that it sees. (A prefix sees more than causal attention does; counted as that.)
static double pairs(const attention_params *p, const batch_facts *f) {
  return p->kind == ATTENTION_FULL ? f->squares : (f->squares + f->tokens) / 2;
}

static op_cost attention_forward(const attention_params *p, const batch_facts *f, double A) {
  const double n = f->tokens, H = (double)p->heads * p->head_size;
  return (op_cost){4 * n * H * A + n * p->heads * F, 4 * H * pairs(p, f)};
}

// Five matmuls where the forward pass has two.
static op_cost attention_backward(const attention_params *p, const batch_facts *f, double A) {
  const double n = f->tokens, H = (double)p->heads * p->head_size;
  return (op_cost){8 * n * H * A + n * p->heads * F, 10 * H * pairs(p, f)};
}

static op_cost gather(const gather_params *p, const batch_facts *f, double A, bool back) {
  const double n = live(p->n, f), H = p->hidden;
  return (op_cost){n * I + n * H * A * (back ? 3 : 2), back ? n * H : 0};
}

// x is read again for the sums of the factors; those and the factors themselves stay in a cache.
static op_cost scale_pass(const scale_params *p, const batch_facts *f, double A, bool back) {
  const double n = live(p->n, f), W = p->width;
  const double arrays = back ? 2 + (p->dfactor != NULL) : 2 + p->y_add;
  return (op_cost){n * W * A * arrays + (p->factor != NULL ? W * A : 0) +
                       (p->dfactor != NULL ? 2 * W * F : 0),
                   n * W * (back && p->dfactor != NULL ? 3 : 1 + p->y_add)};
}

// Each row that is named is read, or those that occur added to.
static op_cost bag_forward(const bag_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), entries = live(p->entries, f), H = p->hidden;
  return (op_cost){(n + 1 + entries) * I + (n + entries) * H * A, entries * H};
}

static op_cost bag_backward(const bag_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), entries = live(p->entries, f), H = p->hidden;
  return (op_cost){(n + 1 + entries) * I + n * H * A + f->words * H * 2 * F, 2 * entries * H};
}

// Rows that are made, and of these, as far as a list lets know, items.
static double fused_rows(const fuse_params *p, const batch_facts *f) {
  return p->list != NULL ? live(p->listed, f) : p->vocab;
}
static double fused_items(const fuse_params *p, const batch_facts *f) {
  return fused_rows(p, f) * p->items / p->vocab;
}

static op_cost fuse_forward(const fuse_params *p, const batch_facts *f, double A) {
  const double V = fused_rows(p, f), items = fused_items(p, f), H = p->hidden;
  return (op_cost){(2 * V + items) * H * A + (p->list != NULL ? V * I : 0), 2 * items * H};
}

static op_cost fuse_backward(const fuse_params *p, const batch_facts *f, double A) {
  const double V = fused_rows(p, f), items = fused_items(p, f), H = p->hidden;
  double bytes = V * H * F + items * H * A;        // de, dcontent
  if (p->list != NULL) bytes += V * I + V * H * F; // and de again
  if (p->did != NULL) bytes += 2 * V * H * F;
  if (p->dgate != NULL) bytes += items * H * A;
  return (op_cost){bytes, 4 * items * H};
}

static op_cost xent(const xent_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), H = p->hidden;
  const double columns = p->n_negatives > 0 ? p->n_negatives + 1 : p->classes;
  const double table = p->n_negatives > 0 ? f->classes : p->classes; // rows that are read, and added to
  op_cost c = {n * H * A + table * (H + (p->bias != NULL)) * A + n * (I + F), 2 * n * columns * H};
  if (p->dx == NULL) return c;
  c.bytes += n * H * A;
  c.flops += 2 * n * columns * H;
  if (p->dtable != NULL) c.bytes += table * H * 2 * F;
  if (p->dtable != NULL) c.flops += 2 * n * columns * H;
  if (p->dbias != NULL) c.bytes += table * 2 * F;
  c.bytes += p->low * (table * (A + 2 * F) + n * 2 * A);
  c.flops += 4 * n * columns * p->low;
  return c;
}

// Two tables are read, and both models' scores made.
static op_cost leash(const leash_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), H = p->hidden, C = p->classes;
  op_cost c = {2 * (n * H + C * (H + (p->bias != NULL))) * A + n * F, 4 * n * C * H};
  if (p->dx == NULL) return c;
  c.bytes += 2 * n * H * A;
  c.flops += 2 * n * C * H;
  if (p->dtable != NULL) c.bytes += C * H * 2 * F;
  if (p->dtable != NULL) c.flops += 2 * n * C * H;
  if (p->dbias != NULL) c.bytes += C * 2 * F;
  return c;
}

static op_cost classify(const classify_params *p, const batch_facts *f, double A) {
  const double n = live(p->n, f), C = p->classes;
  const double labels = p->kind == CLASSIFY_SEVERAL ? n * C : n;
  return (op_cost){n * C * A * (p->dlogits != NULL ? 2 : 1) + labels * (I + (p->weights != NULL ? F : 0)),
                   8 * n * C};
}

// Of a row-sparse tensor those of the rows that were touched.
static double elements(const optim_params *p, const batch_facts *f) {
  double n = 0;
  for (int32_t i = 0; i < p->n; i++)
    n += p->tensors[i].row > 0 ? (double)f->touched * p->tensors[i].row : (double)p->tensors[i].n;
  return n;
}

static double marks(const optim_params *p) {
  double n = 0;
  for (int32_t i = 0; i < p->n; i++)
    if (p->tensors[i].row > 0) n += (double)(p->tensors[i].n / p->tensors[i].row);
  return n;
}

static double copies(const optim_params *p, const batch_facts *f, double A) {
  return p->n > 0 && p->tensors[0].p_compute != NULL ? elements(p, f) * A : 0;
}

// What the average lags behind, read and written, where there is one.
static double lags(const optim_params *p, const batch_facts *f) {
  return p->n > 0 && p->tensors[0].lag != NULL ? elements(p, f) * F * 2 : 0;
}

// Averages are made of all rows.
static double all_elements(const optim_params *p) {
  double n = 0;
  for (int32_t i = 0; i < p->n; i++) n += (double)p->tensors[i].n;
  return n;
}

static op_cost drop(const drop_params *p, const batch_facts *f, double A) { // x read, y written
  const double n = live(p->n, f) * p->hidden;
  return (op_cost){2 * n * A, 8 * n};
}

// P read; C is smaller.
static op_cost orthogonal(const orthogonal_params *p, bool back) {
  const double R = p->ranks, n = R * p->width;
  return (op_cost){(back ? 3 : 1) * n * F, (back ? 4 : 2) * R * n};
}

// p, g read, both averages read and written.
static op_cost importance(const importance_params *p) {
  const double n = (double)p->ranks * p->width;
  return (op_cost){6 * n * F, 10 * n};
}

static op_cost optimiser(op_index op, const optim_params *p, const batch_facts *f, double A) {
  const double n = elements(p, f), all = all_elements(p);
  switch (op) {
  case INDEX_grad_norm:
    return (op_cost){n * F, 2 * n};
  case INDEX_adamw: // p, m, v read and written, g read and zeroed
    return (op_cost){n * F * 8 + copies(p, f, A) + lags(p, f) + marks(p), n * 20};
  case INDEX_lamb_update: // p, g, m, v read, m, v and the update in g's place written
    return (op_cost){n * F * 7, n * 24};
  case INDEX_lamb_apply: // p and g read and written
    return (op_cost){n * F * 4 + copies(p, f, A) + lags(p, f), n * 2};
  case INDEX_average_weights: // p and lag read, g written
    return (op_cost){all * F * 3, all * 2};
  default: // average_rescale: lag read and written
    return (op_cost){all * F * 2, all};
  }
}

op_cost op_cost_of(op_index op, const op_params *p, const batch_facts *f, size_t act_size) {
  const double A = (double)act_size;
  switch (op) {
  case INDEX_embed_forward:
    return embed_forward(&p->embed, f, A);
  case INDEX_embed_backward:
    return embed_backward(&p->embed, f, A);
  case INDEX_norm_forward:
    return norm_forward(&p->norm, f, A);
  case INDEX_norm_backward:
    return norm_backward(&p->norm, f, A);
  case INDEX_linear_forward:
    return linear_forward(&p->linear, f, A);
  case INDEX_linear_backward:
    return linear_backward(&p->linear, f, A);
  case INDEX_attention_forward:
    return attention_forward(&p->attention, f, A);
  case INDEX_attention_backward:
    return attention_backward(&p->attention, f, A);
  case INDEX_gather_forward:
    return gather(&p->gather, f, A, false);
  case INDEX_gather_backward:
    return gather(&p->gather, f, A, true);
  case INDEX_bag_forward:
    return bag_forward(&p->bag, f, A);
  case INDEX_bag_backward:
    return bag_backward(&p->bag, f, A);
  case INDEX_fuse_forward:
    return fuse_forward(&p->fuse, f, A);
  case INDEX_fuse_backward:
    return fuse_backward(&p->fuse, f, A);
  case INDEX_xent:
    return xent(&p->xent, f, A);
  case INDEX_leash:
    return leash(&p->leash, f, A);
  case INDEX_classify:
    return classify(&p->classify, f, A);
  case INDEX_drop:
    return drop(&p->drop, f, A);
  case INDEX_scale_forward:
    return scale_pass(&p->scale, f, A, false);
  case INDEX_scale_backward:
    return scale_pass(&p->scale, f, A, true);
  case INDEX_orthogonal_forward:
    return orthogonal(&p->orthogonal, false);
  case INDEX_orthogonal_backward:
    return orthogonal(&p->orthogonal, true);
  case INDEX_importance:
    return importance(&p->importance);
  case INDEX_grad_norm:
  case INDEX_adamw:
  case INDEX_lamb_update:
  case INDEX_lamb_apply:
  case INDEX_average_weights:
  case INDEX_average_rescale:
    return optimiser(op, &p->optim, f, A);
  case N_OPS:
    break;
  }
  return (op_cost){0, 0};
}
