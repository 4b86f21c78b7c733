// Models in every configuration; see recipes.h.
#include "lib/recipes.h"

#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "model/item_vectors.h"

#define ALL_LINEAR "query,key,value,attention.output.dense,intermediate.dense,*.output.dense"

const recipe recipes[] = {
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
    {.name = "lora of the table, masked LM and next item, whole vocabulary, sampled, biases too",
     .hidden = 20,
     .layers = 1,
     .heads = 4,
     .objectives = "next_item 0.7, masked_lm",
     .whole_vocabulary = true,
     .negatives = 9,
     .dropout = 0.1,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings", .train_also = "cls.*"}},
    {.name = "lora of the table with frozen A, sampled, cosine",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .negatives = 9,
     .cosine = true,
     .temperature = 0.3,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings"},
     .freeze = "*.lora_embedding_A"},
    {.name = "lora of the table with frozen B, sampled, pre-norm",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .pre_norm = true,
     .negatives = 9,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings"},
     .freeze = "*.lora_embedding_B"},
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
    {.name = "lora of the table, items of content and id, next item, sampled",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .objectives = "next_item",
     .negatives = 9,
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
    {.name = "adalora of the table and of value, whole vocabulary, dropout",
     .hidden = 20,
     .layers = 1,
     .heads = 4,
     .whole_vocabulary = true,
     .dropout = 0.1,
     .peft =
         {.kind = PEFT_ADALORA, .rank = 2, .init_rank = 3, .alpha = 4, .targets = "word_embeddings,value"}},
    {.name = "adalora of the table, next item, sampled",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .objectives = "next_item",
     .negatives = 9,
     .peft = {.kind = PEFT_ADALORA, .rank = 2, .init_rank = 3, .alpha = 2, .targets = "word_embeddings"}},
    {.name = "adalora of the table, sampled, cosine, items of content and id",
     .hidden = 16,
     .layers = 1,
     .heads = 2,
     .negatives = 9,
     .cosine = true,
     .temperature = 0.3,
     .items = ITEMS_BOTH,
     .id_dropout = 0.3,
     .peft = {.kind = PEFT_ADALORA, .rank = 2, .init_rank = 4, .alpha = 3, .targets = "word_embeddings"}},
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
    {.name = "copy", .hidden = 16, .layers = 2, .heads = 2, .objectives = "copy", .dropout = 0.1},
    {.name = "copy without a transform, pre-norm, cosine for items, positions from the end",
     .hidden = 16,
     .layers = 2,
     .heads = 4,
     .objectives = "copy",
     .plain = true,
     .pre_norm = true,
     .cosine = true,
     .temperature = 1.7,
     .from_end = true},
    {.name = "copy, lora of the table and of query, dropout",
     .hidden = 16,
     .layers = 2,
     .heads = 2,
     .objectives = "copy",
     .dropout = 0.1,
     .peft = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings, query"}},
};
const size_t n_recipes = sizeof recipes / sizeof *recipes;

bool recipe_all_known;

// Texts of 0 to 4 words, features, and every fifth item one that was never trained on, unless all are known.
static void give_content(model *m) {
  const model_config *c = model_get_config(m);
  int64_t offsets[RECIPE_ITEMS + 1] = {0};
  int32_t tokens[RECIPE_ITEMS * 5];
  float features[RECIPE_ITEMS * 8];
  uint8_t known[RECIPE_ITEMS];
  if (c->items == ITEMS_ID) return;
  rng draw = rng_at(29, 5, 0, 0);
  for (int32_t i = 0; i < RECIPE_ITEMS; i++) {
    offsets[i + 1] = offsets[i] + (c->item_words > 0 ? i % 5 : 0);
    for (int64_t k = offsets[i]; k < offsets[i + 1]; k++)
      tokens[k] = TOKEN_SPECIALS + (int32_t)rng_below(&draw, RECIPE_WORDS);
    for (int64_t k = 0; k < c->item_features; k++)
      features[i * c->item_features + k] = (float)rng_normal(&draw);
    known[i] = recipe_all_known || i % 5 != 3;
  }
  const item_content content = {.items = RECIPE_ITEMS,
                                .width = (int32_t)c->item_features,
                                .offsets = offsets,
                                .tokens = tokens,
                                .features = c->item_features > 0 ? features : NULL,
                                .known = known};
  check_ok(model_set_items(m, &content));
}

bool recipe_writes(const recipe *r) {
  return r->objectives != NULL && strcmp(r->objectives, "copy") == 0;
}

model *recipe_run(const recipe *r, model_run run, double drop) {
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
                    .cls_sep = r->pooler || recipe_writes(r),
                    .items = (int)r->items,
                    .id_dropout = drop > 0 ? r->id_dropout : 0};
  const int32_t words = TOKEN_SPECIALS + RECIPE_WORDS,
                range_end[4] = {TOKEN_SPECIALS, words, words, words + RECIPE_ITEMS};
  check_ok(model_config_resolve(&c, range_end, RECIPE_EVENTS));
  if (r->objectives != NULL) strcpy(c.objectives, r->objectives);
  if (recipe_writes(r)) c.copy_classes = words;
  if (r->items != ITEMS_ID) {
    c.item_base = words;
    c.items_n = RECIPE_ITEMS;
    for (int32_t i = 0; i < RECIPE_ITEMS && !r->no_texts; i++) c.item_words += i % 5;
    c.item_features = r->features;
  }
  c.peft = r->peft;
  if (!(drop > 0)) c.peft.lora_dropout = 0;
  run.caps = recipe_caps;
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

model *recipe_model(const recipe *r, bool training, double drop) {
  return recipe_run(r, (model_run){.training = training}, drop);
}

static int32_t random_token(rng *draw) {
  return TOKEN_SPECIALS + RECIPE_WORDS + (int32_t)rng_below(draw, RECIPE_ITEMS);
}

static void add_copy(batch *b, const seq_layout *layout, int32_t number, int64_t id) {
  const copy_layout l = {.sequence = *layout, .copy_tokens = 4, .item_tokens = 2};
  rng draw = rng_at(17, 3, (uint32_t)number, 0);
  const int32_t context[] = {TOKEN_SPECIALS + number % RECIPE_WORDS};
  int32_t item[2], history[4], copy[5];
  uint8_t events[4];
  for (int i = 0; i < 2; i++) item[i] = random_token(&draw);
  for (int i = 0; i < 4; i++) history[i] = random_token(&draw);
  for (int i = 0; i < 4; i++) events[i] = (uint8_t)rng_below(&draw, RECIPE_EVENTS);
  for (int i = 0; i < 5; i++) copy[i] = TOKEN_SPECIALS + (int32_t)rng_below(&draw, RECIPE_WORDS);
  const float weights[] = {1, 0.5f, 1, 0, 2, 1};
  const copy_source source = {.context = context,
                              .n_context = 1,
                              .item = item,
                              .n_item = 1 + number % 2,
                              .history = {history, events, number % 5},
                              .fixed = number % 2};
  assert_true(batch_add_copy(b, &l, &source, copy, 1 + number % 5, weights, id));
}

void recipe_add_sequence(batch *b, const model *m, int32_t number) {
  const model_config *c = model_get_config(m);
  const seq_layout layout = model_layout(c);
  if (layout.writes) {
    add_copy(b, &layout, number, number % 2 == 0 ? number : number + ((int64_t)3 << 33));
    return;
  }
  rng draw = rng_at(17, 2, (uint32_t)number, 0);
  int32_t tokens[2][6];
  uint8_t events[2][6];
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 6; i++) {
      tokens[k][i] = random_token(&draw);
      events[k][i] = (uint8_t)rng_below(&draw, RECIPE_EVENTS);
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

void recipe_finish(batch *b, int32_t negatives) {
  rng draw = rng_at(19, 2, 0, 0);
  for (int32_t i = 0; i < negatives; i++) {
    const int32_t token = random_token(&draw);
    assert_true(batch_add_negative(b, token, -0.2f * (float)(token % 7)));
  }
  batch_finish(b);
}

batch *recipe_batch(const model *m, int32_t first, int32_t count, int32_t step) {
  batch *b;
  check_ok(batch_new(&b, model_get_run(m)->caps));
  batch_clear(b);
  for (int32_t i = 0; i < count; i++) recipe_add_sequence(b, m, first + i * step);
  recipe_finish(b, model_get_run(m)->caps.negatives);
  return b;
}
