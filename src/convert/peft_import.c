// Adapters in peft's layout become checkpoints; see peft_files.h.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "convert/hf_tensors.h"
#include "convert/peft_files.h"
#include "format/jtree.h"
#include "model/item_vectors.h"
#include "train/config.h"

enum { MAX_CONFIG = 1 << 20 };

typedef struct reader {
  const char *dir;
  char path[PATH_MAX]; // of the file at hand
  jtree config;
  char *text;
  peft_config peft;
  checkpoint *base;
  hf_tensors *file;
  model *m;
  dataset *d;
  run_config *run;
} reader;

static const jnode *field_of(const reader *x, const char *name) {
  return jtree_get(&x->config, x->config.nodes, name);
}

static status bad_field(const reader *x, const char *field, const char *wanted) {
  return fail(ERR_UNSUPPORTED, "%s: field \"%s\" must be %s", x->path, field, wanted);
}

static status read_json(reader *x) {
  size_t bytes;
  TRY(path_join(x->path, sizeof x->path, x->dir, peft_config_file));
  TRY(file_read(x->path, MAX_CONFIG, &x->text, &bytes));
  if (!jtree_parse(&x->config, x->text, bytes))
    return x->config.memory
               ? fail(ERR_MEMORY, "out of memory: cannot read %s", x->path)
               : fail(ERR_FORMAT, "%s line %lld: %s", x->path, (long long)x->config.line, x->config.why);
  return x->config.nodes->kind == J_OBJECT ? OK : fail(ERR_FORMAT, "%s must hold an object", x->path);
}

// ---- adapter_config.json -------------------------------------------------------------------------------------

// The range of a field of x->peft is that of its option, so that what is written can be read again.
static const option *option_of(const reader *x, const void *field) {
  const size_t at = (size_t)((const char *)field - (const char *)&x->peft);
  size_t i = 0;
  while (peft_options[i].offset != at) i++;
  return &peft_options[i];
}

static status number_field(const reader *x, const char *name, void *to) {
  const jnode *n = field_of(x, name);
  const option *o = option_of(x, to);
  const bool whole = o->type == OPT_INT;
  if (n == NULL || n->kind == J_NULL) return OK;
  if (n->kind != J_NUMBER || (whole && !n->is_integer) || !(n->number >= o->min && n->number <= o->max))
    return fail(ERR_UNSUPPORTED, "%s: field \"%s\" must be %s from %.9g to %.9g", x->path, name,
                whole ? "an integer" : "a number", o->min, o->max);
  memcpy(to, whole ? (const void *)&n->integer : (const void *)&n->number, sizeof n->number);
  return OK;
}

static bool is_set(const jnode *n) {
  return n != NULL && n->kind != J_NULL && n->kind != J_FALSE && !(n->kind != J_TRUE && n->count == 0);
}

// What makes another layer of it, or trains more than Souk's adapters have.
static status refuse_variants(const reader *x) {
  static const char *const names[] = {"fan_in_fan_out", "use_dora",        "lora_bias",        "rank_pattern",
                                      "alpha_pattern",  "modules_to_save", "layer_replication"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_set(field_of(x, names[i]))) return bad_field(x, names[i], "empty: Souk has no such adapters");
  const jnode *bias = field_of(x, "bias");
  return bias == NULL || (bias->kind == J_STRING && strcmp(bias->text, "none") == 0)
             ? OK
             : bad_field(x, "bias", "\"none\"");
}

// peft's names mean the same in peft.targets.
static status read_targets(reader *x) {
  const jnode *targets = field_of(x, "target_modules");
  size_t used = 0;
  x->peft.targets[0] = '\0';
  if (targets == NULL || targets->kind != J_ARRAY || targets->count == 0)
    return bad_field(x, "target_modules", "a list of names (a pattern as one text is not read)");
  for (const jnode *n = jtree_first(&x->config, targets); n != NULL; n = jtree_next(&x->config, n)) {
    if (n->kind != J_STRING || strpbrk(n->text, ",*?[") != NULL)
      return bad_field(x, "target_modules", "a list of names");
    const int k =
        snprintf(x->peft.targets + used, sizeof x->peft.targets - used, "%s%s", used > 0 ? "," : "", n->text);
    if (k < 0 || (size_t)k >= sizeof x->peft.targets - used)
      return fail(ERR_UNSUPPORTED,
                  "%s: the names of field \"target_modules\" have more than %zu characters in all", x->path,
                  sizeof x->peft.targets - 1);
    used += (size_t)k;
  }
  return OK;
}

static status read_config(reader *x) {
  const jnode *type = field_of(x, "peft_type"), *root = field_of(x, "use_rslora");
  const char *kind = type != NULL && type->kind == J_STRING ? type->text : "";
  peft_config *p = &x->peft;
  TRY(peft_from_json(p, NULL, NULL));
  p->kind = strcmp(kind, "LORA") == 0 ? PEFT_LORA : strcmp(kind, "ADALORA") == 0 ? PEFT_ADALORA : PEFT_NONE;
  if (p->kind == PEFT_NONE) return bad_field(x, "peft_type", "\"LORA\" or \"ADALORA\"");
  p->rslora = root != NULL && root->kind == J_TRUE;
  p->alpha = 8; // peft's default
  TRY(number_field(x, p->kind == PEFT_LORA ? "r" : "target_r", &p->rank));
  TRY(number_field(x, "lora_alpha", &p->alpha));
  TRY(number_field(x, "lora_dropout", &p->lora_dropout));
  TRY(number_field(x, "init_r", &p->init_rank));
  TRY(number_field(x, "tinit", &p->tinit));
  TRY(number_field(x, "tfinal", &p->tfinal));
  TRY(number_field(x, "deltaT", &p->deltat));
  TRY(number_field(x, "total_step", &p->total_steps));
  TRY(number_field(x, "beta1", &p->importance_beta));
  TRY(number_field(x, "beta2", &p->uncertainty_beta));
  TRY(number_field(x, "orth_reg_weight", &p->orthogonality));
  if (p->kind == PEFT_LORA && !(p->alpha > 0)) // which is alpha / rank there, and 1 here
    return bad_field(x, "lora_alpha", "more than 0, or the adapter would add nothing");
  TRY(refuse_variants(x));
  return read_targets(x);
}

// ---- tensors -------------------------------------------------------------------------------------------------

// In Souk's layout.
static status read_turned(const reader *x, tensor *t, float *to, int64_t rows_n, int64_t columns) {
  float *theirs;
  TRY(mem_new(&theirs, (size_t)(rows_n * columns), sizeof *theirs, "a factor of the word table"));
  const status rc = hf_tensor_read(x->file, t, theirs);
  for (int64_t i = 0; rc == OK && i < rows_n; i++)
    for (int64_t k = 0; k < columns; k++) to[i * columns + k] = theirs[k * rows_n + i];
  free(theirs);
  return rc;
}

static tensor *find_tensor(const reader *x, const char *ours) {
  char name[PARAM_NAME + 32];
  snprintf(name, sizeof name, "base_model.model.%s", ours);
  tensor *t = safetensors_find(hf_tensors_table(x->file), name);
  if (t != NULL) return t;
  snprintf(name, sizeof name, "base_model.model.%s", ours + (strncmp(ours, "bert.", 5) == 0 ? 5 : 0));
  return safetensors_find(hf_tensors_table(x->file), name);
}

// What peft writes along of the model that the adapter was made for (save_embedding_layers) must be the base's.
static status check_along(const reader *x, const char *ours, const char *name) {
  const param *p = param_find(model_params(x->m), ours);
  tensor *t = find_tensor(x, name);
  bool same = true;
  float *theirs;
  if (t == NULL || p == NULL) return OK;
  if (t->ndim != p->ndim || t->shape[0] != p->shape[0] || (p->ndim > 1 && t->shape[1] != p->shape[1]))
    return fail(ERR_FORMAT, "%s: tensor \"%.200s\" has not the shape of the base's %s", x->path, t->name,
                ours);
  TRY(mem_new(&theirs, (size_t)p->size, sizeof *theirs, "a tensor"));
  const status rc = hf_tensor_read(x->file, t, theirs);
  const float *base = param_master(model_params(x->m), p);
  for (int64_t i = 0; rc == OK && same && i < p->size; i++)
    same = fabsf(theirs[i] - base[i]) <= 1e-6f * fmaxf(1, fabsf(base[i]));
  free(theirs);
  TRY(rc);
  t->used = true;
  return same ? OK
              : fail(ERR_FORMAT,
                     "%s: tensor \"%.200s\" is not %s of %s: the adapter was made for another base", x->path,
                     t->name, ours, x->base->dir);
}

static status check_embeddings(const reader *x) {
  static const char table[] = "bert.embeddings.word_embeddings.weight";
  TRY(check_along(x, table, "bert.embeddings.word_embeddings.base_layer.weight"));
  TRY(check_along(x, table, "cls.predictions.decoder.weight"));
  return check_along(x, "cls.predictions.bias", "cls.predictions.decoder.bias");
}

static status read_tensors(reader *x) {
  const param_set *s = model_params(x->m);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (!p->tuned) continue;
    tensor *t = find_tensor(x, p->name);
    if (t == NULL) return fail(ERR_FORMAT, "%s has no tensor base_model.model.%s", x->path, p->name);
    const bool turned = peft_is_turned(p->name);
    const int64_t rows_n = p->shape[turned ? 1 : 0], columns = p->shape[turned ? 0 : 1];
    if (t->ndim != 2 || t->shape[0] != rows_n || t->shape[1] != columns)
      return fail(ERR_FORMAT, "%s: tensor \"%.200s\" is not %lld x %lld", x->path, t->name, (long long)rows_n,
                  (long long)columns);
    t->used = true;
    TRY(turned ? read_turned(x, t, param_master(s, p), columns, rows_n)
               : hf_tensor_read(x->file, t, param_master(s, p)));
  }
  TRY(check_embeddings(x));
  const safetensors *all = hf_tensors_table(x->file);
  for (size_t i = 0; i < all->count; i++)
    if (!all->items[i].used)
      return fail(ERR_UNSUPPORTED,
                  "%s: tensor \"%.200s\" has no place: Souk tunes linear layers of the encoder and the word "
                  "table only",
                  x->path, all->items[i].name);
  return OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status make_model(reader *x) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}, .training = true};
  model_config c = x->base->model;
  c.peft = x->peft;
  TRY(model_create(&x->m, "cpu", &c, &run));
  TRY(checkpoint_load(x->base, x->m, false));
  TRY(path_join(x->path, sizeof x->path, x->dir, peft_model_file));
  TRY(hf_tensors_open(&x->file, x->path));
  return read_tensors(x);
}

static status open_words(reader *x) {
  char path[PATH_MAX];
  dataset_info info = x->base->data;
  vocab *v;
  TRY(path_join(path, sizeof path, x->base->dir, "vocab.tsv"));
  TRY(vocab_read(&v, path, x->base->data.range_end));
  return dataset_of_vocab(&x->d, &info, v);
}

static status write_checkpoint(reader *x, const char *out, bool force) {
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(x->run, sections)};
  checkpoint_base base;
  char *yaml = NULL, real[PATH_MAX];
  train_state state = {.example = -1};
  TRY(run_config_read(x->run, x->base));
  x->run->model.peft = x->peft;
  if (realpath(x->base->dir, real) == NULL || strlen(real) >= sizeof base.dir)
    return fail(ERR_IO, "cannot look at %s", x->base->dir);
  strcpy(base.dir, real);
  strcpy(base.sha256, x->base->model_sha256);
  TRY(options_dump(&set, &yaml));
  const checkpoint_content content = {.model = model_get_config(x->m),
                                      .params = model_params(x->m),
                                      .values = params_values(model_params(x->m)), // of the CPU
                                      .state = &state,
                                      .config_yaml = yaml,
                                      .data = x->d,
                                      .items = model_items(x->m),
                                      .heir_of = x->base,
                                      .base = &base,
                                      .over = PATH_CHECKPOINT,
                                      .force = force};
  const status rc = checkpoint_write(out, &content);
  free(yaml);
  return rc;
}

status peft_import(const char *peft_dir, const char *base_dir, const char *out, bool force) {
  reader *x;
  TRY(mem_new(&x, 1, sizeof *x, "the importer"));
  x->dir = peft_dir;
  status rc = mem_new(&x->run, 1, sizeof *x->run, "a run's configuration");
  if (rc == OK) rc = read_json(x);
  if (rc == OK) rc = read_config(x);
  if (rc == OK) rc = checkpoint_open(&x->base, base_dir);
  if (rc == OK && x->base->model.peft.kind != PEFT_NONE)
    rc = fail(ERR_ARGUMENT, "%s is tuned itself (peft); souk merge makes a base of it", base_dir);
  if (rc == OK) rc = make_model(x);
  if (rc == OK) rc = open_words(x);
  if (rc == OK) rc = write_checkpoint(x, out, force);
  dataset_close(x->d);
  hf_tensors_close(x->file);
  model_free(x->m);
  checkpoint_close(x->base);
  jtree_free(&x->config);
  free(x->text);
  free(x->run);
  free(x);
  return rc;
}
