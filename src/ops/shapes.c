// Shapes of ops; see shapes.h. Part of the program and of each backend that is loaded.
#include "ops/shapes.h"

#include <stddef.h>
#include <stdio.h>

_Static_assert(sizeof(backend) == offsetof(backend, embed_forward) + N_OPS * sizeof(void (*)(void)),
               "the ops of OP_LIST end the table: another op belongs into the list");

const char *const matmul_names[] = {"fp32", "tf32"};

#define OP_NAME(name, params, kind) #name,
const char *const op_names[N_OPS] = {OP_LIST(OP_NAME)};
#define OP_KIND(name, params, kind) kind,
const op_kind op_kinds[N_OPS] = {OP_LIST(OP_KIND)};

static status bad_shape(const char *name, const char *op, const char *field, int64_t value) {
  return fail(ERR_UNSUPPORTED, "the %s backend's %s does not support %s = %lld", name, op, field,
              (long long)value);
}

static status check_dropout(const char *name, const char *op, dropout drop) {
  return drop.threshold > 255 ? bad_shape(name, op, "dropout threshold", drop.threshold) : OK;
}

static status check_slot(const char *name, const char *op, int32_t slot) {
  return slot < 0 || slot >= MAX_SLOTS ? bad_shape(name, op, "slot", slot) : OK;
}

enum { MOST_RANKS = 4096 };
enum { MOST_ROW = 1 << 24 }; // elements of a row of a row-sparse tensor

static status check_table(const char *name, const optim_params *p) {
  int32_t before = 0;
  for (int32_t i = 0; i < p->n; i++) {
    const optim_tensor *t = &p->tensors[i];
    if (t->n < 0) return bad_shape(name, "optimiser", "n", t->n);
    if (t->row < 0 || t->row > MOST_ROW || (t->row > 0 && t->n % t->row != 0))
      return bad_shape(name, "row-sparse optimiser", "row", t->row);
    if (t->whole < before || t->whole >= p->wholes)
      return bad_shape(name, "optimiser, whose tensors come in order,", "whole", t->whole);
    before = t->whole;
  }
  return OK;
}

static status check_embed(const char *name, const embed_params *p) {
  if (p->hidden < 1) return bad_shape(name, "embed", "hidden", p->hidden);
  return check_dropout(name, "embed", p->drop);
}

static status check_norm(const char *name, const norm_params *p) {
  if (p->hidden < 1) return bad_shape(name, "norm", "hidden", p->hidden);
  if (p->drop.threshold > 0 && p->n.kind != ROWS_TOKENS)
    return bad_shape(name, "norm with dropout", "rows kind", p->n.kind);
  if (p->path.threshold > 0 && p->n.kind != ROWS_TOKENS)
    return bad_shape(name, "norm with stochastic depth", "rows kind", p->n.kind);
  TRY(check_dropout(name, "norm's stochastic depth", p->path));
  return check_dropout(name, "norm", p->drop);
}

static status check_linear(const char *name, const linear_params *p) {
  if (p->in < 1) return bad_shape(name, "linear", "in", p->in);
  if (p->y_add && p->kind == ACT_TANH)
    return fail(ERR_UNSUPPORTED, "the %s backend's linear adds into y with GELU or without an activation",
                name);
  return p->out < 1 ? bad_shape(name, "linear", "out", p->out) : OK;
}

static status check_attention(const char *name, const attention_params *p) {
  if (p->heads < 1 || p->heads > 4095) return bad_shape(name, "attention", "heads", p->heads);
  if (p->head_size < 1 || p->head_size > 512) return bad_shape(name, "attention", "head size", p->head_size);
  if (p->max_length < 1) return bad_shape(name, "attention", "longest sequence", p->max_length);
  return check_dropout(name, "attention", p->drop);
}

static status check_gather(const char *name, const gather_params *p) {
  return p->hidden < 1 ? bad_shape(name, "gather", "hidden", p->hidden) : OK;
}

static status check_bag(const char *name, const bag_params *p) {
  if (p->hidden < 1) return bad_shape(name, "mean of rows", "hidden", p->hidden);
  return p->vocab < 1 ? bad_shape(name, "mean of rows", "vocab", p->vocab) : OK;
}

static status check_fuse(const char *name, const fuse_params *p) {
  if (p->hidden < 1) return bad_shape(name, "fusion of item vectors", "hidden", p->hidden);
  if (p->id_threshold > 256)
    return bad_shape(name, "fusion of item vectors", "id_threshold", p->id_threshold);
  if (p->base < 0 || p->items < 1) return bad_shape(name, "fusion of item vectors", "items", p->items);
  if (p->items > p->vocab - p->base) return bad_shape(name, "fusion of item vectors", "vocab", p->vocab);
  return p->listed.cap < 0 || p->listed.cap > p->vocab
             ? bad_shape(name, "fusion of item vectors", "listed", p->listed.cap)
             : OK;
}

static status check_xent(const char *name, const xent_params *p) {
  if (p->hidden < 1) return bad_shape(name, "cross-entropy", "hidden", p->hidden);
  if (p->n_negatives < 0) return bad_shape(name, "cross-entropy", "negatives", p->n_negatives);
  TRY(check_slot(name, "cross-entropy", p->slot));
  if (p->loss != LOSS_SOFTMAX && p->n_negatives == 0)
    return fail(ERR_UNSUPPORTED, "the %s backend's binary losses need negatives", name);
  if (!(p->smoothing >= 0 && p->smoothing < 1) || (p->smoothing > 0 && p->loss != LOSS_SOFTMAX))
    return fail(ERR_UNSUPPORTED, "the %s backend's %s does not support label smoothing of %g", name,
                p->loss == LOSS_SOFTMAX ? "cross-entropy" : "binary loss", (double)p->smoothing);
  if (p->low < 0 || (p->low > 0 && (p->n_negatives > 0 || p->score != SCORE_DOT)))
    return fail(
        ERR_UNSUPPORTED,
        "the %s backend makes gradients of a table's factors with the full softmax of dot scores only", name);
  if (!(p->beta >= 0))
    return fail(ERR_UNSUPPORTED, "the %s backend's loss has beta = %g", name, (double)p->beta);
  return p->classes < 1 ? bad_shape(name, "cross-entropy", "classes", p->classes) : OK;
}

static status check_leash(const char *name, const leash_params *p) {
  if (p->hidden < 1) return bad_shape(name, "leash", "hidden", p->hidden);
  TRY(check_slot(name, "leash", p->slot));
  return p->classes < 1 ? bad_shape(name, "leash", "classes", p->classes) : OK;
}

static status check_classify(const char *name, const classify_params *p) {
  TRY(check_slot(name, "classification loss", p->slot));
  const int32_t fewest = p->kind == CLASSIFY_ONE ? 2 : 1;
  return p->classes < fewest || p->classes > 4096
             ? bad_shape(name, "classification loss", "classes", p->classes)
             : OK;
}

static status check_drop(const char *name, const drop_params *p) {
  if (p->hidden < 1) return bad_shape(name, "dropout", "hidden", p->hidden);
  if (p->n.kind == ROWS_FIXED)
    return fail(ERR_UNSUPPORTED, "the %s backend's dropout is of tokens or sequences", name);
  return check_dropout(name, "dropout", p->drop);
}

static status check_scale(const char *name, const scale_params *p) {
  if (p->width < 1) return bad_shape(name, "scaling of columns", "width", p->width);
  if (p->at < 0 || p->at > (p->y_width > 0 ? p->y_width : p->width) - p->width)
    return bad_shape(name, "scaling of columns", "first column", p->at);
  return OK;
}

static status check_orthogonal(const char *name, const orthogonal_params *p) {
  if (p->ranks < 1 || p->ranks > MOST_RANKS) return bad_shape(name, "orthogonality", "ranks", p->ranks);
  return p->width < 1 ? bad_shape(name, "orthogonality", "width", p->width) : OK;
}

static status check_importance(const char *name, const importance_params *p) {
  if (p->ranks < 1 || p->ranks > MOST_RANKS) return bad_shape(name, "importance", "ranks", p->ranks);
  return p->width < 1 ? bad_shape(name, "importance", "width", p->width) : OK;
}

status shapes_check(const char *name, op_kind kind, const void *params) {
  switch (kind) {
  case OP_EMBED:
    return check_embed(name, params);
  case OP_NORM:
    return check_norm(name, params);
  case OP_LINEAR:
    return check_linear(name, params);
  case OP_ATTENTION:
    return check_attention(name, params);
  case OP_GATHER:
    return check_gather(name, params);
  case OP_BAG:
    return check_bag(name, params);
  case OP_FUSE:
    return check_fuse(name, params);
  case OP_XENT:
    return check_xent(name, params);
  case OP_LEASH:
    return check_leash(name, params);
  case OP_CLASSIFY:
    return check_classify(name, params);
  case OP_DROP:
    return check_drop(name, params);
  case OP_SCALE:
    return check_scale(name, params);
  case OP_ORTHOGONAL:
    return check_orthogonal(name, params);
  case OP_IMPORTANCE:
    return check_importance(name, params);
  case OP_OPTIM:
    return check_table(name, params);
  case OP_COUNT:
    break;
  }
  return fail(ERR_INTERNAL, "the %s backend knows no op of kind %d", name, (int)kind);
}

static void xent_text(const xent_params *p, char text[SHAPE_TEXT]) {
  static const char *const losses[] = {"", ", gBCE", ", BPR"};
  char score[24];
  snprintf(score, sizeof score, "%s%s", losses[p->loss], p->score == SCORE_COSINE ? ", cosine" : "");
  if (p->n_negatives > 0)
    snprintf(text, SHAPE_TEXT, "%d x %d, %d negatives of %d classes%s", p->n.cap, p->hidden, p->n_negatives,
             p->classes, score);
  else
    snprintf(text, SHAPE_TEXT, "%d x %d, %d classes%s", p->n.cap, p->hidden, p->classes, score);
}

static void leash_text(const leash_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d x %d, %d classes", p->n.cap, p->hidden, p->classes);
}

static void optim_text(const optim_params *p, char text[SHAPE_TEXT]) {
  long long elements = 0, rows_n = 0;
  for (int32_t i = 0; i < p->n; i++) {
    elements += p->tensors[i].n;
    if (p->tensors[i].row > 0) rows_n += p->tensors[i].n / p->tensors[i].row;
  }
  char tensors[32] = "";
  if (p->n != 1) snprintf(tensors, sizeof tensors, "%d tensors, ", p->n);
  const int n = snprintf(text, SHAPE_TEXT, "%s%lld elements", tensors, elements);
  if (rows_n > 0) snprintf(text + n, SHAPE_TEXT - (size_t)n, ", %lld rows", rows_n);
}

static void embed_text(const embed_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d x %d, %d words", p->n.cap, p->hidden, p->vocab);
}

static void norm_text(const norm_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d x %d%s%s", p->n.cap, p->hidden, p->drop.threshold > 0 ? ", dropout" : "",
           p->path.threshold > 0 ? ", stochastic depth" : "");
}

static void linear_text(const linear_params *p, char text[SHAPE_TEXT]) {
  static const char *const activations[] = {"", ", gelu_new", ", gelu", ", tanh"};
  snprintf(text, SHAPE_TEXT, "%d x %d to %d%s", p->n.cap, p->in, p->out, activations[p->kind]);
}

static void attention_text(const attention_params *p, char text[SHAPE_TEXT]) {
  static const char *const seen[] = {"", ", causal", ", prefix"};
  snprintf(text, SHAPE_TEXT, "%d tokens, %d heads of %d%s", p->n.cap, p->heads, p->head_size, seen[p->kind]);
}

static void gather_text(const gather_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d of %d x %d", p->n.cap, p->source.cap, p->hidden);
}

static void bag_text(const bag_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d of %d rows of %d x %d", p->n.cap, p->entries.cap, p->vocab, p->hidden);
}

static void fuse_text(const fuse_params *p, char text[SHAPE_TEXT]) {
  char listed[32] = "";
  if (p->list != NULL) snprintf(listed, sizeof listed, "%d listed of ", p->listed.cap);
  snprintf(text, SHAPE_TEXT, "%s%d x %d, %d items%s", listed, p->vocab, p->hidden, p->items,
           p->gate != NULL ? "" : ", content alone");
}

static void classify_text(const classify_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d x %d%s", p->n.cap, p->classes,
           p->kind == CLASSIFY_SEVERAL ? ", several labels" : "");
}

static void drop_text(const drop_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d x %d", p->n.cap, p->hidden);
}

static void scale_text(const scale_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d x %d of %d%s", p->n.cap, p->width, p->y_width > 0 ? p->y_width : p->width,
           p->factor != NULL ? ", by columns" : "");
}

static void orthogonal_text(const orthogonal_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d ranks of %d%s", p->ranks, p->width, p->columns ? ", columns" : "");
}

static void importance_text(const importance_params *p, char text[SHAPE_TEXT]) {
  snprintf(text, SHAPE_TEXT, "%d ranks of %d%s", p->ranks, p->width, p->columns ? ", columns" : "");
}

void shapes_text(op_kind kind, const void *params, char text[SHAPE_TEXT]) {
  text[0] = '\0';
  switch (kind) {
  case OP_EMBED:
    embed_text(params, text);
    return;
  case OP_NORM:
    norm_text(params, text);
    return;
  case OP_LINEAR:
    linear_text(params, text);
    return;
  case OP_ATTENTION:
    attention_text(params, text);
    return;
  case OP_GATHER:
    gather_text(params, text);
    return;
  case OP_BAG:
    bag_text(params, text);
    return;
  case OP_FUSE:
    fuse_text(params, text);
    return;
  case OP_XENT:
    xent_text(params, text);
    return;
  case OP_LEASH:
    leash_text(params, text);
    return;
  case OP_CLASSIFY:
    classify_text(params, text);
    return;
  case OP_DROP:
    drop_text(params, text);
    return;
  case OP_SCALE:
    scale_text(params, text);
    return;
  case OP_ORTHOGONAL:
    orthogonal_text(params, text);
    return;
  case OP_IMPORTANCE:
    importance_text(params, text);
    return;
  case OP_OPTIM:
    optim_text(params, text);
    return;
  case OP_COUNT:
    return;
  }
}
