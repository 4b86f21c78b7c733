// The model's configuration; see config.h.
#include "model/config.h"

#include <string.h>
#include "data/vocab.h"
#include "model/objective.h"

#define FIELD(name) offsetof(model_config, name)
const option model_options[] = {
    {"hidden", OPT_INT, FIELD(hidden), "64", 4, 65536, NULL, "width H of the encoder"},
    {"layers", OPT_INT, FIELD(layers), "2", 1, 512, NULL, "encoder layers"},
    {"heads", OPT_INT, FIELD(heads), "2", 1, 1024, NULL, "attention heads; must divide hidden"},
    {"intermediate", OPT_INT, FIELD(intermediate), "0", 0, 1 << 20, NULL,
     "feed-forward width; 0: 4 x hidden"},
    {"max_positions", OPT_INT, FIELD(max_positions), "50", 2, 32768, NULL,
     "longest sequence, specials included"},
    {"vocab_size", OPT_INT, FIELD(vocab_size), "0", 0, 1 << 30, NULL,
     "rows of the word table; 0: the data set's"},
    {"segments", OPT_INT, FIELD(segments), "2", 1, 16, NULL, "segments of a sequence; 2: pairs"},
    {"event_types", OPT_INT, FIELD(event_types), "0", 0, 64, NULL,
     "event types with \"none\"; 0: the data set's"},
    {"activation", OPT_CHOICE, FIELD(activation), "gelu_new", 0, 0, "gelu_new|gelu",
     "tanh or erf form of GELU"},
    {"pre_norm", OPT_BOOL, FIELD(pre_norm), "false", 0, 0, NULL,
     "layernorm before each block instead of after"},
    {"dropout", OPT_FLOAT, FIELD(dropout), "0.1", 0, 0.9, NULL,
     "dropout of hidden states (in steps of 1/256)"},
    {"attention_dropout", OPT_FLOAT, FIELD(attention_dropout), "0.1", 0, 0.9, NULL, "dropout of attention"},
    {"drop_path", OPT_FLOAT, FIELD(drop_path), "0", 0, 0.9, NULL,
     "stochastic depth: how often a sequence goes without a branch of the last layer, linearly from 0 of the "
     "first (in steps of 1/256)"},
    {"layer_norm_eps", OPT_FLOAT, FIELD(layer_norm_eps), "1e-12", 1e-14, 0.1, NULL, "added to variances"},
    {"init_std", OPT_FLOAT, FIELD(init_std), "0.02", 0, 10, NULL, "standard deviation of initial weights"},
    {"head", OPT_CHOICE, FIELD(head), "transform", 0, 0, "transform|plain",
     "a layer between encoder and scores, as BERT has it, or none"},
    {"score", OPT_CHOICE, FIELD(score), "dot", 0, 0, "dot|cosine", "score of an item"},
    {"temperature", OPT_FLOAT, FIELD(temperature), "1", 1e-4, 1e4, NULL, "scores are divided by it"},
    {"item_classes", OPT_BOOL, FIELD(item_classes), "true", 0, 0, NULL,
     "predict items only, else every token"},
    {"pooler", OPT_BOOL, FIELD(pooler), "false", 0, 0, NULL,
     "pooler and next-sentence head; train.objectives decides where it is set"},
    {"positions_from_end", OPT_BOOL, FIELD(positions_from_end), "false", 0, 0, NULL,
     "count positions from the last token"},
    {"items", OPT_CHOICE, FIELD(items), "id", 0, 0, "id|content|both",
     "item vectors: one learned for each id; made of the item's text and features; or both, with a gate"},
    {"id_dropout", OPT_FLOAT, FIELD(id_dropout), "0.3", 0, 1, NULL,
     "model.items both: how often an item goes without its id in a step, so that new items work (in steps of "
     "1/256)"},
    {"cls_sep", OPT_BOOL, FIELD(cls_sep), "false", 0, 0, NULL, "[CLS] history [SEP], as in BERT"},
    {"labels", OPT_INT, FIELD(labels), "0", 0, 4096, NULL,
     "labels of the classifier; souk finetune --task classify and pair set it"},
    {"label_kind", OPT_CHOICE, FIELD(label_kind), "single", 0, 0, "single|several",
     "a row has one of the labels, or each of them or not"},
};
const size_t n_model_options = sizeof model_options / sizeof *model_options;

status model_config_resolve(model_config *c, const int32_t range_end[4], int32_t n_event_types) {
  if (c->hidden % c->heads != 0)
    return fail(ERR_ARGUMENT, "model.hidden = %lld is not a multiple of model.heads = %lld",
                (long long)c->hidden, (long long)c->heads);
  if (c->intermediate == 0) c->intermediate = 4 * c->hidden;
  const int32_t size = range_end[RANGE_ITEMS];
  if (c->vocab_size == 0) c->vocab_size = size;
  if (c->vocab_size < size)
    return fail(ERR_ARGUMENT, "model.vocab_size = %lld is smaller than the data set's vocabulary (%d)",
                (long long)c->vocab_size, size);
  if (c->event_types == 0) c->event_types = n_event_types;
  if (c->event_types < n_event_types)
    return fail(ERR_ARGUMENT, "model.event_types = %lld is less than the data set's %d",
                (long long)c->event_types, n_event_types);
  if (c->pooler && (!c->cls_sep || c->segments < 2))
    return fail(ERR_ARGUMENT, "model.pooler needs model.cls_sep = true and model.segments = 2 or more");
  c->objectives[0] = '\0';
  c->item_base = c->items_n = c->item_words = c->item_features = c->copy_classes = 0;
  c->class_base = c->item_classes ? range_end[RANGE_ATTRIBUTES] : 0;
  c->classes = c->item_classes ? size - c->class_base : (int32_t)c->vocab_size;
  if (c->classes < 1)
    return fail(ERR_ARGUMENT, "the vocabulary has no items to predict; set model.item_classes = false");
  return OK;
}

seq_layout model_layout(const model_config *c) {
  objective_list l;
  if (objectives_of(&l, c) != OK) l.n = 0;
  const seq_asks asks = objectives_asks(&l);
  return (seq_layout){.cls_sep = c->cls_sep,
                      .items_only = c->item_classes,
                      .asks = asks,
                      .writes = objectives_slot(&l, &objective_copy) >= 0,
                      .positions_from_end = c->positions_from_end,
                      .max_positions = (int32_t)c->max_positions,
                      .n_event_types = (int32_t)c->event_types,
                      .segments = (int32_t)c->segments};
}

int32_t model_targets(const model_config *c) {
  return c->label_kind == LABELS_SINGLE ? 1 : (int32_t)c->labels;
}

int32_t model_target_classes(const model_config *c) {
  return c->label_kind == LABELS_SINGLE ? (int32_t)c->labels : 2;
}

// ---- as json -------------------------------------------------------------------------------------------------

// The fields that follow from the vocabulary and are not options.
typedef struct derived {
  int64_t class_base, classes;
  int64_t item_base, items_n, item_words, item_features, copy_classes;
  char objectives[OPTION_STRING];
} derived;

static const option derived_fields[] = {
    {"class_base", OPT_INT, offsetof(derived, class_base), "0", 0, 1 << 30, NULL, "first class of the head"},
    {"classes", OPT_INT, offsetof(derived, classes), "1", 1, 1 << 30, NULL, "classes of the head"},
    {"item_base", OPT_INT, offsetof(derived, item_base), "0", 0, 1 << 30, NULL, "token of the first item"},
    {"items_n", OPT_INT, offsetof(derived, items_n), "0", 0, 1 << 30, NULL, "items with content"},
    {"item_words", OPT_INT, offsetof(derived, item_words), "0", 0, INT32_MAX, NULL,
     "words of all items' texts"},
    {"item_features", OPT_INT, offsetof(derived, item_features), "0", 0, 65536, NULL,
     "dense features of an item"},
    {"copy_classes", OPT_INT, offsetof(derived, copy_classes), "0", 0, 1 << 30, NULL,
     "classes of the head that writes copy"},
    {"objectives", OPT_STRING, offsetof(derived, objectives), "", 0, 0, NULL, "what it was trained for"},
};

// Fields that a checkpoint must have: the sizes of its tensors. Any other field may be missing, because an older
// program did not know it, and then has the default of its option. So the default of a new option must be the
// behaviour of models before it.
static const char *const required_fields[] = {
    "hidden", "layers", "heads", "max_positions", "vocab_size", "event_types", "class_base", "classes", NULL};

enum { PARTS = 2 };

static void list_parts(model_config *c, derived *d, option_section parts[PARTS]) {
  parts[0] = (option_section){"model", "Model", model_options, n_model_options, c};
  parts[1] =
      (option_section){"model", "Head", derived_fields, sizeof derived_fields / sizeof *derived_fields, d};
}

json_t *model_config_to_json(const model_config *c) {
  model_config copy = *c;
  derived d = {.class_base = c->class_base,
               .classes = c->classes,
               .item_base = c->item_base,
               .items_n = c->items_n,
               .item_words = c->item_words,
               .item_features = c->item_features,
               .copy_classes = c->copy_classes};
  objective_list l;
  if (objectives_of(&l, c) == OK) objectives_text(&l, d.objectives);
  option_section parts[PARTS];
  list_parts(&copy, &d, parts);
  json_t *j = record_write(parts, PARTS), *peft = peft_to_json(&c->peft);
  if (peft != NULL && json_object_set_new(j, "peft", peft) == 0) return j;
  if (c->peft.kind == PEFT_NONE) return j;
  json_decref(j);
  return NULL;
}

static status bad_field(const record_source *from, const char *name, const char *why) {
  return fail(ERR_FORMAT, "%s: field \"model.%s\" %s", from->path, name, why);
}

status model_config_from_json(model_config *c, const json_t *j, const record_source *from) {
  derived d;
  option_section parts[PARTS];
  memset(c, 0, sizeof *c);
  list_parts(c, &d, parts);
  static const char *const others[] = {"peft", NULL};
  TRY(record_read(parts, PARTS, j,
                  &(record_rules){.from = from, .required = required_fields, .others = others}));
  TRY(peft_from_json(&c->peft, json_object_get(j, "peft"), from));
  if (d.class_base > c->vocab_size || d.classes > c->vocab_size - d.class_base)
    return bad_field(from, "classes", "reaches beyond the vocabulary");
  if (d.copy_classes > c->vocab_size)
    return bad_field(from, "copy_classes", "is more than the vocabulary has");
  if (c->items != ITEMS_ID && (d.items_n < 1 || d.items_n > c->vocab_size - d.item_base))
    return bad_field(from, "items_n", "is not of items in the vocabulary");
  c->item_base = d.item_base;
  c->items_n = d.items_n;
  c->item_words = d.item_words;
  c->item_features = d.item_features;
  c->copy_classes = d.copy_classes;
  if (c->hidden % c->heads != 0) return bad_field(from, "heads", "is not a divisor of \"model.hidden\"");
  if (c->event_types < 1) return bad_field(from, "event_types", "is less than 1");
  if (c->intermediate == 0) c->intermediate = 4 * c->hidden;
  c->class_base = (int32_t)d.class_base;
  c->classes = (int32_t)d.classes;
  memcpy(c->objectives, d.objectives, sizeof c->objectives);
  objective_list l;
  if (objectives_of(&l, c) == OK) return OK;
  // One of a version to come, perhaps: like an unknown field it is no damage.
  return fail_prefix(ERR_UNSUPPORTED, "%s, which %s wrote", from->path,
                     from->writer != NULL ? from->writer : "an unknown version");
}
