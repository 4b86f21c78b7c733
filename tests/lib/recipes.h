// Models in every configuration, and batches for them, which a number makes: what the tests of the model share. Biases and norms are
// random too, so that none can be forgotten unseen.
#ifndef SOUK_TESTS_RECIPES_H
#define SOUK_TESTS_RECIPES_H

#include "data/batch.h"
#include "model/model.h"

enum { RECIPE_ITEMS = 24, RECIPE_WORDS = 4, RECIPE_EVENTS = 3 };

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

bool recipe_writes(const recipe *r); // copy

extern const recipe recipes[];
extern const size_t n_recipes;

static const batch_caps recipe_caps = {.tokens = 90, .seqs = 9, .masked = 30};
static const step_state recipe_state = {.step = 6, .seed = 77, .scale = {0.05f, 0.3f}};

// Of content every fifth item is one that was never trained on, unless this is set.
extern bool recipe_all_known;

// A model of a recipe, its capacities those of recipe_caps and the recipe's negatives, with this rate of dropout.
model *recipe_run(const recipe *r, model_run run, double drop);
model *recipe_model(const recipe *r, bool training, double drop);
// Sequence number `number` (which fixes its tokens, masks and labels) at the batch's end; then its negatives.
void recipe_add_sequence(batch *b, const model *m, int32_t number);
void recipe_finish(batch *b, int32_t negatives);
// A batch of `count` of them: first, first + step and so on.
batch *recipe_batch(const model *m, int32_t first, int32_t count, int32_t step);

#endif
