// The models, and their ops with the arguments that model/encoder.c, model/objectives and train/optimizer.c give them.
#include <math.h>
#include "ops/bench/bench_internal.h"

const bench_model bench_models[] = {
    {.name = "bert-base",
     .what = "12 layers x 768, sequences of 128, 30,522 words",
     .layers = 12,
     .hidden = 768,
     .heads = 12,
     .intermediate = 3072,
     .vocab = 30522,
     .types = 2,
     .positions = 512,
     .length = 128,
     .shortest = 128,
     .tokens = 32768,
     .host_tokens = 1024,
     .masked = 0.15,
     .pairs = true,
     .dropout = 0.1f,
     .attention_dropout = 0.1f},
    {.name = "bert-large",
     .what = "24 layers x 1024, sequences of 512, 30,522 words",
     .layers = 24,
     .hidden = 1024,
     .heads = 16,
     .intermediate = 4096,
     .vocab = 30522,
     .types = 2,
     .positions = 512,
     .length = 512,
     .shortest = 512,
     .tokens = 32768,
     .host_tokens = 1024,
     .masked = 0.15,
     .pairs = true,
     .dropout = 0.1f,
     .attention_dropout = 0.1f},
    {.name = "beauty", // configs/beauty.yaml
     .what = "2 layers x 128, histories of 5 to 50, 54,542 items, 4,096 negatives",
     .layers = 2,
     .hidden = 128,
     .heads = 4,
     .intermediate = 512,
     .vocab = 54542,
     .types = 1,
     .positions = 50,
     .length = 50,
     .shortest = 5,
     .tokens = 4096,
     .host_tokens = 4096,
     .masked = 0.3,
     .negatives = 4096,
     .dropout = 0.3f,
     .attention_dropout = 0.1f},
    {.name = "tiny", // for tests
     .what = "2 layers x 32, histories of 3 to 16, 100 items, 24 negatives",
     .layers = 2,
     .hidden = 32,
     .heads = 2,
     .intermediate = 128,
     .vocab = 100,
     .types = 2,
     .positions = 16,
     .length = 16,
     .shortest = 3,
     .tokens = 128,
     .host_tokens = 128,
     .masked = 0.3,
     .negatives = 24,
     .pairs = true,
     .dropout = 0.1f,
     .attention_dropout = 0.1f},
};
const int32_t n_bench_models = sizeof bench_models / sizeof *bench_models;

// ---- arguments -----------------------------------------------------------------------------------------------

static rows tokens(const maker *k) {
  return (rows){ROWS_TOKENS, k->batch->facts.tokens};
}

static rows masked(const maker *k) {
  return (rows){ROWS_MASKED, k->batch->facts.masked};
}

static rows sequences(const maker *k) {
  return (rows){ROWS_SEQS, k->batch->facts.seqs};
}

static dropout drop(float p) {
  return (dropout){.site = 1, .threshold = (uint32_t)(p * 256 + 0.5f)};
}

static void embeddings(maker *k, op_params *p) {
  const bench_model *m = k->model;
  const int32_t H = m->hidden, T = k->batch->facts.tokens;
  p->embed = (embed_params){.batch = &k->batch->view,
                            .n = tokens(k),
                            .hidden = H,
                            .vocab = m->vocab,
                            .n_types = m->types,
                            .n_positions = m->positions,
                            .word = take_acts(k, FORWARD, READ, m->vocab, H, 1),
                            .type = take_acts(k, FORWARD, READ, m->types, H, 1),
                            .position = take_acts(k, FORWARD, READ, m->positions, H, 1),
                            .gamma = take_acts(k, BOTH, READ, 1, H, 1),
                            .beta = take_acts(k, FORWARD, READ, 1, H, 1),
                            .eps = 1e-12f,
                            .drop = drop(m->dropout),
                            .sum = take_acts(k, BOTH, READ, T, H, 1), // the backward pass reads it
                            .mean = take_floats(k, BOTH, READ, T, 1, 0.01f),
                            .rstd = take_floats(k, BOTH, READ, T, 1, 1),
                            .y = take_acts(k, FORWARD, MADE, T, H, 1),
                            .dy = take_acts(k, BACKWARD, READ, T, H, 1),
                            .dword = take_floats(k, BACKWARD, ADDED, m->vocab, H, 1),
                            .dtype = take_floats(k, BACKWARD, ADDED, m->types, H, 1),
                            .dposition = take_floats(k, BACKWARD, ADDED, m->positions, H, 1),
                            .dgamma = take_floats(k, BACKWARD, ADDED, 1, H, 1),
                            .dbeta = take_floats(k, BACKWARD, ADDED, 1, H, 1)};
}

static void norm(maker *k, op_params *p, rows n, bool residual, float dropped) {
  const int32_t H = k->model->hidden;
  p->norm = (norm_params){.batch = &k->batch->view,
                          .n = n,
                          .hidden = H,
                          .x = take_acts(k, FORWARD, READ, n.cap, H, 1),
                          .residual = residual ? take_acts(k, FORWARD, READ, n.cap, H, 1) : NULL,
                          .gamma = take_acts(k, BOTH, READ, 1, H, 1),
                          .beta = take_acts(k, FORWARD, READ, 1, H, 1),
                          .eps = 1e-12f,
                          .drop = drop(dropped),
                          .sum = take_acts(k, BOTH, READ, n.cap, H, 1),
                          .mean = take_floats(k, BOTH, READ, n.cap, 1, 0.01f),
                          .rstd = take_floats(k, BOTH, READ, n.cap, 1, 1),
                          .y = take_acts(k, FORWARD, MADE, n.cap, H, 1),
                          .dy = take_acts(k, BACKWARD, READ, n.cap, H, 1),
                          .dx = take_acts(k, BACKWARD, MADE, n.cap, H, 1),
                          .dresidual = residual ? take_acts(k, BACKWARD, MADE, n.cap, H, 1) : NULL,
                          .dgamma = take_floats(k, BACKWARD, ADDED, 1, H, 1),
                          .dbeta = take_floats(k, BACKWARD, ADDED, 1, H, 1)};
}

static void layer_norm(maker *k, op_params *p) {
  norm(k, p, tokens(k), true, k->model->dropout);
}

static void transform_norm(maker *k, op_params *p) {
  norm(k, p, masked(k), false, 0);
}

static void linear(maker *k, op_params *p, rows n, int32_t in, int32_t out, activation kind, bool dx_add) {
  const bool gelu = kind == ACT_GELU_ERF || kind == ACT_GELU_TANH;
  p->linear = (linear_params){.n = n,
                              .in = in,
                              .out = out,
                              .x = take_acts(k, BOTH, READ, n.cap, in, 1),
                              .w = take_acts(k, BOTH, READ, out, in, 1 / sqrtf((float)in)),
                              .b = take_acts(k, FORWARD, READ, 1, out, 1),
                              .kind = kind,
                              .pre = gelu ? take_acts(k, BOTH, READ, n.cap, out, 1) : NULL,
                              .y = take_acts(k, kind == ACT_TANH ? BOTH : FORWARD, READ, n.cap, out,
                                             0.3f), // of tanh: inside of -1 and 1, mostly
                              .dy = take_acts(k, BACKWARD, kind == ACT_NONE ? READ : CONSUMED, n.cap, out, 1),
                              .dx = take_acts(k, BACKWARD, dx_add ? ADDED : MADE, n.cap, in, 1),
                              .dw = take_floats(k, BACKWARD, ADDED, out, in, 1),
                              .db = take_floats(k, BACKWARD, ADDED, 1, out, 1),
                              .dx_add = dx_add};
}

static void qkv(maker *k, op_params *p) {
  linear(k, p, tokens(k), k->model->hidden, 3 * k->model->hidden, ACT_NONE, true);
}

static void projection(maker *k, op_params *p) {
  linear(k, p, tokens(k), k->model->hidden, k->model->hidden, ACT_NONE, false);
}

static void ffn1(maker *k, op_params *p) {
  linear(k, p, tokens(k), k->model->hidden, k->model->intermediate, ACT_GELU_TANH, true);
}

static void ffn2(maker *k, op_params *p) {
  linear(k, p, tokens(k), k->model->intermediate, k->model->hidden, ACT_NONE, false);
}

static void transform(maker *k, op_params *p) {
  linear(k, p, masked(k), k->model->hidden, k->model->hidden, ACT_GELU_TANH, false);
}

static void pooler(maker *k, op_params *p) {
  linear(k, p, sequences(k), k->model->hidden, k->model->hidden, ACT_TANH, false);
}

static void next_sentence(maker *k, op_params *p) {
  linear(k, p, sequences(k), k->model->hidden, 2, ACT_NONE, false);
}

static void attention(maker *k, op_params *p) {
  const bench_model *m = k->model;
  const int32_t H = m->hidden, T = k->batch->facts.tokens;
  p->attention = (attention_params){.batch = &k->batch->view,
                                    .n = tokens(k),
                                    .max_seqs = k->batch->facts.seqs,
                                    .max_work = k->batch->facts.work,
                                    .max_length = k->batch->facts.positions,
                                    .heads = m->heads,
                                    .head_size = H / m->heads,
                                    .kind = ATTENTION_FULL,
                                    .scale = 1 / sqrtf((float)H / (float)m->heads),
                                    .drop = drop(m->attention_dropout),
                                    .qkv = take_acts(k, BOTH, READ, T, 3 * H, 1),
                                    .out = take_acts(k, BOTH, READ, T, H, 0.2f),
                                    .lse = take_floats(k, BOTH, READ, m->heads, T, 5),
                                    .dout = take_acts(k, BACKWARD, READ, T, H, 1),
                                    .dqkv = take_acts(k, BACKWARD, MADE, T, 3 * H, 1)};
}

static void gather(maker *k, op_params *p, rows n, const int32_t *index) {
  const int32_t H = k->model->hidden, T = k->batch->facts.tokens;
  p->gather = (gather_params){.n = n,
                              .hidden = H,
                              .source = tokens(k),
                              .index = index,
                              .distinct = true,
                              .x = take_acts(k, FORWARD, READ, T, H, 1),
                              .y = take_acts(k, FORWARD, MADE, n.cap, H, 1),
                              .dy = take_acts(k, BACKWARD, READ, n.cap, H, 1),
                              .dx = take_acts(k, BACKWARD, ADDED, T, H, 1)};
}

static void masked_rows(maker *k, op_params *p) {
  gather(k, p, masked(k), k->batch->view.masked);
}

static void first_tokens(maker *k, op_params *p) {
  gather(k, p, sequences(k), k->batch->view.cu_seqlens);
}

// Each sequence is the text of an item. (A model with items of content has these two ops, others do not.)
static void texts(maker *k, op_params *p) {
  const int32_t H = k->model->hidden, B = k->batch->facts.seqs, V = k->model->vocab;
  p->bag = (bag_params){.n = sequences(k),
                        .entries = tokens(k),
                        .hidden = H,
                        .vocab = V,
                        .offsets = k->batch->view.cu_seqlens,
                        .index = k->batch->view.ids,
                        .table = take_acts(k, FORWARD, READ, V, H, 1),
                        .y = take_acts(k, FORWARD, MADE, B, H, 1),
                        .dy = take_acts(k, BACKWARD, READ, B, H, 1),
                        .dtable = take_floats(k, BACKWARD, ADDED, V, H, 1)};
}

static void vectors_of(maker *k, op_params *p, int32_t V) {
  const int32_t H = k->model->hidden, items = V - V / 8;
  p->fuse = (fuse_params){.vocab = V,
                          .base = V - items,
                          .items = items,
                          .hidden = H,
                          .id_threshold = 26,
                          .id = take_acts(k, BOTH, READ, V, H, 1),
                          .content = take_acts(k, FORWARD, READ, items, H, 1),
                          .gate = take_acts(k, BOTH, READ, 1, H, 1),
                          .e = take_acts(k, FORWARD, MADE, V, H, 1),
                          .de = take_floats(k, BACKWARD, READ, V, H, 1),
                          .dcontent = take_acts(k, BACKWARD, MADE, items, H, 1),
                          .did = take_floats(k, BACKWARD, ADDED, V, H, 1),
                          .dgate = take_floats(k, BACKWARD, ADDED, 1, H, 1)};
}

static void item_vectors(maker *k, op_params *p) {
  vectors_of(k, p, k->model->vocab);
}

// Those whose numbers a batch's masked rows have, which are distinct and below its tokens. (A model with items of content has
// these where its loss is sampled.)
static void listed_vectors(maker *k, op_params *p) {
  const int32_t V = k->model->vocab, tokens = k->batch->facts.tokens;
  vectors_of(k, p, V > tokens ? V : tokens);
  p->fuse.list = k->batch->view.masked;
  p->fuse.listed = masked(k);
}

static void loss(maker *k, op_params *p, bool gradients) {
  const bench_model *m = k->model;
  const int32_t H = m->hidden, M = k->batch->facts.masked;
  const batch_view *b = &k->batch->view;
  p->xent = (xent_params){.n = masked(k),
                          .hidden = H,
                          .classes = m->vocab,
                          .n_negatives = m->negatives,
                          .labels = b->labels,
                          .weights = b->weights,
                          .negatives = b->negatives,
                          .negative_logq = b->negative_logq,
                          .label_logq = b->label_logq,
                          .score = SCORE_DOT,
                          .inv_temperature = 1,
                          .forward_only = !gradients,
                          .x = take_acts(k, BOTH, READ, M, H, 1),
                          .table = take_acts(k, BOTH, READ, m->vocab, H, 1 / sqrtf((float)H)),
                          .bias = take_acts(k, BOTH, READ, m->vocab, 1, 1)};
  if (!gradients) return;
  p->xent.dx = take_acts(k, BOTH, MADE, M, H, 1);
  p->xent.dtable = take_floats(k, BOTH, ADDED, m->vocab, H, 1);
  p->xent.dbias = take_floats(k, BOTH, ADDED, m->vocab, 1, 1);
}

static void loss_alone(maker *k, op_params *p) {
  loss(k, p, false);
}

static void loss_and_gradients(maker *k, op_params *p) {
  loss(k, p, true);
}

static void held_back(maker *k, op_params *p) {
  const bench_model *m = k->model;
  const int32_t H = m->hidden, M = k->batch->facts.masked;
  const float spread = 1 / sqrtf((float)H);
  p->leash = (leash_params){.n = masked(k),
                            .inv_temperature = 1,
                            .base_inv_temperature = 1,
                            .hidden = H,
                            .classes = m->vocab,
                            .weights = k->batch->view.weights,
                            .x = take_acts(k, BOTH, READ, M, H, 1),
                            .base_x = take_acts(k, BOTH, READ, M, H, 1),
                            .table = take_acts(k, BOTH, READ, m->vocab, H, spread),
                            .base_table = take_acts(k, BOTH, READ, m->vocab, H, spread),
                            .bias = take_acts(k, BOTH, READ, m->vocab, 1, 1),
                            .base_bias = take_acts(k, BOTH, READ, m->vocab, 1, 1),
                            .dx = take_acts(k, BOTH, ADDED, M, H, 1),
                            .dtable = take_floats(k, BOTH, ADDED, m->vocab, H, 1),
                            .dbias = take_floats(k, BOTH, ADDED, m->vocab, 1, 1)};
}

static void classification(maker *k, op_params *p) {
  const int32_t B = k->batch->facts.seqs;
  p->classify = (classify_params){.n = sequences(k),
                                  .slot = 1,
                                  .classes = 2,
                                  .labels = k->batch->view.nsp_labels,
                                  .logits = take_acts(k, BOTH, READ, B, 2, 1),
                                  .dlogits = take_acts(k, BOTH, MADE, B, 2, 1)};
}

// As many heads as a pair has: click, cart, buy.
static void several_labels(maker *k, op_params *p) {
  const int32_t B = k->batch->facts.seqs;
  p->classify = (classify_params){.n = sequences(k),
                                  .slot = 1,
                                  .classes = BENCH_TARGETS,
                                  .kind = CLASSIFY_SEVERAL,
                                  .labels = k->batch->view.targets,
                                  .weights = k->batch->view.target_weights,
                                  .logits = take_acts(k, BOTH, READ, B, BENCH_TARGETS, 1),
                                  .dlogits = take_acts(k, BOTH, MADE, B, BENCH_TARGETS, 1)};
}

static void pooled_dropout(maker *k, op_params *p) {
  const int32_t B = k->batch->facts.seqs, H = k->model->hidden;
  p->drop = (drop_params){.batch = &k->batch->view,
                          .n = sequences(k),
                          .hidden = H,
                          .drop = {.site = 1, .threshold = 26},
                          .x = take_acts(k, BOTH, READ, B, H, 1),
                          .y = take_acts(k, BOTH, MADE, B, H, 1)};
}

// A table of these tensors, which lie one after the other; of rows, if `row` is not 0.
static void table(maker *k, op_params *p, const int64_t *sizes, int32_t n, int32_t row, bool averaged) {
  enum { APART = 64 };
  int64_t all = 0, at = 0;
  for (int32_t i = 0; i < n; i++) all += (sizes[i] + APART - 1) / APART * APART;
  const bool copied = k->be->act_size < sizeof(float);
  float *w = take_floats(k, UPDATE, READ, all, 1, 1), *g = take_floats(k, BOTH, CONSUMED, all, 1, 1);
  float *m = take_floats(k, UPDATE, ADDED, all, 1, 1), *v = take_floats(k, UPDATE, ADDED, all, 1, 1);
  float *lag = averaged ? take_floats(k, UPDATE, ADDED, all, 1, 1) : NULL;
  act *copy = copied ? take_acts(k, UPDATE, MADE, all, 1, 1) : NULL;
  uint8_t *touched = row > 0 ? take_touched(k) : NULL;
  for (int32_t i = 0; i < n; at += (sizes[i++] + APART - 1) / APART * APART) {
    const int64_t from = k->dry || k->rc != OK ? 0 : at; // then nothing is there
    optim_tensor *t = &k->tensors[i];
    *t = (optim_tensor){.n = sizes[i],
                        .g = g + from,
                        .touched = touched,
                        .row = row,
                        .whole = i,
                        .lr_scale = 1,
                        .weight_decay = 0.01f,
                        .trust = true};
    if (w == NULL) continue;
    t->p = w + from;
    t->m = m + from;
    t->v = v + from;
    t->lag = averaged ? lag + from : NULL;
    t->p_compute = copied ? (char *)copy + (size_t)from * k->be->act_size : NULL;
  }
  p->optim = (optim_params){.tensors = k->tensors,
                            .n = n,
                            .wholes = n,
                            .beta1 = 0.9f,
                            .beta2 = 0.999f,
                            .eps = 1e-8f,
                            .scale = 0.5f};
  take_table(k, &p->optim);
}

// A layer's parameters: weights and biases of q, k, v, projection and feed-forward part, and two norms. (In a step all
// layers are one call.)
static void layer_tensors(maker *k, op_params *p) {
  const int64_t H = k->model->hidden, I = k->model->intermediate;
  const int64_t sizes[SET_TENSORS] = {H * H, H * H, H * H, H, H, H, H * H, H, H, H, I * H, I, H * I, H, H, H};
  table(k, p, sizes, SET_TENSORS, 0, false);
}

static void words(maker *k, op_params *p, bool averaged) {
  const int64_t elements = (int64_t)k->model->vocab * k->model->hidden;
  const int32_t row = k->model->negatives > 0 ? k->model->hidden : 0; // sampled: only rows that were touched
  table(k, p, &elements, 1, row, averaged);
}

static void word_table(maker *k, op_params *p) {
  words(k, p, false);
}

// The inner columns of a low-rank adapter, and its output among those of q, k and v.
enum { RANK = 8 };

static void scaled(maker *k, op_params *p, int32_t width, int32_t wide, bool by_columns) {
  const int32_t T = k->batch->facts.tokens;
  p->scale = (scale_params){.n = tokens(k),
                            .width = width,
                            .y_width = wide,
                            .x = take_acts(k, BOTH, READ, T, width, 1),
                            .scale = 2,
                            .y = take_acts(k, FORWARD, ADDED, T, wide, 1),
                            .y_add = wide > width,
                            .dy = take_acts(k, BACKWARD, READ, T, wide, 1),
                            .dx = take_acts(k, BACKWARD, MADE, T, width, 1)};
  if (!by_columns) return;
  p->scale.factor = take_acts(k, BOTH, READ, 1, width, 1);
  p->scale.dfactor = take_floats(k, BACKWARD, ADDED, 1, width, 0);
}

static void adapter_rank(maker *k, op_params *p) {
  scaled(k, p, RANK, RANK, true);
}

static void adapter_output(maker *k, op_params *p) {
  scaled(k, p, k->model->hidden, 3 * k->model->hidden, false);
}

// A factor of AdaLoRA.
static void factor(maker *k, op_params *p) {
  const int32_t H = k->model->hidden;
  p->orthogonal = (orthogonal_params){.ranks = RANK,
                                      .width = H,
                                      .p = take_floats(k, BOTH, READ, RANK, H, 0.02f),
                                      .value = take_floats(k, FORWARD, MADE, 1, 1, 0),
                                      .scale = 0.01f,
                                      .dp = take_floats(k, BACKWARD, ADDED, RANK, H, 0)};
}

static void important(maker *k, op_params *p) {
  const int32_t H = k->model->hidden;
  p->importance = (importance_params){.ranks = RANK,
                                      .width = H,
                                      .p = take_floats(k, BOTH, READ, RANK, H, 0.02f),
                                      .g = take_floats(k, BOTH, READ, RANK, H, 0.1f),
                                      .ipt = take_floats(k, BOTH, ADDED, RANK, H, 0),
                                      .unc = take_floats(k, BOTH, ADDED, RANK, H, 0),
                                      .beta1 = 0.85f,
                                      .beta2 = 0.85f,
                                      .score = take_floats(k, BOTH, ADDED, 1, RANK, 0)};
}

// With averaged weights (optim.ema).
static void averaged_words(maker *k, op_params *p) {
  words(k, p, true);
}

// ---- rows ----------------------------------------------------------------------------------------------------

const bench_case bench_cases[] = {
    {"embeddings", INDEX_embed_forward, embeddings, ONCE, ANY},
    {"embeddings", INDEX_embed_backward, embeddings, ONCE, ANY},
    {"q, k, v", INDEX_linear_forward, qkv, A_LAYER, ANY},
    {"q, k, v", INDEX_linear_backward, qkv, A_LAYER, ANY},
    {"attention", INDEX_attention_forward, attention, A_LAYER, ANY},
    {"attention", INDEX_attention_backward, attention, A_LAYER, ANY},
    {"projection", INDEX_linear_forward, projection, A_LAYER, ANY},
    {"projection", INDEX_linear_backward, projection, A_LAYER, ANY},
    {"residual", INDEX_norm_forward, layer_norm, TWICE_A_LAYER, ANY},
    {"residual", INDEX_norm_backward, layer_norm, TWICE_A_LAYER, ANY},
    {"ffn1", INDEX_linear_forward, ffn1, A_LAYER, ANY},
    {"ffn1", INDEX_linear_backward, ffn1, A_LAYER, ANY},
    {"ffn2", INDEX_linear_forward, ffn2, A_LAYER, ANY},
    {"ffn2", INDEX_linear_backward, ffn2, A_LAYER, ANY},
    {"masked rows", INDEX_gather_forward, masked_rows, ONCE, ANY},
    {"masked rows", INDEX_gather_backward, masked_rows, ONCE, ANY},
    {"item texts", INDEX_bag_forward, texts, NEVER, ANY},
    {"item texts", INDEX_bag_backward, texts, NEVER, ANY},
    {"item vectors", INDEX_fuse_forward, item_vectors, NEVER, ANY},
    {"item vectors", INDEX_fuse_backward, item_vectors, NEVER, ANY},
    {"listed item vectors", INDEX_fuse_forward, listed_vectors, NEVER, ANY},
    {"listed item vectors", INDEX_fuse_backward, listed_vectors, NEVER, ANY},
    {"transform", INDEX_linear_forward, transform, ONCE, ANY},
    {"transform", INDEX_linear_backward, transform, ONCE, ANY},
    {"transform", INDEX_norm_forward, transform_norm, ONCE, ANY},
    {"transform", INDEX_norm_backward, transform_norm, ONCE, ANY},
    {"loss alone", INDEX_xent, loss_alone, NEVER, ANY},
    {"loss", INDEX_xent, loss_and_gradients, ONCE, ANY},
    {"leash", INDEX_leash, held_back, NEVER, ANY},
    {"first tokens", INDEX_gather_forward, first_tokens, ONCE, PAIRS},
    {"first tokens", INDEX_gather_backward, first_tokens, ONCE, PAIRS},
    {"pooler", INDEX_linear_forward, pooler, ONCE, PAIRS},
    {"pooler", INDEX_linear_backward, pooler, ONCE, PAIRS},
    {"next sentence", INDEX_linear_forward, next_sentence, ONCE, PAIRS},
    {"next sentence", INDEX_linear_backward, next_sentence, ONCE, PAIRS},
    {"next sentence", INDEX_classify, classification, ONCE, PAIRS},
    {"several labels", INDEX_classify, several_labels, NEVER, PAIRS},
    {"pooled", INDEX_drop, pooled_dropout, NEVER, PAIRS},
    {"adapter's rank", INDEX_scale_forward, adapter_rank, NEVER, ANY},
    {"adapter's rank", INDEX_scale_backward, adapter_rank, NEVER, ANY},
    {"adapter's output", INDEX_scale_forward, adapter_output, NEVER, ANY},
    {"adapter's output", INDEX_scale_backward, adapter_output, NEVER, ANY},
    {"a factor", INDEX_orthogonal_forward, factor, NEVER, ANY},
    {"a factor", INDEX_orthogonal_backward, factor, NEVER, ANY},
    {"a factor", INDEX_importance, important, NEVER, ANY},
    {"a layer", INDEX_grad_norm, layer_tensors, A_LAYER, ANY},
    {"word table", INDEX_grad_norm, word_table, ONCE, ANY},
    {"a layer", INDEX_adamw, layer_tensors, A_LAYER, ANY},
    {"word table", INDEX_adamw, word_table, ONCE, ANY},
    {"a layer", INDEX_lamb_update, layer_tensors, NEVER, ANY},
    {"a layer", INDEX_lamb_apply, layer_tensors, NEVER, ANY},
    {"averaged words", INDEX_adamw, averaged_words, NEVER, ANY},
    {"averaged words", INDEX_average_weights, averaged_words, NEVER, ANY},
    {"averaged words", INDEX_average_rescale, averaged_words, NEVER, ANY},
};
const int32_t n_bench_cases = sizeof bench_cases / sizeof *bench_cases;
