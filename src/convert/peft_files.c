// Writing adapters in peft's layout; see peft_files.h. Reading them is in peft_import.c.
#include "convert/peft_files.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/tensor_file.h"
#include "format/text_end.h"
#include "model/objectives/label_head.h"

const char peft_config_file[] = "adapter_config.json", peft_model_file[] = "adapter_model.safetensors";

typedef struct writer {
  const checkpoint *c;
  model *m;
  const char *dir;
  tensor *list; // [n]
  char (*names)[PARAM_NAME + 32];
  float *turned; // factor A of a tuned word table as peft has it, [r,V]; NULL: none
  int32_t n;
  uint64_t bytes;
  bool of_bundle; // which has the head of copy, if it is the adapter's own (export.c)
} writer;

static status check_kind(const checkpoint *c) {
  const int kind = c->model.peft.kind;
  if (kind == PEFT_LORA || kind == PEFT_ADALORA) return OK;
  return fail(ERR_UNSUPPORTED, "%s is not tuned with lora or adalora, which peft's files are of", c->dir);
}

// A bundle's adapters may have it.
static status check_table(const checkpoint *c) {
  if (c->model.peft.kind != PEFT_ADALORA || !peft_targets_table(&c->model.peft)) return OK;
  return fail(ERR_UNSUPPORTED,
              "%s tunes word_embeddings with adalora, which peft has for linear layers only; souk merge "
              "folds it, and "
              "souk export --adapters serves it",
              c->dir);
}

// How many letters of a name are not in peft's: a plain head's model is exported as a BertModel, whose modules go without
// "bert.", unless it is a classifier, which has its encoder under that name.
static size_t left_out(const writer *x) {
  const model_config *c = &x->c->model;
  const bool classifier = objectives_labels(model_objectives(x->m)) != NULL && !c->pre_norm;
  return c->head == HEAD_PLAIN && !classifier ? strlen("bert.") : 0;
}

static void peft_name(const writer *x, const char *ours, char *to, size_t bytes) {
  const size_t cut = strncmp(ours, "bert.", 5) == 0 ? left_out(x) : 0;
  snprintf(to, bytes, "base_model.model.%s", ours + cut);
}

bool peft_is_turned(const char *name) {
  return text_ends_with(name, ".lora_embedding_A");
}

// A row of the table's factor A is a token's here, and a rank's there.
static status turn(writer *x, const param *p, tensor *t) {
  const float *from = param_master(model_params(x->m), p);
  const int64_t V = p->shape[0], r = p->shape[1];
  TRY(mem_new(&x->turned, (size_t)p->size, sizeof *x->turned, "a factor of the word table"));
  for (int64_t i = 0; i < V; i++)
    for (int64_t k = 0; k < r; k++) x->turned[k * V + i] = from[i * r + k];
  t->shape[0] = r;
  t->shape[1] = V;
  t->data = (const char *)x->turned;
  return OK;
}

static status list_tensors(writer *x) {
  const param_set *s = model_params(x->m);
  TRY(mem_new(&x->list, (size_t)s->count, sizeof *x->list, "a table of tensors"));
  TRY(mem_new(&x->names, (size_t)s->count, sizeof *x->names, "a table of tensors"));
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (x->of_bundle && checkpoint_has_copy_head(x->c) && strncmp(p->name, "copy.", 5) == 0) continue;
    if (!p->tuned && !checkpoint_takes_from_base(x->c, p->name))
      return fail(ERR_UNSUPPORTED,
                  "%s trains %s too, for which an adapter in peft's layout has no place; souk merge keeps it",
                  x->c->dir, p->name);
    if (!p->tuned) continue;
    peft_name(x, p->name, x->names[x->n], sizeof x->names[x->n]);
    x->list[x->n] = (tensor){.name = x->names[x->n],
                             .dtype = "F32",
                             .ndim = p->ndim,
                             .shape = {p->shape[0], p->shape[1]},
                             .data = (const char *)param_master(s, p)};
    if (peft_is_turned(p->name)) TRY(turn(x, p, &x->list[x->n]));
    x->n++;
  }
  return OK;
}

static status count_bytes(writer *x, const char *path) {
  uint64_t bytes;
  char hex[65];
  TRY(file_sha256(path, hex, &bytes));
  x->bytes += bytes;
  return OK;
}

static status write_tensors(writer *x) {
  char path[PATH_MAX + 64], metadata[160];
  out_file *f = NULL;
  TRY(path_join(path, sizeof path, x->dir, peft_model_file));
  snprintf(metadata, sizeof metadata, "\"format\":\"pt\",\"base_sha256\":\"%s\"",
           x->c->base != NULL ? x->c->base->model_sha256 : "");
  status rc = tensor_file_begin(&f, path, x->list, x->n, metadata);
  for (int32_t i = 0; rc == OK && i < x->n; i++) {
    const float *v = (const float *)(const void *)x->list[i].data;
    for (int64_t j = 0; rc == OK && j < x->list[i].size; j++)
      if (!isfinite(v[j]))
        rc = fail(ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity; it is not exported",
                  x->c->dir, x->list[i].name);
    if (rc == OK) rc = out_write(f, x->list[i].data, (size_t)(x->list[i].end - x->list[i].begin));
  }
  TRY(out_finish(f, rc));
  return count_bytes(x, path);
}

// A module of the encoder in every layer goes by what its name ends with, others by their whole names. "output.dense" is also
// the end of "attention.output.dense", so it goes by whole names unless both are tuned.
static json_t *target_modules(const writer *x) {
  static const char *const modules[] = {"attention.self.query", "attention.self.key",
                                        "attention.self.value", "attention.output.dense",
                                        "intermediate.dense",   "output.dense"};
  const model_config *c = &x->c->model;
  json_t *list = json_array();
  bool projections = false;
  if (peft_targets_table(&c->peft)) json_array_append_new(list, json_string("word_embeddings"));
  for (size_t k = 0; k < sizeof modules / sizeof *modules; k++) {
    char name[PARAM_NAME];
    int64_t tuned = 0;
    for (int64_t i = 0; i < c->layers; i++) {
      snprintf(name, sizeof name, "bert.encoder.layer.%lld.%s", (long long)i, modules[k]);
      tuned += peft_targets(&c->peft, name);
    }
    const bool all = tuned == c->layers && (k != 5 || projections);
    if (k == 3) projections = tuned == c->layers;
    if (all) json_array_append_new(list, json_string(modules[k]));
    for (int64_t i = 0; !all && i < c->layers; i++) {
      snprintf(name, sizeof name, "bert.encoder.layer.%lld.%s", (long long)i, modules[k]);
      if (peft_targets(&c->peft, name)) json_array_append_new(list, json_string(name + left_out(x)));
    }
  }
  return list;
}

static json_t *config_json(const writer *x) {
  const peft_config *p = &x->c->model.peft;
  const double alpha = p->alpha > 0 ? p->alpha : (double)peft_rank(p);
  const bool whole = floor(alpha) >= alpha && alpha < 1e9;
  json_t *j = json_pack("{s:s,s:n,s:b,s:s,s:s,s:b,s:f,s:n,s:o,s:b,s:I,s:o}", "peft_type",
                        p->kind == PEFT_LORA ? "LORA" : "ADALORA", "task_type", "inference_mode", 1,
                        "base_model_name_or_path", x->c->base != NULL ? x->c->base->dir : "", "bias", "none",
                        "fan_in_fan_out", 0, "lora_dropout", p->lora_dropout, "modules_to_save",
                        "target_modules", target_modules(x), "init_lora_weights", 1, "r", (json_int_t)p->rank,
                        "lora_alpha", whole ? json_integer((json_int_t)alpha) : json_real(alpha));
  if (j == NULL) return NULL;
  if (p->kind == PEFT_LORA) json_object_set_new(j, "use_rslora", json_boolean(p->rslora));
  if (p->kind != PEFT_ADALORA) return j;
  json_t *more =
      json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "target_r", (json_int_t)p->rank, "init_r",
                (json_int_t)p->init_rank, "tinit", (json_int_t)p->tinit, "tfinal", (json_int_t)p->tfinal,
                "deltaT", (json_int_t)p->deltat, "total_step",
                (json_int_t)(p->total_steps > 0 ? p->total_steps : x->c->state.step), "beta1",
                p->importance_beta, "beta2", p->uncertainty_beta, "orth_reg_weight", p->orthogonality);
  json_object_set_new(j, "r", json_integer(8)); // peft wants its default there, and init_r besides
  json_object_update(j, more);
  json_decref(more);
  return j;
}

static status write_config(writer *x) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, x->dir, peft_config_file));
  json_t *j = config_json(x);
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  if (text == NULL)
    return fail(ERR_MEMORY, "cannot compose %s: out of memory, or a name that is not UTF-8", path);
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  TRY(rc);
  return count_bytes(x, path);
}

status peft_files_write(const char *dir, const checkpoint *c, uint64_t *bytes) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}};
  writer x = {.c = c, .dir = dir, .of_bundle = bytes == NULL};
  status rc = check_kind(c);
  if (rc == OK) rc = model_create(&x.m, "cpu", &c->model, &run);
  if (rc == OK) rc = checkpoint_load(c, x.m, false);
  if (rc == OK) rc = list_tensors(&x);
  if (rc == OK) rc = write_tensors(&x);
  if (rc == OK) rc = write_config(&x);
  if (rc == OK && bytes != NULL) *bytes = x.bytes;
  free(x.list);
  free(x.names);
  free(x.turned);
  model_free(x.m);
  return rc;
}

// A folder of adapters looks like any other directory but for this file.
static status check_replaced(const char *out, bool force) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, out, peft_config_file));
  if (!force || path_kind_of(out) != PATH_DIRECTORY || file_exists(path)) return OK;
  return fail(ERR_ARGUMENT, "%s is a directory without %s; --force replaces adapters only", out,
              peft_config_file);
}

status peft_export(const char *checkpoint_dir, const char *out, bool force, uint64_t *bytes) {
  checkpoint *c = NULL;
  out_dir *place;
  status rc = checkpoint_open(&c, checkpoint_dir);
  if (rc == OK) rc = check_kind(c);
  if (rc == OK) rc = check_table(c);
  if (rc == OK) rc = check_replaced(out, force);
  if (rc == OK) rc = out_dir_open(&place, out, PATH_DIRECTORY, force);
  if (rc == OK) rc = out_dir_finish(place, peft_files_write(out_dir_path(place), c, bytes));
  checkpoint_close(c);
  return rc;
}
