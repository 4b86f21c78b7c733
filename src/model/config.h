// Section "model" of a run's configuration, and its json form (field "model" of a checkpoint's manifest).
#ifndef SOUK_MODEL_CONFIG_H
#define SOUK_MODEL_CONFIG_H

#include "base/options.h"
#include "base/record.h"
#include "data/batch.h"
#include "model/peft_config.h"
#include "ops/ops.h"

typedef enum head_kind { HEAD_TRANSFORM, HEAD_PLAIN } head_kind; // "transform|plain"
typedef enum items_kind {
  ITEMS_ID,
  ITEMS_CONTENT,
  ITEMS_BOTH
} items_kind; // "id|content|both" (item_vectors.h)

typedef enum label_kind { LABELS_SINGLE, LABELS_SEVERAL } label_kind; // "single|several"

typedef struct model_config {
  int64_t hidden, layers, heads, intermediate; // intermediate 0: 4 x hidden
  int64_t max_positions;
  int64_t vocab_size;  // 0: the data set's
  int64_t segments;    // 2: pairs
  int64_t event_types; // 0: the data set's (with "none")
  int activation;      // "gelu_new|gelu": tanh and erf form
  bool pre_norm;       // layernorm before each block; default post-norm (BERT)
  double dropout, attention_dropout;
  double drop_path; // of the last layer; that of the others falls linearly, to 0 of the first
  double layer_norm_eps, init_std;
  int score;                        // "dot|cosine" of the MLM head
  int head;                         // head_kind: what rows go through before they are scored
  double temperature;               // scores are divided by it
  bool item_classes;                // the head predicts items only (else the whole vocabulary)
  bool pooler;                      // pooler and next-sentence head
  bool positions_from_end, cls_sep; // see seq_layout
  int64_t labels;                   // of the classifier (objectives/label_head.h); 0: none
  int label_kind;
  int items;                   // items_kind: what the vectors of items are made of
  double id_dropout;           // of ITEMS_BOTH: how often an item goes without its id in a step
  int32_t class_base, classes; // filled by model_config_resolve
  // Of item_content_describe, after that (0: items are ids): the first item's token and how many there are, words of their texts in
  // all, and dense features of each.
  int64_t item_base, items_n, item_words, item_features;
  int64_t copy_classes; // of the objective copy: tokens before the first item; 0: it is not trained for that
  // What it is trained for, by slot: "masked_lm, next_session". "", which model_config_resolve makes it: what pooler says.
  char objectives[OPTION_STRING];
  peft_config peft; // section "peft": how it is tuned on top of another model
} model_config;

extern const option model_options[];
extern const size_t n_model_options;

// Fills what depends on the vocabulary (range_end as in vocab.h) and checks options that depend on each other.
status model_config_resolve(model_config *c, const int32_t range_end[4], int32_t n_event_types);
seq_layout model_layout(const model_config *c);
int32_t model_targets(const model_config *c); // labels that a sequence of a batch needs for the classifier
int32_t model_target_classes(const model_config *c); // what they are below
json_t *model_config_to_json(const model_config *c); // all options and the classes; new, NULL: no memory
// Checked field by field. `required_fields` (config.c) says which fields a file may lack, and what they are then.
status model_config_from_json(model_config *c, const json_t *j, const record_source *from);

#endif
