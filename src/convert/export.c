// Bundles; see export.h and docs/bundle.md.
//
// The tensors of model.safetensors have Hugging Face's names and shapes; ours differ in one thing only: q, k
// and v are one matrix here, which is cut into its three. The decoder is tied to the word table, so neither
// cls.predictions.decoder.weight nor .bias is written: BertForMaskedLM and BertForPreTraining tie them again
// when they load.
#include "convert/export.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "model/checkpoint.h"

enum { HEADER_ALIGNMENT = 64, ITEM_BLOCK = 4096 };

typedef struct entry { // of model.safetensors
  char name[PARAM_NAME + 16];
  int32_t ndim;
  int64_t shape[2];
  const float *data;
} entry;

typedef struct exporter {
  const checkpoint *c;
  model *m;
  vocab *v;
  const char *dir; // being written
  json_t *files;
  uint64_t bytes;
} exporter;

static status file_path(const exporter *x, const char *name, char path[PATH_MAX + 64]) {
  return path_join(path, PATH_MAX + 64, x->dir, name);
}

// Lists a finished file.
static status list_file(exporter *x, const char *name) {
  char path[PATH_MAX + 64], hex[65];
  uint64_t bytes;
  TRY(file_path(x, name, path));
  TRY(file_sha256(path, hex, &bytes));
  x->bytes += bytes;
  json_object_set_new(x->files, name, json_pack("{s:I,s:s}", "bytes", (json_int_t)bytes, "sha256", hex));
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

// One tensor or, for qkv, three.
static int32_t describe(const param_set *s, const param *p, entry *e) {
  static const char *const parts[] = {"query", "key", "value"};
  const char *qkv = strstr(p->name, ".qkv.");
  const int32_t n = qkv != NULL ? 3 : 1;
  for (int32_t i = 0; i < n; i++) {
    e[i] = (entry){.ndim = p->ndim,
                   .shape = {p->shape[0] / n, p->shape[1]},
                   .data = param_master(s, p) + i * (p->size / n)};
    if (qkv != NULL)
      snprintf(e[i].name, sizeof e[i].name, "%.*s.%s.%s", (int)(qkv - p->name), p->name, parts[i], qkv + 5);
    else
      snprintf(e[i].name, sizeof e[i].name, "%s", p->name);
  }
  return n;
}

static size_t entry_bytes(const entry *e) {
  return (size_t)(e->shape[0] * (e->ndim == 2 ? e->shape[1] : 1)) * sizeof(float);
}

static status check_entry(const exporter *x, const entry *e) {
  const size_t n = entry_bytes(e) / sizeof(float);
  for (size_t i = 0; i < n; i++)
    if (!isfinite(e->data[i]))
      return fail(ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity; it is not exported",
                  x->c->dir, e->name);
  return OK;
}

// u64 header size and header, filled with spaces so that the data begin at a multiple of 64.
static status write_header(out_file *f, const char *header, size_t bytes) {
  const size_t padded = (8 + bytes + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT - 8;
  uint8_t size[8];
  for (size_t i = 0; i < 8; i++) size[i] = (uint8_t)((uint64_t)padded >> 8 * i);
  TRY(out_write(f, size, sizeof size));
  return out_printf(f, "%s%*s", header, (int)(padded - bytes), "");
}

static status write_entries(const entry *e, int32_t n, out_file *f) {
  char *header = NULL;
  size_t bytes = 0;
  uint64_t at = 0;
  FILE *to = open_memstream(&header, &bytes);
  if (to == NULL) return fail(ERR_MEMORY, "out of memory: the header of model.safetensors");
  fprintf(to, "{\"__metadata__\":{\"format\":\"pt\"}");
  for (int32_t i = 0; i < n; i++) {
    fprintf(to, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%" PRId64, e[i].name, e[i].shape[0]);
    if (e[i].ndim == 2) fprintf(to, ",%" PRId64, e[i].shape[1]);
    fprintf(to, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + entry_bytes(&e[i]));
    at += entry_bytes(&e[i]);
  }
  fputs("}", to);
  if (fclose(to) != 0) {
    free(header);
    return fail(ERR_MEMORY, "out of memory: the header of model.safetensors");
  }
  status rc = write_header(f, header, bytes);
  free(header);
  for (int32_t i = 0; rc == OK && i < n; i++) rc = out_write(f, e[i].data, entry_bytes(&e[i]));
  return rc;
}

static status write_model(exporter *x) {
  const param_set *s = model_params(x->m);
  char path[PATH_MAX + 64];
  out_file *f = NULL;
  entry *e;
  int32_t n = 0;
  TRY(file_path(x, "model.safetensors", path));
  TRY(mem_new(&e, 3 * (size_t)s->count, sizeof *e, "a table of tensors"));
  status rc = OK;
  for (int32_t i = s->count - 1; i >= 0; i--) n += describe(s, &s->items[i], e + n); // embeddings first
  for (int32_t i = 0; rc == OK && i < n; i++) rc = check_entry(x, &e[i]);
  if (rc == OK) rc = out_open(&f, path);
  if (rc == OK) rc = write_entries(e, n, f);
  free(e);
  return out_finish(f, rc);
}

// ---- items.safetensors ---------------------------------------------------------------------------------------

static status write_item_vectors(exporter *x, out_file *f, int32_t first, int32_t items, float *block) {
  const model_config *c = model_get_config(x->m);
  const size_t W = (size_t)c->hidden + 1;
  for (int32_t i = 0; i < items; i += ITEM_BLOCK) {
    const int32_t n = items - i < ITEM_BLOCK ? items - i : ITEM_BLOCK;
    TRY(model_item_vectors(x->m, first + i - c->class_base, n, block));
    for (size_t j = 0; j < (size_t)n * W; j++)
      if (!isfinite(block[j]))
        return fail(ERR_NONFINITE, "%s: the vector of an item is not finite", x->c->dir);
    TRY(out_write(f, block, (size_t)n * W * sizeof *block));
  }
  return OK;
}

static status write_items(exporter *x) {
  const int32_t first = vocab_begin(x->v, RANGE_ITEMS), items = vocab_end(x->v, RANGE_ITEMS) - first;
  const size_t W = (size_t)model_get_config(x->m)->hidden + 1, counts = 8 * (size_t)items;
  char path[PATH_MAX + 64], header[512];
  out_file *f = NULL;
  float *block;
  TRY(file_path(x, "items.safetensors", path));
  snprintf(header, sizeof header,
           "{\"__metadata__\":{\"format\":\"pt\",\"rows\":\"items in the order of vocab.tsv\"},"
           "\"counts\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[0,%zu]},"
           "\"vectors\":{\"dtype\":\"F32\",\"shape\":[%d,%zu],\"data_offsets\":[%zu,%zu]}}",
           items, counts, items, W, counts, counts + (size_t)items * W * sizeof(float));
  TRY(mem_new(&block, ITEM_BLOCK * W, sizeof *block, "item vectors"));
  status rc = out_open(&f, path);
  if (rc == OK) rc = write_header(f, header, strlen(header));
  for (int32_t i = 0; rc == OK && i < items; i++) {
    const int64_t count = vocab_token_count(x->v, first + i);
    rc = out_write(f, &count, sizeof count);
  }
  if (rc == OK) rc = write_item_vectors(x, f, first, items, block);
  free(block);
  return out_finish(f, rc);
}

// ---- config.json and souk.json -------------------------------------------------------------------------------

static json_t *hugging_face_config(const model_config *c) {
  // A pre-norm encoder is no BertModel; under a name of its own no library takes it for one.
  const char *type = c->pre_norm ? "souk_pre_norm_bert" : "bert";
  const char *architecture = c->pre_norm ? "SoukPreNormBertForMaskedLM"
                             : c->pooler ? "BertForPreTraining"
                                         : "BertForMaskedLM";
  return json_pack("{s:[s],s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:f,s:f,s:I,s:I,s:f,s:f,s:i,s:b}", "architectures",
                   architecture, "model_type", type, "vocab_size", (json_int_t)c->vocab_size, "hidden_size",
                   (json_int_t)c->hidden, "num_hidden_layers", (json_int_t)c->layers, "num_attention_heads",
                   (json_int_t)c->heads, "intermediate_size", (json_int_t)c->intermediate, "hidden_act",
                   c->activation == 0 ? "gelu_new" : "gelu", "hidden_dropout_prob", c->dropout,
                   "attention_probs_dropout_prob", c->attention_dropout, "max_position_embeddings",
                   (json_int_t)c->max_positions, "type_vocab_size",
                   (json_int_t)(c->segments * c->event_types), "initializer_range", c->init_std,
                   "layer_norm_eps", c->layer_norm_eps, "pad_token_id", 0, "tie_word_embeddings", 1);
}

static json_t *layout_json(const model_config *c, const dataset_info *d) {
  json_t *events = json_array();
  for (int32_t i = 0; i < d->n_event_types; i++)
    json_array_append_new(events, json_string(d->event_types[i]));
  return json_pack("{s:b,s:b,s:I,s:o,s:I,s:I}", "cls_sep", c->cls_sep, "positions_from_end",
                   c->positions_from_end, "max_positions", (json_int_t)c->max_positions, "event_types",
                   events, "types_per_segment", (json_int_t)c->event_types, "segments",
                   (json_int_t)c->segments);
}

static json_t *vocabulary_json(const vocab *v) {
  json_t *j = json_pack("{s:i}", "size", vocab_size(v));
  for (int r = 0; r < RANGE_COUNT; r++)
    json_object_set_new(j, vocab_range_names[r],
                        json_pack("[i,i]", vocab_begin(v, (vocab_range)r), vocab_end(v, (vocab_range)r)));
  return j;
}

static json_t *training_json(const checkpoint *c) {
  const train_state *t = &c->state;
  json_t *j = json_pack("{s:I,s:I,s:f,s:s,s:s}", "step", (json_int_t)t->step, "tokens", (json_int_t)t->tokens,
                        "seconds", t->seconds, "data", c->data.name, "data_checksum", c->data.checksum);
  if (j != NULL && t->best_name[0] != '\0' &&
      t->best_step == t->step) { // what the validation at this step gave
    json_object_set_new(j, "metric", json_string(t->best_name));
    json_object_set_new(j, "metric_value", json_real(t->best_metric));
  }
  return j;
}

static json_t *souk_json(exporter *x) {
  const model_config *c = model_get_config(x->m);
  json_t *head = json_pack("{s:s,s:f,s:i,s:i}", "score", c->score == 0 ? "dot" : "cosine", "inv_temperature",
                           1.0 / c->temperature, "class_base", c->class_base, "classes", c->classes);
  return json_pack("{s:s,s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:O}", "schema", "souk.bundle", "version", 1,
                   "created_by", "souk " SOUK_VERSION, "layout", layout_json(c, &x->c->data), "encoder",
                   json_pack("{s:b,s:b}", "pre_norm", c->pre_norm, "pooler", c->pooler), "vocabulary",
                   vocabulary_json(x->v), "head", head, "training", training_json(x->c), "files", x->files);
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status copy_in(exporter *x, const char *name) {
  char from[PATH_MAX + 64], to[PATH_MAX + 64];
  TRY(path_join(from, sizeof from, x->c->dir, name));
  TRY(file_path(x, name, to));
  return file_copy(from, to);
}

static bool has_items(const exporter *x) {
  return vocab_begin(x->v, RANGE_ITEMS) < vocab_end(x->v, RANGE_ITEMS);
}

// For a model of words: what Hugging Face's tokenizers read.
static status write_words(exporter *x) {
  char path[PATH_MAX + 64];
  out_file *f;
  TRY(file_path(x, "vocab.txt", path));
  TRY(out_open(&f, path));
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < vocab_size(x->v); i++) rc = out_printf(f, "%s\n", vocab_token(x->v, i));
  return out_finish(f, rc);
}

static status write_files(exporter *x) {
  const char *const names[] = {"config.json", "vocab.tsv", has_items(x) ? "items.safetensors" : "vocab.txt",
                               "model.safetensors"};
  TRY(write_json(x, "config.json", hugging_face_config(model_get_config(x->m))));
  TRY(copy_in(x, "vocab.tsv"));
  TRY(has_items(x) ? write_items(x) : write_words(x));
  TRY(write_model(x));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) TRY(list_file(x, names[i]));
  if (x->c->has_catalogue) {
    TRY(copy_in(x, "catalogue.jsonl"));
    TRY(list_file(x, "catalogue.jsonl"));
  }
  return write_json(x, "souk.json", souk_json(x));
}

// The model of a checkpoint with room for hardly any batch: only its parameters are of interest.
static status load_model(exporter *x) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}};
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, x->c->dir, "vocab.tsv"));
  TRY(vocab_read(&x->v, path, x->c->data.range_end));
  TRY(model_create(&x->m, "cpu", &x->c->model, &run));
  return checkpoint_load(x->c, x->m, false);
}

static status run(exporter *x, out_dir *place, export_result *result) {
  status rc = load_model(x);
  if (rc == OK) rc = write_files(x);
  TRY(out_dir_finish(place, rc));
  if (result != NULL)
    *result = (export_result){.step = x->c->state.step,
                              .items = vocab_end(x->v, RANGE_ITEMS) - vocab_begin(x->v, RANGE_ITEMS),
                              .dimension = (int32_t)model_get_config(x->m)->hidden + 1,
                              .bytes = x->bytes};
  return OK;
}

status export_bundle(const char *checkpoint_dir, const char *bundle, bool force, export_result *result) {
  exporter x = {.files = json_object()};
  checkpoint *c = NULL;
  out_dir *place;
  status rc = checkpoint_open(&c, checkpoint_dir);
  if (rc == OK) rc = out_dir_open(&place, bundle, PATH_BUNDLE, force);
  if (rc == OK) {
    x.dir = out_dir_path(place);
    x.c = c;
    rc = run(&x, place, result);
  }
  vocab_free(x.v);
  model_free(x.m);
  checkpoint_close(c);
  json_decref(x.files);
  return rc;
}
