// Bundles; see export.h and docs/bundle.md.
//
// The tensors of model.safetensors have Hugging Face's names and shapes; ours differ in one thing only: q, k
// and v are one matrix here, which is split into three. The decoder is tied to the word table, so neither
// cls.predictions.decoder.weight nor .bias is written: BertForMaskedLM and BertForPreTraining tie them again when
// they load.
#include "convert/export.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/tensor_file.h"
#include "eval/label_scores.h"
#include "eval/mix_file.h"
#include "format/safetensors.h"
#include "format/manifest.h"
#include "model/checkpoint.h"
#include "model/checkpoint_find.h"
#include "model/item_vectors.h"
#include "model/objectives/item_head.h"
#include "model/tuning_fold.h"
#include "model/objectives/label_head.h"
#include "train/config.h"
#include "convert/adapter_files.h"
#include "convert/export_lexicons.h"
#include "convert/export_tokenizer.h"
#include "convert/export_words.h"
#include "convert/peft_files.h"

enum { ITEM_BLOCK = 4096 };

typedef char tensor_name[PARAM_NAME + 16];

typedef struct table { // of model.safetensors
  tensor *list;        // their data are the parameters themselves
  tensor_name *names;
  int32_t n;
} table;

typedef struct exporter {
  const checkpoint *c;
  model *m;
  vocab *v;
  const char *dir; // being written
  json_t *files;
  json_t *mix;      // its settings; NULL: there is none
  json_t *copy;     // the head's that writes copy; NULL: there is none
  json_t *words;    // the tokeniser's settings; NULL: it takes no texts
  label_set labels; // n = 0: none
  bool with_mix;    // if there is one
  const char *adapters, *lexicons;
  float *rows,
      *biases; // [V,H], [V] as the model uses them, where that is not as the parameters are; NULL: it is
  uint64_t bytes;
} exporter;

static status file_path(const exporter *x, const char *name, char path[PATH_MAX + 64]) {
  return path_join(path, PATH_MAX + 64, x->dir, name);
}

// Lists a finished file.
static status list_file(exporter *x, const char *name) {
  uint64_t bytes;
  TRY(file_list_add(x->files, x->dir, name, &bytes));
  x->bytes += bytes;
  return OK;
}

static status write_json(exporter *x, const char *name, json_t *j) {
  char path[PATH_MAX + 64];
  TRY(file_path(x, name, path));
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_INTERNAL, "cannot compose %s (a name that is not valid UTF-8?)", path);
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

// ---- model.safetensors ---------------------------------------------------------------------------------------

static const char item_params[] =
    "items."; // of vectors that are made of content: they are in content.safetensors

static bool is_item_param(const param *p) {
  return strncmp(p->name, item_params, strlen(item_params)) == 0;
}

// Of the head that writes copy, which no model of Hugging Face's has: they are in copy.safetensors.
static bool is_copy_param(const param *p) {
  return strncmp(p->name, "copy.", strlen("copy.")) == 0;
}

// Items with content go out as the rows that they come to.
static const float *values_of(const exporter *x, const param *p) {
  if (x->rows != NULL && strcmp(p->name, "bert.embeddings.word_embeddings.weight") == 0) return x->rows;
  if (x->biases != NULL && strcmp(p->name, "cls.predictions.bias") == 0) return x->biases;
  return param_master(model_params(x->m), p);
}

// One tensor or, for qkv, three.
static void add_tensor(table *to, const param *p, const float *values) {
  static const char *const parts[] = {"query", "key", "value"};
  const char *qkv = strstr(p->name, ".qkv.");
  const int32_t n = qkv != NULL ? 3 : 1;
  for (int32_t i = 0; i < n; i++, to->n++) {
    char *name = to->names[to->n];
    if (qkv != NULL)
      snprintf(name, sizeof *to->names, "%.*s.%s.%s", (int)(qkv - p->name), p->name, parts[i], qkv + 5);
    else
      snprintf(name, sizeof *to->names, "%s", p->name);
    to->list[to->n] = (tensor){.name = name,
                               .dtype = "F32",
                               .ndim = p->ndim,
                               .shape = {p->shape[0] / n, p->shape[1]},
                               .data = (const char *)(values + i * (p->size / n))};
  }
}

static void add_param(table *to, const exporter *x, const param *p) {
  add_tensor(to, p, values_of(x, p));
}

static bool writes_copy(const exporter *x) {
  return objectives_slot(model_objectives(x->m), &objective_copy) >= 0;
}

static status check_tensor(const exporter *x, const tensor *t) {
  for (int64_t i = 0; i < t->size; i++) {
    float value;
    memcpy(&value, t->data + i * (int64_t)sizeof value, sizeof value);
    if (!isfinite(value))
      return fail(ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity; it is not exported",
                  x->c->dir, t->name);
  }
  return OK;
}

static status write_table(const exporter *x, table *t, const char *path) {
  out_file *f = NULL;
  status rc = tensor_file_begin(&f, path, t->list, t->n, "\"format\":\"pt\"");
  for (int32_t i = 0; rc == OK && i < t->n; i++) rc = check_tensor(x, &t->list[i]);
  for (int32_t i = 0; rc == OK && i < t->n; i++)
    rc = out_write(f, t->list[i].data, (size_t)(t->list[i].end - t->list[i].begin));
  return out_finish(f, rc);
}

// Is the model tuned by adapters that stand behind its layers? They cannot be folded and go out as they are.
static bool has_adapters(const exporter *x) {
  return model_get_config(x->m)->peft.kind == PEFT_ADAPTER;
}

static status write_model(exporter *x) {
  const param_set *s = model_params(x->m);
  const size_t most = 3 * (size_t)s->count;
  char path[PATH_MAX + 64];
  table t = {NULL, NULL, 0};
  TRY(file_path(x, "model.safetensors", path));
  status rc = mem_new(&t.list, most, sizeof *t.list, "a table of tensors");
  if (rc == OK) rc = mem_new(&t.names, most, sizeof *t.names, "a table of tensors");
  for (int32_t i = s->count - 1; rc == OK && i >= 0; i--) // embeddings first; what is tuned is folded
    if (!is_item_param(&s->items[i]) && !is_copy_param(&s->items[i]) &&
        (!s->items[i].tuned || has_adapters(x)))
      add_param(&t, x, &s->items[i]);
  if (rc == OK) rc = write_table(x, &t, path);
  free(t.list);
  free(t.names);
  return rc;
}

// What makes the vector of an item that was never trained on (docs/bundle.md).
static status write_content(exporter *x) {
  const param_set *s = model_params(x->m);
  char path[PATH_MAX + 64];
  table t = {NULL, NULL, 0};
  float new_bias;
  if (model_get_config(x->m)->items == ITEMS_ID) return OK;
  TRY(model_new_item_bias(x->m, &new_bias));
  TRY(file_path(x, "content.safetensors", path));
  status rc = mem_new(&t.list, (size_t)s->count, sizeof *t.list, "a table of tensors");
  if (rc == OK) rc = mem_new(&t.names, (size_t)s->count, sizeof *t.names, "a table of tensors");
  for (int32_t i = 0; rc == OK && i < s->count; i++)
    if (is_item_param(&s->items[i])) add_param(&t, x, &s->items[i]);
  if (rc == OK)
    t.list[t.n++] = (tensor){
        .name = "items.new.bias", .dtype = "F32", .ndim = 1, .shape = {1}, .data = (const char *)&new_bias};
  if (rc == OK) rc = write_table(x, &t, path);
  free(t.list);
  free(t.names);
  return rc == OK ? list_file(x, "content.safetensors") : rc;
}

// The head that writes copy, of this model or of an adapter's, and what its sequences are laid out with.
static status write_copy_head(exporter *x, const checkpoint *c, model *m) {
  const param_set *s = model_params(m);
  char path[PATH_MAX + 64];
  table t = {NULL, NULL, 0};
  run_config *run;
  TRY(mem_new(&run, 1, sizeof *run, "a run's configuration"));
  status rc = run_config_read(run, c);
  if (rc == OK)
    x->copy = json_pack("{s:I,s:I,s:I}", "classes", (json_int_t)c->model.copy_classes, "copy_tokens",
                        (json_int_t)run->data.copy_tokens, "item_tokens", (json_int_t)run->data.text_tokens);
  // Only where it is false, so that older libraries read the bundles of all other runs.
  if (rc == OK && x->copy != NULL && !run->data.copy.history)
    json_object_set_new(x->copy, "history", json_false());
  free(run);
  if (rc == OK) rc = file_path(x, "copy.safetensors", path);
  if (rc == OK) rc = mem_new(&t.list, (size_t)s->count, sizeof *t.list, "a table of tensors");
  if (rc == OK) rc = mem_new(&t.names, (size_t)s->count, sizeof *t.names, "a table of tensors");
  for (int32_t i = 0; rc == OK && i < s->count; i++)
    if (is_copy_param(&s->items[i])) add_tensor(&t, &s->items[i], param_master(s, &s->items[i]));
  if (rc == OK) rc = write_table(x, &t, path);
  free(t.list);
  free(t.names);
  return rc == OK ? list_file(x, "copy.safetensors") : rc;
}

static status write_copy(exporter *x) {
  return writes_copy(x) ? write_copy_head(x, x->c, x->m) : OK;
}

// ---- items.safetensors ---------------------------------------------------------------------------------------

// Is there a head that ranks items? A model that was trained on labels alone has none.
static bool ranks(const exporter *x) {
  return objectives_ranking(model_objectives(x->m)) != NULL;
}

// Without such a head an item's vector is its row of the word table, and its bias 0: a reader finds an item for each name, and
// `training.untrained` says that their ranking means nothing.
static void plain_vectors(const exporter *x, int32_t first, int32_t n, float *block) {
  const param_set *s = model_params(x->m);
  const int64_t H = model_get_config(x->m)->hidden;
  const float *words = values_of(x, param_find(s, "bert.embeddings.word_embeddings.weight"));
  for (int32_t i = 0; i < n; i++) {
    memcpy(block + i * (H + 1), words + (first + i) * H, (size_t)H * sizeof *block);
    block[i * (H + 1) + H] = 0;
  }
}

static status write_item_vectors(exporter *x, out_file *f, int32_t first, int32_t items, float *block) {
  const model_config *c = model_get_config(x->m);
  const size_t W = (size_t)c->hidden + 1;
  for (int32_t i = 0; i < items; i += ITEM_BLOCK) {
    const int32_t n = items - i < ITEM_BLOCK ? items - i : ITEM_BLOCK;
    if (ranks(x) || (objectives_labels(model_objectives(x->m)) == NULL &&
                     !writes_copy(x))) // which has an error of its own
      TRY(model_item_vectors(x->m, first + i - c->class_base, n, block));
    else
      plain_vectors(x, first + i, n, block);
    for (size_t j = 0; j < (size_t)n * W; j++)
      if (!isfinite(block[j]))
        return fail(ERR_NONFINITE, "%s: the vector of an item is not finite", x->c->dir);
    TRY(out_write(f, block, (size_t)n * W * sizeof *block));
  }
  return OK;
}

static status write_items(exporter *x) {
  const int32_t first = vocab_begin(x->v, RANGE_ITEMS), items = vocab_end(x->v, RANGE_ITEMS) - first;
  const int64_t W = model_get_config(x->m)->hidden + 1;
  tensor list[] = {{.name = "counts", .dtype = "I64", .ndim = 1, .shape = {items}},
                   {.name = "vectors", .dtype = "F32", .ndim = 2, .shape = {items, W}}};
  char path[PATH_MAX + 64];
  out_file *f = NULL;
  float *block;
  TRY(file_path(x, "items.safetensors", path));
  TRY(mem_new(&block, ITEM_BLOCK * (size_t)W, sizeof *block, "item vectors"));
  status rc =
      tensor_file_begin(&f, path, list, 2, "\"format\":\"pt\",\"rows\":\"items in the order of vocab.tsv\"");
  for (int32_t i = 0; rc == OK && i < items; i++) {
    const int64_t count = vocab_token_count(x->v, first + i);
    rc = out_write(f, &count, sizeof count);
  }
  if (rc == OK) rc = write_item_vectors(x, f, first, items, block);
  free(block);
  return out_finish(f, rc);
}

// ---- config.json and souk.json -------------------------------------------------------------------------------

// An encoder that is no BertModel takes no BERT's name, so that no library takes it for one.
static bool is_bert(const exporter *x) {
  return !model_get_config(x->m)->pre_norm && !has_adapters(x);
}

// Is it a model of labels?
static bool has_labels(const exporter *x) {
  return objectives_labels(model_objectives(x->m)) != NULL && !model_get_config(x->m)->pre_norm;
}

// What BertForSequenceClassification wants to know: names of labels, and whether there is one of them or several.
static void add_label_names(json_t *config, const label_set *l) {
  json_t *names = json_object(), *numbers = json_object();
  char number[16];
  for (int32_t k = 0; k < l->n; k++) {
    snprintf(number, sizeof number, "%d", k);
    json_object_set_new(names, number, json_string(l->names[k]));
    json_object_set_new(numbers, l->names[k], json_integer(k));
  }
  json_object_set_new(config, "id2label", names);
  json_object_set_new(config, "label2id", numbers);
  json_object_set_new(config, "problem_type",
                      json_string(l->single ? "single_label_classification" : "multi_label_classification"));
}

static json_t *hugging_face_config(const exporter *x) {
  const model_config *c = model_get_config(x->m);
  const char *type = c->pre_norm ? "souk_pre_norm_bert" : has_adapters(x) ? "souk_adapter_bert" : "bert";
  const bool causal = model_layout(c).asks != ASKS_MASKED, plain = c->head == HEAD_PLAIN;
  const char *architecture = c->pre_norm               ? "SoukPreNormBertForMaskedLM"
                             : !is_bert(x)             ? "SoukAdapterBert"
                             : has_labels(x)           ? "BertForSequenceClassification"
                             : plain || writes_copy(x) ? "BertModel"
                             : causal                  ? "BertLMHeadModel"
                             : c->pooler               ? "BertForPreTraining"
                                                       : "BertForMaskedLM";
  json_t *j =
      json_pack("{s:[s],s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:f,s:f,s:I,s:I,s:f,s:f,s:i,s:b}", "architectures",
                architecture, "model_type", type, "vocab_size", (json_int_t)c->vocab_size, "hidden_size",
                (json_int_t)c->hidden, "num_hidden_layers", (json_int_t)c->layers, "num_attention_heads",
                (json_int_t)c->heads, "intermediate_size", (json_int_t)c->intermediate, "hidden_act",
                c->activation == 0 ? "gelu_new" : "gelu", "hidden_dropout_prob", c->dropout,
                "attention_probs_dropout_prob", c->attention_dropout, "max_position_embeddings",
                (json_int_t)c->max_positions, "type_vocab_size", (json_int_t)(c->segments * c->event_types),
                "initializer_range", c->init_std, "layer_norm_eps", c->layer_norm_eps, "pad_token_id", 0,
                "tie_word_embeddings", 1);
  if (causal) json_object_set_new(j, "is_decoder", json_true());
  if (has_labels(x)) add_label_names(j, &x->labels);
  return j;
}

static json_t *layout_json(const model_config *c, const dataset_info *d) {
  json_t *events = json_array();
  for (int32_t i = 0; i < d->n_event_types; i++)
    json_array_append_new(events, json_string(d->event_types[i]));
  json_t *j =
      json_pack("{s:b,s:b,s:I,s:o,s:I,s:I}", "cls_sep", c->cls_sep, "positions_from_end",
                c->positions_from_end, "max_positions", (json_int_t)c->max_positions, "event_types", events,
                "types_per_segment", (json_int_t)c->event_types, "segments", (json_int_t)c->segments);
  if (model_layout(c).asks != ASKS_MASKED) json_object_set_new(j, "causal", json_true()); // of its queries
  return j;
}

static json_t *vocabulary_json(const vocab *v) {
  json_t *j = json_pack("{s:i}", "size", vocab_size(v));
  for (int r = 0; r < RANGE_COUNT; r++)
    json_object_set_new(j, vocab_range_names[r],
                        json_pack("[i,i]", vocab_begin(v, (vocab_range)r), vocab_end(v, (vocab_range)r)));
  return j;
}

static void add_untrained(json_t *training, const char *name) {
  json_t *all = json_object_get(training, "untrained");
  if (all == NULL && json_object_set_new(training, "untrained", json_array()) == 0)
    all = json_object_get(training, "untrained");
  json_array_append_new(all, json_string(name));
}

static json_t *training_json(const checkpoint *c) {
  const train_state *t = &c->state;
  json_t *j = json_pack("{s:I,s:I,s:f,s:s,s:s}", "step", (json_int_t)t->step, "tokens", (json_int_t)t->tokens,
                        "seconds", t->seconds, "data", c->data.name, "data_checksum", c->data.checksum);
  objective_list l;
  if (t->trained.final) json_object_set_new(j, "final", json_true());
  for (int32_t k = 0; objectives_of(&l, &c->model) == OK && k < l.n; k++)
    if (t->untrained[k]) add_untrained(j, l.of[k]->name);
  if (objectives_of(&l, &c->model) == OK && objectives_ranking(&l) == NULL) add_untrained(j, "ranking");
  const bool measured = !c->raw || c->averaged == NULL; // validations measure averages where there are any
  if (j != NULL && t->best_name[0] != '\0' && measured &&
      t->best_step == t->step) { // the figure of the validation at this step
    json_object_set_new(j, "metric", json_string(t->best_name));
    json_object_set_new(j, "metric_value", json_real(t->best_metric));
  }
  return j;
}

static json_t *encoder_json(const exporter *x) {
  const model_config *c = model_get_config(x->m);
  json_t *j = json_pack("{s:b,s:b}", "pre_norm", c->pre_norm, "pooler", c->pooler);
  if (has_adapters(x)) json_object_set_new(j, "adapter_width", json_integer(c->peft.adapter_width));
  return j;
}

static json_t *souk_json(exporter *x) {
  const model_config *c = model_get_config(x->m);
  json_t *head = json_pack("{s:s,s:f,s:i,s:i}", "score", c->score == 0 ? "dot" : "cosine", "inv_temperature",
                           1.0 / c->temperature, "class_base", c->class_base, "classes", c->classes);
  if (c->head == HEAD_PLAIN || !ranks(x)) json_object_set_new(head, "plain", json_true());
  json_t *j = json_pack("{s:s,s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:O}", "schema", "souk.bundle", "version", 1,
                        "created_by", "souk " SOUK_VERSION, "layout", layout_json(c, &x->c->data), "encoder",
                        encoder_json(x), "vocabulary", vocabulary_json(x->v), "head", head, "training",
                        training_json(x->c), "files", x->files);
  int bad = j == NULL;
  if (x->mix != NULL) bad |= json_object_set(j, "mix", x->mix);
  if (x->words != NULL) bad |= json_object_set(j, "words", x->words);
  if (x->copy != NULL) bad |= json_object_set(j, "copy", x->copy);
  if (x->labels.n > 0) bad |= json_object_set_new(j, "labels", label_set_to_json(&x->labels));
  if (bad == 0) return j;
  json_decref(j);
  return NULL;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status copy_from(exporter *x, const checkpoint *c, const char *name) {
  char manifest[PATH_MAX + 64];
  TRY(path_join(manifest, sizeof manifest, c->dir, "manifest.json"));
  const file_list_check from = {.dir = c->dir, .manifest = manifest};
  return file_list_copy(c->files, &from, name, x->dir);
}

static status copy_in(exporter *x, const char *name) {
  return copy_from(x, x->c, name);
}

static bool has_items(const exporter *x) {
  return vocab_begin(x->v, RANGE_ITEMS) < vocab_end(x->v, RANGE_ITEMS);
}

// Is its input a history of items, for Hugging Face's tokenizer? A classifier's is a text.
static bool takes_histories(const exporter *x) {
  const bool words = vocab_begin(x->v, RANGE_WORDS) < vocab_end(x->v, RANGE_WORDS);
  return has_items(x) && !(words && x->labels.n > 0 && strcmp(x->labels.task, "classify") == 0);
}

// What is asked of the model: vectors of its items, or the vocabulary of its words; and the tokenizer of either.
static status write_tokens(exporter *x) {
  const model_config *c = model_get_config(x->m);
  bool has_vocab_txt = false;
  if (has_items(x)) {
    TRY(write_items(x));
    TRY(list_file(x, "items.safetensors"));
  }
  if (takes_histories(x)) {
    TRY(export_item_tokenizer(x->dir, x->v, c));
  } else {
    TRY(export_word_tokenizer(x->dir, x->v, c, x->c->tokenizer, &has_vocab_txt));
    if (has_vocab_txt) TRY(list_file(x, "vocab.txt"));
  }
  TRY(export_words(&x->words, x->v, x->c->tokenizer));
  TRY(list_file(x, "tokenizer.json"));
  return list_file(x, "tokenizer_config.json");
}

// The counts are copied as they are, once they have been read and checked.
static status write_mix(exporter *x) {
  const bool final = mix_is_there(x->c, true);
  char from[PATH_MAX], to[PATH_MAX + 64];
  mix *read;
  if (!final && !mix_is_there(x->c, false)) return OK;
  TRY(mix_open(&read, x->c, final));
  const status rc = mix_settings_json(read, &x->mix);
  mix_free(read);
  TRY(rc);
  TRY(mix_table_path(x->c, final, from));
  TRY(file_path(x, "mix.safetensors", to));
  TRY(file_copy(from, to));
  return list_file(x, "mix.safetensors");
}

// The path of one of its files in the bundle.
static void adapter_path(char path[PATH_MAX], const char *name, const char *file) {
  snprintf(path, PATH_MAX, "adapters/%s%s%s", name, file[0] != '\0' ? "/" : "", file);
}

static status check_adapter_name(const exporter *x, const char *name) {
  char listed[PATH_MAX];
  adapter_path(listed, name, "");
  if (!manifest_name_is_plain(listed, true) || strlen(listed) > 128)
    return fail(ERR_ARGUMENT,
                "--adapters: \"%.100s\" cannot be a folder of a bundle; NAME=RUN gives another name", name);
  adapter_path(listed, name, peft_config_file);
  return json_object_get(x->files, listed) == NULL
             ? OK
             : fail(ERR_ARGUMENT, "--adapters: two are called %s; NAME=RUN gives another name", name);
}

// Sources of a bundle either show histories or do not, whichever adapter writes.
static status check_histories(const exporter *x, const checkpoint *of) {
  objective_list l;
  run_config *run;
  bool shown = true;
  if (x->copy == NULL) return OK;
  TRY(objectives_of(&l, &of->model));
  if (objectives_slot(&l, &objective_copy) < 0) return OK;
  TRY(mem_new(&run, 1, sizeof *run, "a run's configuration"));
  const status rc = run_config_read(run, of);
  if (rc == OK) shown = run->data.copy.history;
  free(run);
  TRY(rc);
  return shown == (json_object_get(x->copy, "history") == NULL)
             ? OK
             : fail(ERR_ARGUMENT,
                    "%s was trained with copy.history = %s, and the bundle's copy was not; a bundle of its "
                    "own "
                    "serves it",
                    of->dir, shown ? "true" : "false");
}

// An adapter that learned to write copy on a base that does not has a head of its own, which becomes the bundle's.
static status take_copy_head(exporter *x, const checkpoint *of) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}};
  model *m;
  if (!checkpoint_has_copy_head(of)) return check_histories(x, of);
  if (x->copy != NULL)
    return fail(
        ERR_ARGUMENT,
        "%s has a head of its own that writes copy, and a bundle has one; a bundle of its own serves it",
        of->dir);
  TRY(model_create(&m, "cpu", &of->model, &run));
  status rc = checkpoint_load(of, m, false);
  if (rc == OK) rc = write_copy_head(x, of, m);
  model_free(m);
  if (rc != OK || json_object_get(of->files, "texts.safetensors") == NULL ||
      json_object_get(x->files, "texts.safetensors") != NULL)
    return rc;
  TRY(copy_from(x, of, "texts.safetensors"));
  return list_file(x, "texts.safetensors");
}

static status write_adapter(exporter *x, const char *name, const checkpoint *of) {
  const char *const files[] = {peft_config_file, peft_model_file, adapter_labels_file};
  char listed[PATH_MAX], path[PATH_MAX + 64];
  TRY(adapter_files_check(x->c, of));
  TRY(check_adapter_name(x, name));
  adapter_path(listed, name, "");
  TRY(file_path(x, listed, path));
  TRY(dir_make(path));
  TRY(adapter_files_write(path, of));
  TRY(take_copy_head(x, of));
  for (size_t k = 0; k < (of->labels != NULL ? 3 : 2); k++) {
    adapter_path(listed, name, files[k]);
    TRY(list_file(x, listed));
  }
  return OK;
}

// "RUN" or "NAME=RUN".
static status write_one_adapter(exporter *x, char *piece) {
  char *equals = strchr(piece, '='), place[PATH_MAX];
  char *where = equals != NULL ? equals + 1 : piece;
  checkpoint *of;
  if (equals != NULL) *equals = '\0';
  for (size_t n = strlen(where); n > 1 && where[n - 1] == '/';) where[--n] = '\0';
  TRY(checkpoint_choose(place, sizeof place, where, WHICH_AUTO));
  TRY(checkpoint_open(&of, place));
  const status rc = write_adapter(x, equals != NULL ? piece : path_name(where), of);
  checkpoint_close(of);
  return rc;
}

static status write_adapters(exporter *x) {
  char *copy, *piece;
  if (x->adapters == NULL || x->adapters[0] == '\0') return OK;
  TRY(mem_strdup(&copy, x->adapters));
  status rc = OK;
  for (char *next = copy; rc == OK && (piece = strsep(&next, ",")) != NULL;) rc = write_one_adapter(x, piece);
  free(copy);
  return rc;
}

// Whoever writes copy, the model or an adapter, carries the rules by which it is written.
static status write_lexicons(exporter *x) {
  bool copied[LEXICON_FILES];
  if (x->lexicons == NULL || x->copy == NULL) return OK;
  TRY(export_lexicons(x->lexicons, x->dir, copied));
  for (int i = 0; i < LEXICON_FILES; i++)
    if (copied[i]) TRY(list_file(x, lexicon_files[i]));
  return OK;
}

static status write_files(exporter *x) {
  TRY(write_json(x, "config.json", hugging_face_config(x)));
  TRY(list_file(x, "config.json"));
  TRY(copy_in(x, "vocab.tsv"));
  TRY(list_file(x, "vocab.tsv"));
  TRY(write_tokens(x));
  TRY(write_model(x));
  TRY(list_file(x, "model.safetensors"));
  TRY(write_content(x));
  TRY(write_copy(x));
  if (x->c->has_catalogue) {
    TRY(copy_in(x, "catalogue.jsonl"));
    TRY(list_file(x, "catalogue.jsonl"));
  }
  if (json_object_get(x->c->files, "texts.safetensors") != NULL) {
    TRY(copy_in(x, "texts.safetensors"));
    TRY(list_file(x, "texts.safetensors"));
  }
  if (x->with_mix && has_items(x)) TRY(write_mix(x));
  TRY(write_adapters(x));
  TRY(write_lexicons(x));
  return write_json(x, "souk.json", souk_json(x));
}

// The checkpoint's model with the smallest capacities, because only its parameters are used.
static status load_model(exporter *x) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}};
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, x->c->dir, "vocab.tsv"));
  TRY(vocab_read(&x->v, path, x->c->data.range_end));
  TRY(model_create(&x->m, "cpu", &x->c->model, &run));
  TRY(checkpoint_load(x->c, x->m, false));
  if (x->c->model.peft.kind != PEFT_NONE && x->c->model.peft.kind != PEFT_ADAPTER) TRY(tuning_fold(x->m));
  const model_config *c = model_get_config(x->m);
  if (x->c->labels != NULL && objectives_labels(model_objectives(x->m)) != NULL)
    TRY(checkpoint_label_set(&x->labels, x->c));
  if (c->items == ITEMS_ID) return OK;
  const size_t V = (size_t)c->vocab_size;
  TRY(mem_new(&x->rows, V * (size_t)c->hidden, sizeof *x->rows, "item vectors"));
  TRY(mem_new(&x->biases, V, sizeof *x->biases, "item biases"));
  return model_used_table(x->m, x->rows, x->biases);
}

static status run(exporter *x, out_dir *place, export_result *result) {
  status rc = load_model(x);
  if (rc == OK) rc = write_files(x);
  TRY(out_dir_finish(place, rc));
  checkpoint_warn_untrained(x->c, NULL);
  if (has_adapters(x))
    log_info(
        "Hugging Face's BertModel has no place for adapters, so the model_type of this bundle is none of its "
        "library's: souk-infer serves it");
  if (result != NULL)
    *result = (export_result){.step = x->c->state.step,
                              .items = vocab_end(x->v, RANGE_ITEMS) - vocab_begin(x->v, RANGE_ITEMS),
                              .dimension = (int32_t)model_get_config(x->m)->hidden + 1,
                              .bytes = x->bytes};
  return OK;
}

status export_bundle(const char *checkpoint_dir, const char *bundle, const export_config *config,
                     export_result *result) {
  exporter x = {.files = json_object(),
                .with_mix = config->with_mix,
                .adapters = config->adapters,
                .lexicons = config->lexicons};
  checkpoint *c = NULL;
  out_dir *place;
  status rc = checkpoint_open(&c, checkpoint_dir);
  if (rc == OK) rc = out_dir_open(&place, bundle, PATH_BUNDLE, config->force);
  if (rc == OK) {
    x.dir = out_dir_path(place);
    x.c = c;
    c->raw = config->raw;
    rc = run(&x, place, result);
  }
  vocab_free(x.v);
  model_free(x.m);
  free(x.rows);
  free(x.biases);
  checkpoint_close(c);
  json_decref(x.files);
  json_decref(x.mix);
  json_decref(x.words);
  json_decref(x.copy);
  label_set_free(&x.labels);
  return rc;
}
