// Reading Hugging Face's BERT; see import.h. Every mistake in a file has an error message of its own.
#include "convert/import.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/jtree.h"
#include "format/utf8.h"
#include "base/path_kind.h"
#include "data/tokenizer.h"
#include "data/wordpiece.h"
#include "model/checkpoint.h"
#include "train/config.h"
#include "convert/hf_names.h"
#include "convert/hf_tensors.h"

enum { MAX_CONFIG = 1 << 20, NAME_LIST = 1500 };

typedef struct importer {
  char dir[PATH_MAX], config_path[PATH_MAX + 64];
  const import_config *c;
  char *config_text; // which the tree points into
  jtree config;
  wordpiece *words;
  hf_tensors *file;
  model_config mc;
  model *m;
  char tensors_path[PATH_MAX + 64];
  hf_names names;
  train_state state;       // of the checkpoint: step 0
  char missing[NAME_LIST]; // names for the message
} importer;

// ---- config.json ---------------------------------------------------------------------------------------------

static status bad_field(const importer *x, const char *field, const char *wanted) {
  return fail(ERR_FORMAT, "%s: field \"%s\" is missing, or not %s", x->config_path, field, wanted);
}

static const jnode *field_of(const importer *x, const char *field) {
  return jtree_get(&x->config, x->config.nodes, field);
}

static status get_count(const importer *x, const char *field, int64_t min, int64_t max, int64_t *value) {
  const jnode *n = field_of(x, field);
  if (n == NULL || !n->is_integer || n->integer < min || n->integer > max)
    return fail(ERR_FORMAT, "%s: field \"%s\" is missing, or not a whole number from %lld to %lld",
                x->config_path, field, (long long)min, (long long)max);
  *value = n->integer;
  return OK;
}

// Absent: *value stays.
static status get_number(const importer *x, const char *field, double min, double max, double *value) {
  const jnode *n = field_of(x, field);
  if (n == NULL || n->kind == J_NULL) return OK;
  if (n->kind != J_NUMBER || !(n->number >= min && n->number <= max))
    return fail(ERR_FORMAT, "%s: field \"%s\" is not a number from %g to %g", x->config_path, field, min,
                max);
  *value = n->number;
  return OK;
}

static const char *get_text(const importer *x, const char *field, const char *absent) {
  const jnode *n = field_of(x, field);
  return n != NULL && n->kind == J_STRING ? n->text : absent;
}

static bool is_true(const importer *x, const char *field) {
  const jnode *n = field_of(x, field);
  return n != NULL && n->kind == J_TRUE;
}

static status read_activation(importer *x) {
  static const struct {
    const char *name;
    int kind;
  } known[] = {{"gelu_new", 0}, {"gelu_pytorch_tanh", 0}, {"gelu_fast", 0}, {"gelu", 1}, {"gelu_python", 1}};
  const char *name = get_text(x, "hidden_act", "");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(name, known[i].name) == 0) {
      x->mc.activation = known[i].kind;
      return OK;
    }
  return bad_field(x, "hidden_act", "a form of GELU (gelu, gelu_new, gelu_pytorch_tanh, gelu_fast)");
}

// Without a model_type its fields say whether it is a BERT.
static status check_fields_alone(const importer *x) {
  static const char *const fields[] = {"hidden_size",       "num_hidden_layers",       "num_attention_heads",
                                       "intermediate_size", "max_position_embeddings", "type_vocab_size"};
  const jnode *architecture = jtree_first(&x->config, field_of(x, "architectures"));
  if (architecture != NULL && architecture->kind == J_STRING && strncmp(architecture->text, "Bert", 4) != 0)
    return fail(ERR_UNSUPPORTED, "%s: field \"architectures\" has \"%.100s\"; only BERTs are imported",
                x->config_path, architecture->text);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (field_of(x, fields[i]) == NULL)
      return fail(ERR_FORMAT, "%s: field \"model_type\" is missing, and so is \"%s\", which a BERT has",
                  x->config_path, fields[i]);
  log_warn("%s: field \"model_type\" is missing; the other fields are a BERT's, so it is taken for one",
           x->config_path);
  return OK;
}

static status check_kind(const importer *x) {
  const char *type = get_text(x, "model_type", "");
  const jnode *part = field_of(x, "text_config");
  if (part != NULL && part->kind == J_OBJECT && field_of(x, "hidden_size") == NULL)
    return fail(
        ERR_UNSUPPORTED,
        "%s describes a model of several parts, of which \"text_config\" is one; save that part as a model "
        "of its own",
        x->config_path);
  if (type[0] == '\0') TRY(check_fields_alone(x));
  if (type[0] != '\0' && strcmp(type, "bert") != 0)
    return fail(ERR_UNSUPPORTED, "%s: model_type is \"%s\"; only \"bert\" is imported", x->config_path, type);
  if (strcmp(get_text(x, "position_embedding_type", "absolute"), "absolute") != 0)
    return fail(ERR_UNSUPPORTED, "%s: position_embedding_type is \"%s\"; only \"absolute\" is imported",
                x->config_path, get_text(x, "position_embedding_type", ""));
  if (is_true(x, "is_decoder") || is_true(x, "add_cross_attention"))
    return fail(ERR_UNSUPPORTED, "%s: the model is a decoder; encoders are imported", x->config_path);
  return OK;
}

static status read_config(importer *x) {
  model_config *c = &x->mc;
  TRY(check_kind(x));
  const struct {
    const char *field;
    int64_t *value, min, max;
  } counts[] = {{"hidden_size", &c->hidden, 4, 65536},
                {"num_hidden_layers", &c->layers, 1, 512},
                {"num_attention_heads", &c->heads, 1, 1024},
                {"intermediate_size", &c->intermediate, 1, 1 << 20},
                {"max_position_embeddings", &c->max_positions, 2, 32768},
                {"vocab_size", &c->vocab_size, TOKEN_SPECIALS, 1 << 30},
                {"type_vocab_size", &c->segments, 1, 16}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    TRY(get_count(x, counts[i].field, counts[i].min, counts[i].max, counts[i].value));
  if (c->hidden % c->heads != 0) return bad_field(x, "num_attention_heads", "a divisor of \"hidden_size\"");
  TRY(read_activation(x));
  TRY(get_number(x, "hidden_dropout_prob", 0, 0.9, &c->dropout));
  TRY(get_number(x, "attention_probs_dropout_prob", 0, 0.9, &c->attention_dropout));
  TRY(get_number(x, "layer_norm_eps", 1e-14, 0.1, &c->layer_norm_eps));
  TRY(get_number(x, "initializer_range", 0, 10, &c->init_std));
  c->event_types = 1;
  c->cls_sep = true;
  c->positions_from_end = c->pre_norm = c->item_classes = false;
  if (c->vocab_size < x->words->n)
    return fail(ERR_FORMAT, "%s: vocab_size is %lld, the vocabulary has %d tokens", x->config_path,
                (long long)c->vocab_size, x->words->n);
  if (c->vocab_size > x->words->n) // ids that a file leaves out in between are told where it is read
    log_warn(
        "%s: vocab_size is %lld, the vocabulary has %d tokens: %lld rows behind them have no name; they are "
        "padding, or a file that names them (added_tokens.json, tokenizer.json) is missing",
        x->config_path, (long long)c->vocab_size, x->words->n, (long long)c->vocab_size - x->words->n);
  return OK;
}

static status load_config(importer *x) {
  size_t bytes;
  TRY(path_join(x->config_path, sizeof x->config_path, x->dir, "config.json"));
  TRY(file_read(x->config_path, MAX_CONFIG, &x->config_text, &bytes));
  if (jtree_parse(&x->config, x->config_text, bytes)) return OK;
  return fail(x->config.memory ? ERR_MEMORY : ERR_FORMAT, "%s line %lld: %s", x->config_path,
              (long long)x->config.line, x->config.why);
}

// ---- tensors -------------------------------------------------------------------------------------------------

// The class that has all of the file's heads, as Python's transformers calls it.
static const char *python_class(const importer *x) {
  const jnode *list = field_of(x, "architectures"), *first = jtree_first(&x->config, list);
  const bool named =
      first != NULL && first->kind == J_STRING && strncmp(first->text, "Bert", 4) == 0 &&
      strspn(first->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == strlen(first->text);
  return named ? first->text : "BertModel";
}

// What is there instead of model.safetensors, and how it becomes one.
static status tell_other_weights(const importer *x) {
  static const struct {
    const char *name, *what, *option;
  } others[] = {
      {"pytorch_model.bin", "it is a pickle, which is a program", ""},
      {"pytorch_model.bin.index.json", "these are pickles, which are programs", ", max_shard_size=\"1TB\""},
      {"tf_model.h5", "these are weights for TensorFlow", ""},
      {"flax_model.msgpack", "these are weights for Flax", ""}};
  char path[PATH_MAX + 64];
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    TRY(path_join(path, sizeof path, x->dir, others[i].name));
    if (file_exists(path))
      return fail(ERR_UNSUPPORTED,
                  "%s: %s; save the model as one model.safetensors, in Python: "
                  "transformers.%s.from_pretrained(\"%s\").save_pretrained(\"%s\"%s)",
                  path, others[i].what, python_class(x), x->dir, x->dir, others[i].option);
  }
  return fail(ERR_NOT_FOUND, "%s holds no model.safetensors", x->dir);
}

static status open_tensors(importer *x) {
  bool there;
  TRY(path_join(x->tensors_path, sizeof x->tensors_path, x->dir, "model.safetensors"));
  TRY(file_look(x->tensors_path, &there));
  if (there) {
    TRY(hf_tensors_open(&x->file, x->tensors_path));
  } else {
    TRY(path_join(x->tensors_path, sizeof x->tensors_path, x->dir, "model.safetensors.index.json"));
    TRY(file_look(x->tensors_path, &there));
    if (!there) return tell_other_weights(x);
    TRY(hf_tensors_open_index(&x->file, x->dir, x->tensors_path));
  }
  return hf_names_begin(&x->names, hf_tensors_table(x->file), x->tensors_path);
}

// Reads a tensor of the wanted shape (columns 0: a vector) into `to`.
static status read_tensor(const importer *x, tensor *t, int64_t n, int64_t columns, float *to) {
  const int32_t ndim = columns > 0 ? 2 : 1;
  if (t->ndim != ndim || t->shape[0] != n || (ndim == 2 && t->shape[1] != columns))
    return fail(ERR_FORMAT, "%s: tensor \"%.200s\" has %d dimension(s) of %lld x %lld; %s needs %lld x %lld",
                x->tensors_path, t->name, t->ndim, (long long)(t->ndim > 0 ? t->shape[0] : 1),
                (long long)(t->ndim > 1 ? t->shape[1] : 1), "config.json", (long long)n,
                (long long)(columns > 0 ? columns : 1));
  t->used = true;
  return hf_tensor_read(x->file, t, to);
}

// Puts rows into the vocabulary's order; rows beyond the vocabulary stay at the end.
static status renumber(const importer *x, float *table, int64_t n, int64_t columns) {
  float *copy;
  const size_t row_bytes = (size_t)columns * sizeof *copy;
  TRY(mem_new(&copy, (size_t)n, row_bytes, "a copy of the word table"));
  memcpy(copy, table, (size_t)n * row_bytes);
  for (int32_t id = 0; id < x->words->n; id++)
    memcpy(table + (int64_t)x->words->ours[id] * columns, copy + (int64_t)id * columns, row_bytes);
  free(copy);
  return OK;
}

static status put(const importer *x, const param *p, const float *values) {
  return model_backend(x->m)->upload(model_ctx(x->m), param_master(model_params(x->m), p), values,
                                     (size_t)p->size * sizeof *values);
}

// Fills one parameter from its tensor or, for q, k and v, its three tensors. *found: the file has them.
static status read_param(const importer *x, const param *p, float *to, bool *found) {
  static const char *const parts[] = {"query", "key", "value"};
  const char *qkv = strstr(p->name, ".qkv.");
  const int64_t n = qkv != NULL ? 3 : 1, columns = p->ndim == 2 ? p->shape[1] : 0;
  *found = true;
  for (int64_t i = 0; i < n; i++) {
    char name[PARAM_NAME + 16];
    if (qkv != NULL)
      snprintf(name, sizeof name, "%.*s.%s.%s", (int)(qkv - p->name), p->name, parts[i], qkv + 5);
    else
      snprintf(name, sizeof name, "%s", p->name);
    tensor *t = hf_names_get(&x->names, name);
    if (t == NULL && strcmp(name, "cls.predictions.bias") == 0)
      t = hf_names_get(&x->names, "cls.predictions.decoder.bias");
    if (t == NULL) {
      *found = false;
      return OK;
    }
    TRY(read_tensor(x, t, p->shape[0] / n, columns, to + i * (p->size / n)));
  }
  return OK;
}

static bool is_head(const char *name) {
  return strncmp(name, "cls.", 4) == 0 || strstr(name, ".pooler.") != NULL;
}

static status no_tensor(const importer *x, const char *name) {
  const int64_t layers = hf_names_layers(&x->names);
  if (layers < x->mc.layers)
    return fail(ERR_FORMAT,
                "%s has no tensor \"%s\": it has %lld of the %lld layers of config.json (num_hidden_layers)",
                x->tensors_path, name, (long long)layers, (long long)x->mc.layers);
  return fail(ERR_FORMAT, "%s has no tensor \"%s\"", x->tensors_path, name);
}

// Half a head is as random as none. A bias that is missing is zero.
static void note_untrained(importer *x, const param *p) {
  const objective_list *l = model_objectives(x->m);
  for (int32_t k = 0; k < l->n; k++)
    if (p->init == INIT_NORMAL && p->objective == l->of[k]->name) x->state.untrained[k] = true;
}

static status load_param(importer *x, const param *p, float *buffer) {
  bool found;
  TRY(read_param(x, p, buffer, &found));
  if (!found && !is_head(p->name)) return no_tensor(x, p->name);
  if (!found) {
    hf_names_list(x->missing, sizeof x->missing, p->name);
    note_untrained(x, p);
    return OK;
  }
  if (strstr(p->name, "word_embeddings") != NULL) TRY(renumber(x, buffer, p->shape[0], p->shape[1]));
  if (strcmp(p->name, "cls.predictions.bias") == 0) TRY(renumber(x, buffer, p->shape[0], 1));
  return put(x, p, buffer);
}

// A decoder in the file must equal the word table, because ours is tied.
static status check_decoder(const importer *x, const char *name, const char *twin) {
  tensor *decoder = hf_names_get(&x->names, name), *other = hf_names_get(&x->names, twin);
  if (decoder == NULL || other == NULL || decoder == other) return OK;
  float *a = NULL, *b = NULL;
  bool same = decoder->size == other->size; // if not, nothing is allocated by a size that only a shape says
  status rc = same ? mem_new(&a, (size_t)decoder->size, sizeof *a, "a copy of the decoder") : OK;
  if (rc == OK && same) rc = mem_new(&b, (size_t)other->size, sizeof *b, "a copy of the decoder");
  if (rc == OK && same) rc = hf_tensor_read(x->file, decoder, a);
  if (rc == OK && same) rc = hf_tensor_read(x->file, other, b);
  same = same && rc == OK && memcmp(a, b, (size_t)decoder->size * sizeof *a) == 0;
  free(a);
  free(b);
  TRY(rc);
  decoder->used = true;
  return same ? OK
              : fail(ERR_UNSUPPORTED, "%s: \"%s\" differs from \"%s\"; in Souk they are tied",
                     x->tensors_path, name, twin);
}

static status load_params(importer *x) {
  const param_set *s = model_params(x->m);
  int64_t largest = 0;
  for (int32_t i = 0; i < s->count; i++)
    if (s->items[i].size > largest) largest = s->items[i].size;
  float *buffer;
  TRY(mem_new(&buffer, (size_t)largest, sizeof *buffer, "a tensor"));
  status rc = OK;
  for (int32_t i = s->count - 1; rc == OK && i >= 0; i--) rc = load_param(x, &s->items[i], buffer);
  free(buffer);
  TRY(rc);
  TRY(check_decoder(x, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"));
  TRY(check_decoder(x, "cls.predictions.decoder.bias", "cls.predictions.bias"));
  hf_names_tell_unused(&x->names, x->mc.layers);
  return params_refresh(model_params(x->m));
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status make_model(importer *x) {
  const bool has_pooler = hf_names_get(&x->names, "bert.pooler.dense.weight") != NULL;
  x->mc.pooler = (has_pooler || x->c->pooler) && x->mc.segments >= 2;
  if (x->c->pooler && !x->mc.pooler)
    return fail(ERR_ARGUMENT, "%s: a next-sentence head needs a type_vocab_size of 2 or more",
                x->config_path);
  int32_t range_end[RANGE_COUNT];
  for (int r = 0; r < RANGE_COUNT; r++) range_end[r] = vocab_end(x->words->v, (vocab_range)r);
  TRY(model_config_resolve(&x->mc, range_end, 1));
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}, .seed = (uint64_t)x->c->seed};
  return model_create(&x->m, "cpu", &x->mc, &run);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static status write_checkpoint(importer *x, const char *out, run_config *run) {
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(run, sections)};
  TRY(options_defaults(&set));
  run->model = x->mc;
  char *yaml = NULL;
  dataset_info info = {.n_event_types = 1, .event_types = {"none"}};
  const char *name = base_name(x->dir);
  snprintf(info.name, sizeof info.name, "%.*s", (int)utf8_cut(name, strlen(name), sizeof info.name - 1),
           name);
  TRY(hf_tensors_identity(x->file, info.checksum)); // where this comes from
  if (x->c->typed_specials) TRY(tokenizer_allow_specials(&x->words->tokenizer));
  dataset *d;
  vocab *v = x->words->v;
  x->words->v = NULL; // the data set takes it
  TRY(dataset_of_vocab(&d, &info, v));
  dataset_set_tokenizer(d, x->words->tokenizer);
  status rc = options_dump(&set, &yaml);
  const checkpoint_content content = {.model = model_get_config(x->m),
                                      .params = model_params(x->m),
                                      .values = params_values(model_params(x->m)), // of the CPU
                                      .state = &x->state,
                                      .config_yaml = yaml,
                                      .data = d,
                                      .over = PATH_CHECKPOINT, // it may exist by now
                                      .force = x->c->force};
  if (rc == OK) rc = checkpoint_write(out, &content);
  free(yaml);
  dataset_close(d);
  return rc;
}

static void tell(const importer *x, const char *out) {
  char count[32];
  if (x->missing[0] != '\0') log_warn("not in the file, so initialised at random: %s", x->missing);
  if (!x->c->passing)
    log_info("%s: %lld layers x %lld, %d tokens, %s parameters, from %s", out, (long long)x->mc.layers,
             (long long)x->mc.hidden, x->words->n, human_count(count, (double)model_params(x->m)->elements),
             x->dir);
}

static status run_import(importer *x, const char *out) {
  run_config *run;
  TRY(out_dir_check(out, PATH_CHECKPOINT, x->c->force)); // before minutes of work
  TRY(load_config(x));
  TRY(wordpiece_read(&x->words, x->dir));
  TRY(mem_new(&run, 1, sizeof *run, "a configuration"));
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(run, sections)};
  status rc = options_defaults(&set);
  x->mc = run->model; // what config.json does not say
  if (rc == OK) rc = read_config(x);
  if (rc == OK) rc = open_tensors(x);
  if (rc == OK) rc = make_model(x);
  if (rc == OK) rc = load_params(x);
  if (rc == OK) rc = write_checkpoint(x, out, run);
  if (rc == OK) tell(x, out);
  free(run);
  return rc;
}

status import_hugging_face(const char *hf_dir, const char *out, const import_config *c) {
  importer *x;
  TRY(mem_new(&x, 1, sizeof *x, "the importer"));
  x->c = c;
  snprintf(x->dir, sizeof x->dir, "%s", hf_dir);
  for (size_t n = strlen(x->dir); n > 1 && x->dir[n - 1] == '/'; n--) x->dir[n - 1] = '\0';
  status rc = path_check(x->dir, PATH_HUGGING_FACE | PATH_BUNDLE);
  if (rc == OK) rc = run_import(x, out);
  model_free(x->m);
  hf_tensors_close(x->file);
  wordpiece_close(x->words);
  jtree_free(&x->config);
  free(x->config_text);
  free(x);
  return rc;
}
