// The model's configuration; see config.h.
#include "model/config.h"

#include <string.h>
#include "data/vocab.h"

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
    {"layer_norm_eps", OPT_FLOAT, FIELD(layer_norm_eps), "1e-12", 1e-14, 0.1, NULL, "added to variances"},
    {"init_std", OPT_FLOAT, FIELD(init_std), "0.02", 0, 10, NULL, "standard deviation of initial weights"},
    {"score", OPT_CHOICE, FIELD(score), "dot", 0, 0, "dot|cosine", "score of the masked-LM head"},
    {"temperature", OPT_FLOAT, FIELD(temperature), "1", 1e-4, 1e4, NULL, "scores are divided by it"},
    {"item_classes", OPT_BOOL, FIELD(item_classes), "true", 0, 0, NULL,
     "predict items only, else every token"},
    {"pooler", OPT_BOOL, FIELD(pooler), "false", 0, 0, NULL, "pooler and next-sentence head"},
    {"positions_from_end", OPT_BOOL, FIELD(positions_from_end), "false", 0, 0, NULL,
     "count positions from the last token"},
    {"cls_sep", OPT_BOOL, FIELD(cls_sep), "false", 0, 0, NULL, "[CLS] history [SEP], as in BERT"},
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
  c->class_base = c->item_classes ? range_end[RANGE_ATTRIBUTES] : 0;
  c->classes = c->item_classes ? size - c->class_base : (int32_t)c->vocab_size;
  if (c->classes < 1)
    return fail(ERR_ARGUMENT, "the vocabulary has no items to predict; set model.item_classes = false");
  return OK;
}

seq_layout model_layout(const model_config *c) {
  return (seq_layout){.cls_sep = c->cls_sep,
                      .positions_from_end = c->positions_from_end,
                      .max_positions = (int32_t)c->max_positions,
                      .n_event_types = (int32_t)c->event_types,
                      .segments = (int32_t)c->segments};
}

json_t *model_config_to_json(const model_config *c) {
  json_t *j = json_object();
  for (size_t i = 0; i < n_model_options; i++) {
    const option *o = &model_options[i];
    const char *field = (const char *)c + o->offset;
    json_t *value = NULL;
    if (o->type == OPT_BOOL) {
      bool v;
      memcpy(&v, field, sizeof v);
      value = json_boolean(v);
    } else if (o->type == OPT_FLOAT) {
      double v;
      memcpy(&v, field, sizeof v);
      value = json_real(v);
    } else if (o->type == OPT_CHOICE) {
      int v;
      memcpy(&v, field, sizeof v);
      value = json_integer(v);
    } else {
      int64_t v;
      memcpy(&v, field, sizeof v);
      value = json_integer(v);
    }
    json_object_set_new(j, o->name, value);
  }
  json_object_set_new(j, "class_base", json_integer(c->class_base));
  json_object_set_new(j, "classes", json_integer(c->classes));
  return j;
}

static status bad_field(const char *where, const char *name) {
  return fail(ERR_FORMAT, "%s: model field \"%s\" is missing, of the wrong type or out of range", where,
              name);
}

status model_config_from_json(model_config *c, const json_t *j, const char *where) {
  memset(c, 0, sizeof *c);
  for (size_t i = 0; i < n_model_options; i++) {
    const option *o = &model_options[i];
    char *field = (char *)c + o->offset;
    const json_t *value = json_object_get(j, o->name);
    const double number = json_number_value(value);
    const bool limited = o->min < o->max;
    if (o->type == OPT_BOOL) {
      if (!json_is_boolean(value)) return bad_field(where, o->name);
      const bool v = json_is_true(value);
      memcpy(field, &v, sizeof v);
    } else if (o->type == OPT_FLOAT) {
      if (!json_is_number(value) || (limited && !(number >= o->min && number <= o->max)))
        return bad_field(where, o->name);
      memcpy(field, &number, sizeof number);
    } else if (o->type == OPT_CHOICE) { // both choices here have two values
      const json_int_t v = json_integer_value(value);
      const int small = (int)v;
      if (!json_is_integer(value) || v < 0 || v > 1) return bad_field(where, o->name);
      memcpy(field, &small, sizeof small);
    } else {
      const int64_t v = json_integer_value(value);
      if (!json_is_integer(value) || (limited && (number < o->min || number > o->max)))
        return bad_field(where, o->name);
      memcpy(field, &v, sizeof v);
    }
  }
  const json_t *base = json_object_get(j, "class_base"), *classes = json_object_get(j, "classes");
  if (!json_is_integer(base) || json_integer_value(base) < 0) return bad_field(where, "class_base");
  if (!json_is_integer(classes) || json_integer_value(classes) < 1) return bad_field(where, "classes");
  if (json_integer_value(base) > c->vocab_size ||
      json_integer_value(classes) > c->vocab_size - json_integer_value(base))
    return bad_field(where, "classes");
  if (c->hidden % c->heads != 0) return bad_field(where, "heads");
  if (c->intermediate < 1) return bad_field(where, "intermediate");
  if (c->event_types < 1) return bad_field(where, "event_types");
  c->class_base = (int32_t)json_integer_value(base);
  c->classes = (int32_t)json_integer_value(classes);
  return OK;
}
