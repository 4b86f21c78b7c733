// The whole model in every configuration: its gradients against slopes of its own loss (the Hugging Face goldens cover
// post-norm with dot scores only), evaluation against training, and that a sequence neither sees its batch mates nor
// its place among them. Biases and norms are random too, so that none can be forgotten unseen.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "model/item_vectors.h"
#include "model/model.h"
#include "model/objectives/item_head.h"

enum { ITEMS = 24, WORDS = 4, EVENTS = 3 };

typedef struct recipe {
  const char *name;
  int32_t hidden, layers, heads, intermediate, negatives;
  bool gelu, pre_norm, cosine, whole_vocabulary, pooler, from_end, row_sparse;
  double dropout, temperature, drop_path;
  const char *objectives; // NULL: masked LM, with a pooler next session too
  bool plain;             // head
  items_kind items;
  int32_t features; // dense ones of an item
  bool no_texts;
  double id_dropout;
  peft_config peft;
  const char *freeze;
} recipe;

#define ALL_LINEAR "query,key,value,attention.output.dense,intermediate.dense,*.output.dense"

static const recipe recipes[] = {
    {.name = "post-norm", .hidden = 16, .layers = 2, .heads = 2},
    {.name = "pre-norm", .hidden = 16, .layers = 2, .heads = 4, .pre_norm = true, .from_end = true},
    {.name = "one pre-norm layer, odd widths, gelu, whole vocabulary",
     .hidden = 20,
     .layers = 1,
     .heads = 4,
     .intermediate = 37,
     .gelu = true,
     .pre_norm = true,
     .whole_vocabulary = true},
    {.name = "cosine", .hidden = 16, .layers = 2, .heads = 2, .cosine = true, .temperature = 0.3},
    {.name = "temperature", .hidden = 12, .layers = 1, .heads = 1, .temperature = 2.5, .gelu = true},
    {.name = "sampled", .hidden = 16, .layers = 2, .heads = 2, .negatives = 9},
    {.name = "sampled, cosine, row-sparse",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .negatives = 12,
     .cosine = true,
     .temperature = 0.3,
     .row_sparse = true,
     .pre_norm = true},
    {.name = "next session", .hidden = 16, .layers = 2, .heads = 2, .pooler = true},
    {.name = "next session, pre-norm, cosine, sampled, dropout",
     .hidden = 20,
     .layers = 2,
     .heads = 4,
     .pooler = true,
     .pre_norm = true,
     .cosine = true,
     .temperature = 0.4,
     .negatives = 10,
     .dropout = 0.2},
    {.name = "post-norm, dropout", .hidden = 16, .layers = 2, .heads = 2, .dropout = 0.15},
    {.name = "three pre-norm layers, dropout, gelu",
     .hidden = 18,
     .layers = 3,
     .heads = 3,
     .intermediate = 25,
     .pre_norm = true,
     .gelu = true,
     .dropout = 0.1},
    {.name = "next item", .hidden = 16, .layers = 2, .heads = 2, .objectives = "next_item", .from_end = true},
    {.name = "next item, plain head, pre-norm, sampled, dropout",
     .hidden = 12,
     .layers = 2,
     .heads = 3,
     .objectives = "next_item",
     .plain = true,
     .pre_norm = true,
     .negatives = 9,
     .row_sparse = true,
     .dropout = 0.1},
    {.name = "next item and masked LM",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .objectives = "next_item 0.7, masked_lm",
     .cosine = true,
     .temperature = 0.4,
     .dropout = 0.1},
    {.name = "post-norm, stochastic depth",
     .hidden = 16,
     .layers = 3,
     .heads = 2,
     .dropout = 0.002,
     .drop_path = 0.25},
    {.name = "pre-norm, stochastic depth, dropout",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .pre_norm = true,
     .dropout = 0.1,
     .drop_path = 0.25},
    {.name = "items of content", .hidden = 16, .layers = 1, .heads = 2, .items = ITEMS_CONTENT},
    {.name = "items of content and id, features, id dropout, next item, sampled",
     .hidden = 12,
     .layers = 1,
     .heads = 2,
     .objectives = "next_item",
     .negatives = 9,
     .items = ITEMS_BOTH,
     .features = 5,
     .dropout = 0.1,
     .id_dropout = 0.3},
    {.name = "items of features and id, whole vocabulary, cosine, pre-norm",
     .hidden = 20,
     .layers = 2,
     .heads = 4,
     .whole_vocabulary = true,
     .cosine = true,
     .temperature = 0.4,
     .pre_norm = true,
     .dropout = 0.1,
     .items = ITEMS_BOTH,
     .features = 3,
     .no_texts = true,
     .id_dropout = 0.2},
    {.name = "lora of every linear layer, with dropout",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .dropout = 0.1,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 6, .targets = ALL_LINEAR, .lora_dropout = 0.2}},
    {.name = "lora of a pre-norm encoder's last layer",
     .hidden = 16,
     .layers = 3,
     .heads = 4,
     .pre_norm = true,
     .gelu = true,
     .peft = {.kind = PEFT_LORA,
              .rank = 2,
              .rslora = true,
              .alpha = 3,
              .targets = "*.layer.2.*.key, *.2.output.dense"}},
    {.name = "lora before GELU, next item",
     .hidden = 12,
     .layers = 2,
     .heads = 3,
     .objectives = "next_item",
     .negatives = 9,
     .peft =
         {.kind = PEFT_LORA, .rank = 4, .alpha = 4, .targets = "intermediate.dense", .train_also = "cls.*"}},
    {.name = "adalora",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .dropout = 0.1,
     .peft = {.kind = PEFT_ADALORA,
              .rank = 2,
              .init_rank = 3,
              .alpha = 4,
              .targets = ALL_LINEAR,
              .lora_dropout = 0.1}},
    {.name = "lora with frozen A",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .dropout = 0.1,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 6, .targets = ALL_LINEAR, .lora_dropout = 0.2},
     .freeze = "*.lora_A.weight"},
    {.name = "lora of query with frozen A and value with frozen B",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 6, .targets = "query,value"},
     .freeze = "*.query.lora_A.weight,*.value.lora_B.weight"},
    {.name = "lora of the table and of query, whole vocabulary, odd widths, dropout",
     .hidden = 20,
     .layers = 2,
     .heads = 4,
     .intermediate = 37,
     .gelu = true,
     .whole_vocabulary = true,
     .dropout = 0.1,
     .peft = {.kind = PEFT_LORA,
              .rank = 3,
              .alpha = 2,
              .targets = "word_embeddings, query",
              .lora_dropout = 0.2}},
    {.name = "lora of the table, cosine, pre-norm",
     .hidden = 12,
     .layers = 1,
     .heads = 3,
     .pre_norm = true,
     .cosine = true,
     .temperature = 0.3,
     .peft = {.kind = PEFT_LORA,
              .rank = 5,
              .alpha = 4,
              .rslora = true,
              .targets = "bert.embeddings.word_embeddings"}},
    {.name = "lora of the table, next item without a transform, sampled, row-sparse",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .objectives = "next_item",
     .plain = true,
     .negatives = 9,
     .row_sparse = true,
     .peft = {.kind = PEFT_LORA, .rank = 1, .alpha = 1, .targets = "*.word_embeddings"}},
    {.name = "lora of the table, items of content and id",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .items = ITEMS_BOTH,
     .features = 5,
     .id_dropout = 0.3,
     .dropout = 0.1,
     .peft =
         {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings", .train_also = "items.*"}},
    {.name = "lora of the table with frozen A, items of content, sampled, cosine",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .negatives = 9,
     .cosine = true,
     .temperature = 0.3,
     .items = ITEMS_CONTENT,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings"},
     .freeze = "*.lora_embedding_A"},
    {.name = "lora of the table with frozen B, next session",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .pooler = true,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings"},
     .freeze = "*.lora_embedding_B"},
    {.name = "adapters",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .peft = {.kind = PEFT_ADAPTER, .adapter_width = 5}},
    {.name = "adapters, pre-norm, gelu, dropout",
     .hidden = 20,
     .layers = 2,
     .heads = 4,
     .pre_norm = true,
     .gelu = true,
     .dropout = 0.1,
     .peft = {.kind = PEFT_ADAPTER, .adapter_width = 3}},
    {.name = "biases alone",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .dropout = 0.1,
     .peft = {.kind = PEFT_BIAS}},
};
enum { N_RECIPES = sizeof recipes / sizeof *recipes };

static const batch_caps caps = {.tokens = 90, .seqs = 9, .masked = 30};

// Texts of 0 to 4 words, features, and every fifth item one that was never trained on, unless all are known.
static bool all_known;
static void give_content(model *m) {
  const model_config *c = model_get_config(m);
  int64_t offsets[ITEMS + 1] = {0};
  int32_t tokens[ITEMS * 5];
  float features[ITEMS * 8];
  uint8_t known[ITEMS];
  if (c->items == ITEMS_ID) return;
  rng draw = rng_at(29, 5, 0, 0);
  for (int32_t i = 0; i < ITEMS; i++) {
    offsets[i + 1] = offsets[i] + (c->item_words > 0 ? i % 5 : 0);
    for (int64_t k = offsets[i]; k < offsets[i + 1]; k++)
      tokens[k] = TOKEN_SPECIALS + (int32_t)rng_below(&draw, WORDS);
    for (int64_t k = 0; k < c->item_features; k++)
      features[i * c->item_features + k] = (float)rng_normal(&draw);
    known[i] = all_known || i % 5 != 3;
  }
  const item_content content = {.items = ITEMS,
                                .width = (int32_t)c->item_features,
                                .offsets = offsets,
                                .tokens = tokens,
                                .features = c->item_features > 0 ? features : NULL,
                                .known = known};
  check_ok(model_set_items(m, &content));
}

static model *make_run(const recipe *r, model_run run, double drop) {
  model_config c = {.hidden = r->hidden,
                    .layers = r->layers,
                    .heads = r->heads,
                    .intermediate = r->intermediate,
                    .max_positions = 14,
                    .segments = 2,
                    .activation = r->gelu ? 1 : 0,
                    .pre_norm = r->pre_norm,
                    .dropout = drop,
                    .attention_dropout = drop,
                    .drop_path = drop > 0 ? r->drop_path : 0,
                    .layer_norm_eps = 1e-6,
                    .init_std = 0.3,
                    .score = r->cosine ? 1 : 0,
                    .temperature = r->temperature > 0 ? r->temperature : 1,
                    .item_classes = !r->whole_vocabulary,
                    .pooler = r->pooler,
                    .head = r->plain ? HEAD_PLAIN : HEAD_TRANSFORM,
                    .positions_from_end = r->from_end,
                    .cls_sep = r->pooler,
                    .items = (int)r->items,
                    .id_dropout = drop > 0 ? r->id_dropout : 0};
  const int32_t words = TOKEN_SPECIALS + WORDS, range_end[4] = {TOKEN_SPECIALS, words, words, words + ITEMS};
  check_ok(model_config_resolve(&c, range_end, EVENTS));
  if (r->objectives != NULL) strcpy(c.objectives, r->objectives);
  if (r->items != ITEMS_ID) {
    c.item_base = words;
    c.items_n = ITEMS;
    for (int32_t i = 0; i < ITEMS && !r->no_texts; i++) c.item_words += i % 5;
    c.item_features = r->features;
  }
  c.peft = r->peft;
  if (!(drop > 0)) c.peft.lora_dropout = 0;
  run.caps = caps;
  run.caps.negatives = r->negatives;
  run.row_sparse = r->row_sparse;
  run.threads = 1;
  run.seed = 11;
  if (run.freeze == NULL) run.freeze = r->freeze;
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  give_content(m);
  param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) { // what tunes a base begins with zeros, too
    const param *p = &s->items[i];
    rng draw = rng_at(3, 1, (uint32_t)i, 0);
    float *w = param_master(s, p);
    for (int64_t j = 0; (p->ndim == 1 || p->tuned) && j < p->size; j++)
      w[j] += 0.2f * (float)rng_normal(&draw);
  }
  check_ok(params_refresh(s));
  return m;
}

static model *make_model(const recipe *r, bool training, double drop) {
  return make_run(r, (model_run){.training = training}, drop);
}

static int32_t random_token(rng *draw) {
  return TOKEN_SPECIALS + WORDS + (int32_t)rng_below(draw, ITEMS);
}

// Sequence number `number` (which fixes its tokens, masks and labels) at the batch's end.
static void add_sequence(batch *b, const model *m, int32_t number) {
  const model_config *c = model_get_config(m);
  const seq_layout layout = model_layout(c);
  rng draw = rng_at(17, 2, (uint32_t)number, 0);
  int32_t tokens[2][6];
  uint8_t events[2][6];
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 6; i++) {
      tokens[k][i] = random_token(&draw);
      events[k][i] = (uint8_t)rng_below(&draw, EVENTS);
    }
  const batch_input first = {tokens[0], events[0], 1 + number % 6},
                    second = {tokens[1], events[1], 1 + number % 4};
  int32_t row, kept;
  const int64_t id = number % 2 == 0 ? number : number + ((int64_t)3 << 33);
  assert_true(batch_add(b, &layout, &first, c->pooler && number % 3 > 0 ? &second : NULL, id, &row, &kept));
  if (c->pooler && number % 3 > 0) b->nsp_labels[b->seqs - 1] = number % 2;
  const bool causal = layout.asks == ASKS_NEXT || (layout.asks == ASKS_BOTH && number % 2 == 0);
  if (causal) batch_set_causal(b);
  for (int32_t i = 0; i < kept; i++) {
    if (rng_below(&draw, 3) != 0 && i > 0) continue;
    if (causal) {
      const int32_t next = random_token(&draw);
      assert_true(batch_add_next(b, row + i, next, i % 2 == 0 ? 1.0f : 0.5f));
      b->label_logq[b->n_masked - 1] = -0.2f * (float)(next % 7);
      continue;
    }
    const int32_t label = b->ids[row + i];
    if (rng_below(&draw, 4) > 0) b->ids[row + i] = TOKEN_MASK;
    assert_true(batch_add_masked(b, row + i, label, i % 2 == 0 ? 1.0f : 0.5f));
    b->label_logq[b->n_masked - 1] = -0.2f * (float)(label % 7);
  }
}

static void finish(batch *b, int32_t negatives) {
  rng draw = rng_at(19, 2, 0, 0);
  for (int32_t i = 0; i < negatives; i++) {
    const int32_t token = random_token(&draw);
    assert_true(batch_add_negative(b, token, -0.2f * (float)(token % 7)));
  }
  batch_finish(b);
}

static batch *make_batch(const model *m, int32_t first, int32_t count, int32_t step) {
  batch *b;
  check_ok(batch_new(&b, model_get_run(m)->caps));
  batch_clear(b);
  for (int32_t i = 0; i < count; i++) add_sequence(b, m, first + i * step);
  finish(b, model_get_run(m)->caps.negatives);
  return b;
}

static const step_state state = {.step = 6, .seed = 77, .scale = {0.05f, 0.3f}};

// The loss whose gradient is taken. Double from the row losses on.
static double loss_of(model *m, bool training) {
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_forward(m, training));
  check_ok(model_loss(m, false));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  return r.slot[0].loss * (double)state.scale[0] + r.slot[1].loss * (double)state.scale[1];
}

static void put_param(model *m, const param *p, const float *w) {
  param_set *s = model_params(m);
  check_ok(s->be->upload(s->ctx, param_master(s, p), w, (size_t)p->size * sizeof *w));
  check_ok(params_refresh(s));
}

// Slope of the loss from w along d (of length 1), by differences of 4th order.
static double slope(model *m, const param *p, const float *w, const double *d, double h) {
  static const double at[] = {-2, -1, 1, 2}, factor[] = {1, -8, 8, -1};
  float *moved = malloc((size_t)p->size * sizeof *moved);
  assert_non_null(moved);
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    for (int64_t j = 0; j < p->size; j++) moved[j] = (float)((double)w[j] + at[k] * h * d[j]);
    put_param(m, p, moved);
    sum += factor[k] * loss_of(m, true);
  }
  put_param(m, p, w);
  free(moved);
  return sum / (12 * h);
}

// One parameter: some coordinates, the gradient's own direction, and a random one.
static void check_param(model *m, const char *name, const param *p) {
  param_set *s = model_params(m);
  const size_t n = (size_t)p->size;
  float *w = malloc(n * sizeof *w), *g = malloc(n * sizeof *g);
  double *d = malloc(n * sizeof *d), length = 0;
  assert_true(w != NULL && g != NULL && d != NULL);
  check_ok(s->be->download(s->ctx, w, param_master(s, p), n * sizeof *w));
  check_ok(s->be->download(s->ctx, g, param_grad(s, p), n * sizeof *g));
  for (size_t j = 0; j < n; j++) length += (double)g[j] * (double)g[j];
  length = sqrt(length);
  if (!(length > 1e-4)) fail_msg("%s: the gradient of %s is %g long", name, p->name, length);
  rng draw = rng_at(23, 4, (uint32_t)p->offset, 0);
  enum { COORDINATES = 8 };
  const double h = 0.02;
  for (int k = 0; k < COORDINATES + 2; k++) {
    double wanted = 0, squares = 0;
    const size_t one = rng_below(&draw, n);
    for (size_t j = 0; j < n; j++) {
      d[j] = k < COORDINATES ? (double)(j == one) : k == COORDINATES ? (double)g[j] : rng_normal(&draw);
      squares += d[j] * d[j];
    }
    for (size_t j = 0; j < n; j++) {
      d[j] /= sqrt(squares);
      wanted += d[j] * (double)g[j];
    }
    const double got = slope(m, p, w, d, h);
    if (!(fabs(got - wanted) <= 5e-3 * fabs(wanted) + 1e-3 * length / sqrt((double)n) + 2e-5))
      fail_msg("%s: the slope of %s along %s is %.8g, its gradient says %.8g", name, p->name,
               k < COORDINATES    ? "a coordinate"
               : k == COORDINATES ? "its gradient"
                                  : "some direction",
               got, wanted);
  }
  free(w);
  free(g);
  free(d);
}

static void test_gradients(void **unused) {
  (void)unused;
  for (size_t i = 0; i < N_RECIPES; i++) {
    const recipe *r = &recipes[i];
    model *m = make_model(r, true, r->dropout);
    batch *b = make_batch(m, 0, 7, 1);
    check_ok(model_set_batch(m, b, &state));
    check_ok(model_forward(m, true));
    check_ok(model_loss(m, true));
    const param_set *s = model_params(m);
    for (int32_t k = 0; k < s->count; k++)
      if (s->items[k].trainable) check_param(m, r->name, &s->items[k]);
    batch_free(b);
    model_free(m);
  }
}

// Twice the pass is twice the gradient, bit for bit the same each time; row flags say where gradients are.
static void test_accumulation_and_flags(void **unused) {
  (void)unused;
  for (size_t i = 0; i < N_RECIPES; i++) {
    const recipe *r = &recipes[i];
    model *m = make_model(r, true, r->dropout);
    batch *b = make_batch(m, 0, 7, 1);
    const param_set *s = model_params(m);
    const size_t n = (size_t)s->elements;
    float *once = malloc(n * sizeof *once), *twice = malloc(n * sizeof *twice);
    assert_true(once != NULL && twice != NULL);
    check_ok(model_set_batch(m, b, &state));
    for (int pass = 0; pass < 2; pass++) {
      check_ok(model_forward(m, true));
      check_ok(model_loss(m, true));
      check_ok(s->be->download(s->ctx, pass == 0 ? once : twice, s->grad, n * sizeof *once));
    }
    double size = 0;
    for (size_t j = 0; j < n; j++) size = fmax(size, fabs((double)once[j]));
    for (size_t j = 0; j < n; j++)
      if (!(fabs((double)twice[j] - 2 * (double)once[j]) <= 2e-6 * size))
        fail_msg("%s: gradient %zu is %g once and %g twice", r->name, j, (double)once[j], (double)twice[j]);
    for (int32_t k = 0; k < s->count; k++) {
      const param *p = &s->items[k];
      const uint8_t *flags = param_touched(s, p);
      assert_int_equal(flags != NULL, r->row_sparse && r->peft.kind == PEFT_NONE &&
                                          strstr(p->name, "word_embeddings") != NULL);
      int32_t marked = 0;
      for (int64_t row = 0; flags != NULL && row < p->shape[0]; row++) {
        bool any = false;
        for (int64_t j = 0; j < p->shape[1]; j++)
          any = any || fabsf(once[p->offset + row * p->shape[1] + j]) > 0;
        if (any && !flags[row]) fail_msg("%s: row %lld has a gradient and no mark", r->name, (long long)row);
        marked += flags[row];
      }
      assert_true(flags == NULL || (marked > 0 && marked < p->shape[0]));
    }
    free(once);
    free(twice);
    batch_free(b);
    model_free(m);
  }
}

// Loss and gradients of a batch, the latter from param_set.grad.
static step_result pass_of(model *m, const batch *b, float *gradients) {
  const param_set *s = model_params(m);
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  check_ok(s->be->download(s->ctx, gradients, s->grad, (size_t)s->elements * sizeof *gradients));
  return r;
}

// A last layer that computes listed rows only gives the same losses and gradients.
static void check_listed_rows(const recipe *r, const char *freeze) {
  model *all = make_run(r, (model_run){.training = true, .freeze = freeze}, r->dropout);
  model *some = make_run(r, (model_run){.training = true, .freeze = freeze, .listed_rows = true}, r->dropout);
  const size_t n = (size_t)model_params(all)->elements;
  assert_int_equal(model_params(some)->elements, n);
  float *want = malloc((n + 1) * sizeof *want), *got = malloc((n + 1) * sizeof *got);
  assert_true(want != NULL && got != NULL);
  batch *b = make_batch(all, 0, 7, 1);
  const step_result x = pass_of(all, b, want), y = pass_of(some, b, got);
  for (int32_t k = 0; k < MAX_SLOTS; k++) {
    assert_true(fabs(x.slot[k].loss - y.slot[k].loss) <= 1e-5 * fabs(x.slot[k].loss));
    assert_true(fabs(x.slot[k].weight - y.slot[k].weight) <= 0);
  }
  double size = 0;
  for (size_t j = 0; j < n; j++) size = fmax(size, fabs((double)want[j]));
  for (size_t j = 0; j < n; j++)
    if (!(fabs((double)want[j] - (double)got[j]) <= 3e-6 * size))
      fail_msg("%s, frozen %s: gradient %zu is %g of all rows, %g of listed ones", r->name,
               freeze != NULL ? freeze : "nothing", j, (double)want[j], (double)got[j]);
  const model_config *c = model_get_config(all);
  const double H = (double)c->hidden, F = (double)c->intermediate;
  const double spared = model_train_flops(all, b) - model_train_flops(some, b);
  if (freeze == NULL && r->peft.kind == PEFT_NONE)
    assert_true(fabs(spared - 3 * (2 * H * H + 4 * H * F) * (b->tokens - b->n_masked)) < 1);
  check_fails(model_hidden(some, got), ERR_INTERNAL,
              "hidden states of all rows are asked of a model that computes listed rows only");
  batch_free(b);
  model_free(all);
  model_free(some);
  free(want);
  free(got);
}

// Of the last layer nothing is frozen, or all that comes before its projection, its FFN1, its FFN2, its end, or the head.
static void test_listed_rows(void **unused) {
  (void)unused;
  for (size_t i = 0; i < N_RECIPES; i++) {
    const recipe *r = &recipes[i];
    if (r->pooler) continue; // next session reads other rows
    check_listed_rows(r, NULL);
    if (r->peft.kind != PEFT_NONE) {
      if (r->freeze == NULL) check_listed_rows(r, "bert.encoder.layer.0.*");
      continue;
    }
    check_listed_rows(r, "bert.embeddings.*,*.qkv.*");
    check_listed_rows(r, "bert.embeddings.*,*attention*");
    check_listed_rows(r, "bert.embeddings.*,*attention*,*intermediate*");
    check_listed_rows(r, "bert.embeddings.*,*attention*,*intermediate*,*.output.dense.*");
  }
}

static float *hidden_of(model *m, const batch *b, bool training) {
  float *h = calloc((size_t)b->tokens * (size_t)model_get_config(m)->hidden + 1, sizeof *h);
  assert_non_null(h);
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, training));
  check_ok(model_hidden(m, h));
  return h;
}

static void check_close(const char *what, const char *name, const float *a, const float *b, size_t n) {
  for (size_t j = 0; j < n; j++)
    if (!(fabsf(a[j] - b[j]) <= 1e-5f))
      fail_msg("%s: %s, element %zu: %.8g and %.8g", name, what, j, (double)a[j], (double)b[j]);
}

// An evaluation model, and a training model asked to evaluate, give what a training pass without dropout gives.
static void test_evaluation(void **unused) {
  all_known = true; // biases of others differ
  (void)unused;
  for (size_t i = 0; i < N_RECIPES; i++) {
    const recipe *r = &recipes[i];
    model *train = make_model(r, true, r->dropout), *plain = make_model(r, true, 0),
          *eval = make_model(r, false, r->dropout);
    batch *b = make_batch(eval, 0, 7, 1);
    const size_t n = (size_t)b->tokens * (size_t)r->hidden;
    float *want = hidden_of(plain, b, true), *a = hidden_of(eval, b, false), *t = hidden_of(train, b, false);
    check_close("evaluation model", r->name, a, want, n);
    check_close("evaluating training model", r->name, t, want, n);
    const double loss = loss_of(plain, true);
    check_near(loss_of(eval, false), loss, 1e-6);
    check_near(loss_of(train, false), loss, 1e-6);
    if (r->dropout > 0) { // and dropout does something
      float *d = hidden_of(train, b, true);
      double change = 0;
      for (size_t j = 0; j < n; j++) change = fmax(change, fabs((double)d[j] - (double)want[j]));
      assert_true(change > 0.1);
      free(d);
    }
    check_fails(model_forward(eval, true), ERR_INTERNAL, "created for evaluation only");
    check_ok(model_forward(train, false));
    check_fails(model_loss(train, true), ERR_INTERNAL, "need a training forward pass");
    assert_true(model_bytes(eval) < model_bytes(train));
    free(want);
    free(a);
    free(t);
    batch_free(b);
    model_free(train);
    model_free(plain);
    model_free(eval);
  }
  all_known = false;
}

// Row of sequence `number` in a batch whose sequences are first, first + step, ...
static const float *rows_of(const batch *b, const float *h, int32_t place, int32_t hidden, size_t *n) {
  *n = (size_t)(b->cu_seqlens[place + 1] - b->cu_seqlens[place]) * (size_t)hidden;
  return h + (size_t)b->cu_seqlens[place] * (size_t)hidden;
}

// Hidden states and dropout masks depend on the sequence alone: in company, in reverse order, by itself.
static void test_packing(void **unused) {
  (void)unused;
  enum { SEQUENCES = 7 };
  for (size_t i = 0; i < N_RECIPES; i++) {
    const recipe *r = &recipes[i];
    model *m = make_model(r, true, r->dropout);
    batch *all = make_batch(m, 0, SEQUENCES, 1), *reverse = make_batch(m, SEQUENCES - 1, SEQUENCES, -1);
    for (int training = 0; training < 2; training++) {
      float *a = hidden_of(m, all, training), *b = hidden_of(m, reverse, training);
      for (int32_t s = 0; s < SEQUENCES; s++) {
        batch *alone = make_batch(m, s, 1, 1);
        float *c = hidden_of(m, alone, training);
        size_t n;
        const float *want = rows_of(all, a, s, r->hidden, &n);
        check_close("in reverse", r->name, rows_of(reverse, b, SEQUENCES - 1 - s, r->hidden, &n), want, n);
        check_close("alone", r->name, c, want, n);
        free(c);
        batch_free(alone);
      }
      free(a);
      free(b);
    }
    batch_free(all);
    batch_free(reverse);
    model_free(m);
  }
}

static void check_counters(const recipe *r) {
  model *m = make_model(r, true, r->dropout);
  batch *b = make_batch(m, 0, 7, 1);
  step_state other = state;
  double losses[5];
  for (int k = 0; k < 5; k++) {
    other = state;
    if (k == 1) other.step++;
    if (k == 2) other.seed++;
    if (k == 3) b->seq_ids[0] += (int64_t)1 << 32;
    check_ok(model_set_batch(m, b, &other));
    losses[k] = loss_of(m, true);
    if (k == 3) b->seq_ids[0] -= (int64_t)1 << 32;
  }
  for (int k = 1; k < 4; k++) assert_true(fabs(losses[k] - losses[0]) > 1e-6);
  assert_true(losses[4] == losses[0]);
  batch_free(b);
  model_free(m);
}

// With another step, seed or sequence id dropout is another; with the same it is the same.
static void test_dropout_counters(void **unused) {
  (void)unused;
  for (size_t i = 9; i < N_RECIPES; i++)
    if (recipes[i].dropout > 0) check_counters(&recipes[i]);
}

// What a sequence can become without dropout: each branch that may be dropped doubles it. The first layer drops none, the last
// one with the probability asked for, and an only layer is the last.
static void test_depths(void **unused) {
  (void)unused;
  enum { STEPS = 600, MOST = 64 };
  static const struct {
    int32_t layers;
    bool pre_norm;
    int outcomes;
  } cases[] = {{1, false, 4}, {2, true, 4}, {3, false, 16}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const recipe r = {.name = "depths",
                      .hidden = 16,
                      .layers = cases[k].layers,
                      .heads = 2,
                      .pre_norm = cases[k].pre_norm,
                      .drop_path = 0.5};
    model *m = make_model(&r, true, 1e-9); // which rounds to no dropout
    batch *b = make_batch(m, 0, 7, 1);
    float seen[MOST];
    int counts[MOST] = {0}, n = 0;
    for (int64_t step = 0; step < STEPS; step++) {
      step_state s = state;
      s.step = step;
      check_ok(model_set_batch(m, b, &s));
      check_ok(model_forward(m, true));
      float *h = malloc((size_t)b->tokens * (size_t)r.hidden * sizeof *h);
      assert_non_null(h);
      check_ok(model_hidden(m, h));
      int at = 0;
      while (at < n && fabsf(seen[at] - h[0]) > 1e-6f) at++;
      assert_true(at < MOST);
      if (at == n) seen[n++] = h[0];
      counts[at]++;
      free(h);
    }
    assert_int_equal(n, cases[k].outcomes);
    for (int i = 0; n == 4 && i < n; i++) check_near((double)counts[i] / STEPS, 0.25, 0.08);
    batch_free(b);
    model_free(m);
  }
}

// The vectors handed out rank as the loss does: log-softmax over u . v is the loss of each row.
static void test_vectors(void **unused) {
  (void)unused;
  all_known = true; // the vectors of others have another bias than the loss
  for (size_t i = 0; i < N_RECIPES; i++) {
    recipe r = recipes[i];
    r.negatives = 0;
    r.row_sparse = false;
    model *m = make_model(&r, false, 0);
    batch *b = make_batch(m, 0, 7, 1);
    const model_config *c = model_get_config(m);
    const size_t W = (size_t)r.hidden + 1;
    float *u = calloc((size_t)b->n_masked * W, sizeof *u), *v = calloc((size_t)c->classes * W, sizeof *v);
    assert_true(u != NULL && v != NULL);
    check_ok(model_set_batch(m, b, &state));
    check_ok(model_backend(m)->result_clear(model_ctx(m)));
    check_ok(model_forward(m, false));
    check_ok(model_user_vectors(m, u));
    check_ok(model_item_vectors(m, 0, 3, v)); // in two pieces
    check_ok(model_item_vectors(m, 3, c->classes - 3, v + 3 * W));
    check_fails(model_item_vectors(m, 1, c->classes, v), ERR_ARGUMENT, "are not among");
    check_fails(model_item_vectors(m, -1, 1, v), ERR_ARGUMENT, "are not among");
    check_ok(model_loss(m, false));
    step_result result;
    check_ok(model_backend(m)->result_read(model_ctx(m), &result));
    double loss = 0, weight = 0, hits = 0;
    for (int32_t row = 0; row < b->n_masked; row++) {
      double sum = 0, label = 0, best = -INFINITY;
      for (int32_t j = 0; j < c->classes; j++) {
        double p = 0;
        for (size_t k = 0; k < W; k++) p += (double)u[(size_t)row * W + k] * (double)v[(size_t)j * W + k];
        sum += exp(p);
        best = fmax(best, p);
        if (j == b->labels[row] - c->class_base) label = p;
      }
      const double w = (double)(r.objectives != NULL ? b->next_weights : b->weights)[row]; // of slot 0
      loss += w * (log(sum) - label);
      hits += label >= best ? w : 0;
      weight += w;
    }
    check_near(result.slot[0].loss, loss, 1e-5 * weight);
    check_near(result.slot[0].weight, weight, 1e-6);
    check_near(result.slot[0].hits, hits, 1e-6);
    free(u);
    free(v);
    batch_free(b);
    model_free(m);
  }
  all_known = false;
}

static void test_refusals(void **unused) {
  (void)unused;
  model *m = make_model(&recipes[5], true, 0);
  batch *b;
  batch_caps larger = caps;
  larger.tokens *= 2;
  larger.negatives = 9;
  check_ok(batch_new(&b, larger));
  batch_clear(b);
  for (int32_t s = 0; s < 5; s++) add_sequence(b, m, 5);
  finish(b, 4);
  check_fails(model_set_batch(m, b, &state), ERR_INTERNAL, "has 4 negatives, the model was planned for 9");
  batch_clear(b); // as many as evaluation has: fine to ask for a loss, not for gradients
  for (int32_t s = 0; s < 5; s++) add_sequence(b, m, 5);
  finish(b, 0);
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, false));
  check_fails(model_loss(m, true), ERR_ARGUMENT,
              "a batch to train on has no negatives, where the loss is over 9 of them");
  b->tokens = caps.tokens + 1;
  check_fails(model_set_batch(m, b, &state), ERR_INTERNAL,
              "exceeds the model's capacities: it has too many tokens");
  batch_clear(b);
  check_fails(model_set_batch(m, b, &state), ERR_INTERNAL, "before batch_finish");
  seq_layout longer = model_layout(model_get_config(m)); // of a model of 14 positions
  longer.max_positions = 15;
  int32_t tokens[15] = {0}, row, kept;
  const batch_input in = {.tokens = tokens, .n = 15};
  assert_true(batch_add(b, &longer, &in, NULL, 0, &row, &kept) && kept == 15);
  finish(b, 9);
  check_fails(model_set_batch(m, b, &state), ERR_INTERNAL,
              "a sequence of 15 tokens is in a batch for a model of 14 positions");
  batch_free(b);
  model_free(m);
  const model_config *c;
  m = make_model(&recipes[0], false, 0);
  c = model_get_config(m);
  model *other;
  model_config bad = *c;
  bad.layers = 600;
  const model_run run = {.caps = caps};
  check_fails(model_create(&other, "cpu", &bad, &run), ERR_ARGUMENT, "model.layers = 600");
  assert_null(other);
  check_fails(model_create(&other, "abacus", c, &run), ERR_ARGUMENT, "unknown device");
  bad = *c;
  bad.heads = 5000;
  bad.hidden = 5000;
  check_fails(model_create(&other, "cpu", &bad, &run), ERR_UNSUPPORTED,
              "attention does not support heads = 5000");
  model_free(m);
  model_free(NULL);
}

static void test_config(void **unused) {
  (void)unused;
  const model_config good = {
      .hidden = 16, .layers = 1, .heads = 2, .segments = 2, .max_positions = 9, .item_classes = true};
  const int32_t range_end[4] = {5, 9, 11, 40}, no_items[4] = {5, 9, 11, 11};
  model_config c = good;
  check_ok(model_config_resolve(&c, range_end, 3));
  assert_int_equal(c.intermediate, 64);
  assert_int_equal(c.vocab_size, 40);
  assert_int_equal(c.event_types, 3);
  assert_int_equal(c.class_base, 11);
  assert_int_equal(c.classes, 29);
  c = good;
  c.item_classes = false;
  c.vocab_size = 64;
  check_ok(model_config_resolve(&c, range_end, 3));
  assert_int_equal(c.class_base, 0);
  assert_int_equal(c.classes, 64);
  c = good;
  c.heads = 3;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT,
              "model.hidden = 16 is not a multiple of model.heads = 3");
  c = good;
  c.vocab_size = 39;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT, "model.vocab_size = 39 is smaller");
  c = good;
  c.event_types = 2;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT, "model.event_types = 2 is less");
  c = good;
  c.pooler = true;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT, "model.pooler needs model.cls_sep");
  c = good;
  check_fails(model_config_resolve(&c, no_items, 3), ERR_ARGUMENT, "has no items to predict");
}

// ---- initial weights -----------------------------------------------------------------------------------------

static model *initial_model(bool pooler, int32_t items, int32_t layers, int32_t negatives, item_loss loss) {
  model_config c = {.hidden = 18,
                    .layers = layers,
                    .heads = 2,
                    .max_positions = 9,
                    .segments = 2,
                    .layer_norm_eps = 1e-6,
                    .init_std = 0.02,
                    .temperature = 1,
                    .pooler = pooler,
                    .cls_sep = pooler};
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + items};
  check_ok(model_config_resolve(&c, range_end, EVENTS));
  model_run run = {.caps = caps, .training = true, .threads = 1, .seed = 0x123456789, .loss = loss};
  run.caps.negatives = negatives;
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  return m;
}

static model *untouched_model(bool pooler, int32_t items, int32_t layers) {
  return initial_model(pooler, items, layers, 0, (item_loss){0});
}

// How many parameters of `a` are in `b` with the same values, as far as the smaller one of the two goes.
static int32_t shared_values(model *a, model *b) {
  const param_set *s = model_params(a), *t = model_params(b);
  int32_t shared = 0;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i], *q = param_find(t, p->name);
    if (q == NULL) continue;
    const size_t n = (size_t)(p->size < q->size ? p->size : q->size);
    assert_memory_equal(param_master(s, p), param_master(t, q), n * sizeof(float));
    shared++;
  }
  return shared;
}

// A head, another layer or a longer table changes no weight that was there without it.
static void test_initial_weights_by_name(void **unused) {
  (void)unused;
  model *small = untouched_model(false, 20, 1), *headed = untouched_model(true, 20, 1),
        *grown = untouched_model(true, 50, 3);
  const int32_t n = model_params(small)->count;
  assert_int_equal(shared_values(small, headed), n);
  assert_int_equal(shared_values(small, grown), n);
  assert_true(model_params(headed)->count > n);
  model_free(small);
  model_free(headed);
  model_free(grown);
}

// Which word serves which element is a rule that checkpoints' seeds rely on (base/philox.h).
static void test_initial_weights_by_rule(void **unused) {
  (void)unused;
  model *m = untouched_model(false, 20, 1);
  const param_set *s = model_params(m);
  const char *const names[] = {"bert.embeddings.word_embeddings.weight",
                               "cls.predictions.transform.dense.weight"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    const param *p = param_find(s, names[k]);
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = names[k]; *c != '\0'; c++) h = (h ^ (uint64_t)*c) * 0x100000001b3u;
    for (int64_t j = 0; j < p->size; j++) {
      const philox_out r =
          philox4x32(0x123456789, 0x1000, (uint32_t)(j / 4), 0, (uint32_t)h, (uint32_t)(h >> 32));
      const double radius = sqrt(-2 * log(((double)r.v[j % 4 / 2 * 2] + 1) / 4294967296.0)),
                   angle = 2 * M_PI * ((double)r.v[j % 4 / 2 * 2 + 1] / 4294967296.0);
      const double x = 0.02 * radius * (j % 2 == 0 ? cos(angle) : sin(angle));
      assert_true(fabs((double)param_master(s, p)[j] - x) < 1e-8);
    }
  }
  const param *norm = param_find(s, "bert.embeddings.LayerNorm.weight");
  for (int64_t j = 0; j < norm->size; j++) assert_true(param_master(s, norm)[j] == 1.0f);
  model_free(m);
}

// The biases of the items begin where a constant score is best: a binary loss then says that each item is chosen as often as it is.
static void test_initial_biases(void **unused) {
  (void)unused;
  const item_loss losses[] = {
      {.kind = ITEM_SOFTMAX}, {.kind = ITEM_BPR}, {.kind = ITEM_BCE}, {.kind = ITEM_GBCE, .gbce_t = 0.75}};
  const double classes = TOKEN_SPECIALS + 20, n = 8, alpha = n / (classes - 1),
               beta[] = {0, 0, 1, alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha)};
  for (int i = 0; i < 4; i++) {
    model *m = initial_model(false, 20, 1, (int32_t)n, losses[i]);
    const param *p = param_find(model_params(m), "cls.predictions.bias");
    const double wanted = beta[i] > 0 ? log(beta[i] / n) : 0;
    for (int64_t j = 0; j < p->size; j++)
      check_near((double)param_master(model_params(m), p)[j], wanted, 1e-6);
    model_free(m);
  }
}

// Attention's scratch is for the longest sequence that a model takes, whatever the size of a batch.
static void test_attention_scratch(void **unused) {
  (void)unused;
  const attention_params p = {.n = {ROWS_TOKENS, 32768},
                              .max_seqs = 400,
                              .max_work = 900,
                              .max_length = 50,
                              .heads = 4,
                              .head_size = 32};
  attention_params small = p;
  small.n.cap = 50;
  const size_t bytes = backend_cpu.scratch_bytes(OP_ATTENTION, &p, 2);
  enum { ROOM = 64 }; // 50 keys, rounded up
  const size_t blocks = 2 * ATTENTION_BLOCK * ROOM, packed = 2 * ROOM * 32, of_dropout = ATTENTION_BLOCK * 64;
  assert_int_equal(bytes, 2 * ((blocks + packed) * sizeof(float) + of_dropout));
  assert_int_equal(backend_cpu.scratch_bytes(OP_ATTENTION, &small, 2), bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients),
                                     cmocka_unit_test(test_accumulation_and_flags),
                                     cmocka_unit_test(test_listed_rows),
                                     cmocka_unit_test(test_evaluation),
                                     cmocka_unit_test(test_packing),
                                     cmocka_unit_test(test_dropout_counters),
                                     cmocka_unit_test(test_depths),
                                     cmocka_unit_test(test_vectors),
                                     cmocka_unit_test(test_refusals),
                                     cmocka_unit_test(test_attention_scratch),
                                     cmocka_unit_test(test_config),
                                     cmocka_unit_test(test_initial_weights_by_name),
                                     cmocka_unit_test(test_initial_weights_by_rule),
                                     cmocka_unit_test(test_initial_biases)};
  return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
