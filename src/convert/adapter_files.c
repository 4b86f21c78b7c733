// Adapters' folders; see adapter_files.h.
//
// Souk's own form has the names that the tensors have in a bundle's model.safetensors, and a "peft_type" that Hugging Face's peft
// does not know, so that it refuses the folder.
#include "convert/adapter_files.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/tensor_file.h"
#include "convert/peft_files.h"
#include "eval/label_scores.h"
#include "format/text_end.h"

const char adapter_labels_file[] = "labels.json";

enum { PARTS = 3 }; // q, k and v are one parameter here

// ---- may it go with this base? -------------------------------------------------------------------------------

// What config.json and souk.json say once for all queries of a bundle has to be what the adapter was trained with.
static status check_settings(const checkpoint *base, const checkpoint *of) {
  const model_config *a = &base->model, *b = &of->model;
  const struct {
    const char *name;
    double wanted, is;
  } fields[] = {{"head", a->head, b->head},
                {"temperature", a->temperature, b->temperature},
                {"layer_norm_eps", a->layer_norm_eps, b->layer_norm_eps},
                {"cls_sep", a->cls_sep, b->cls_sep}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (fields[i].wanted < fields[i].is || fields[i].wanted > fields[i].is)
      return fail(
          ERR_ARGUMENT,
          "%s was trained with another model.%s than %s, which a bundle has once for all; a bundle of "
          "its own serves it",
          of->dir, fields[i].name, base->dir);
  return OK;
}

static bool same_names(const label_set *a, const label_set *b) {
  bool same = strcmp(a->task, b->task) == 0 && a->single == b->single && a->n == b->n;
  for (int32_t i = 0; same && i < a->n; i++) same = strcmp(a->names[i], b->names[i]) == 0;
  return same;
}

// A bundle names its labels once. How sure they are to be taken is the adapter's own.
static status check_labels(const checkpoint *base, const checkpoint *of) {
  label_set a = {.n = 0}, b = {.n = 0};
  if (of->labels == NULL) return OK;
  status rc = checkpoint_label_set(&b, of);
  if (rc == OK && base->labels != NULL) rc = checkpoint_label_set(&a, base);
  if (rc == OK && !same_names(&a, &b))
    rc = fail(ERR_ARGUMENT,
              "%s has other labels than %s, which a bundle has once for all; a bundle of its own serves it",
              of->dir, base->dir);
  label_set_free(&a);
  label_set_free(&b);
  return rc;
}

// Vectors of items with content are made when a bundle is, of the base's table and biases.
static status check_content(const checkpoint *of) {
  const peft_config *p = &of->model.peft;
  const bool biases = p->kind == PEFT_BIAS;
  if (of->model.items == ITEMS_ID || !(biases || peft_targets_table(p))) return OK;
  return fail(
      ERR_UNSUPPORTED,
      "%s tunes %s, which the vectors of items with content are made of (model.items), and a bundle holds "
      "those of its base only; souk export %s BUNDLE, without --adapters, makes a bundle of its own",
      of->dir, biases ? "biases" : "word_embeddings", of->dir);
}

status adapter_files_check(const checkpoint *base, const checkpoint *of) {
  if (of->base == NULL || strcmp(of->base->model_sha256, base->model_sha256) != 0)
    return fail(ERR_ARGUMENT, "%s is not tuned on top of %s: its base is %s", of->dir, base->dir,
                of->base != NULL ? of->base->dir : "none");
  // Its run went on training the base's own adapters, so what it has stands in their place, not behind them.
  if (of->model.peft.kind == PEFT_ADAPTER && base->model.peft.kind == PEFT_ADAPTER)
    return fail(
        ERR_UNSUPPORTED,
        "%s goes on training the adapters of %s, which queries of this bundle would go through as well; "
        "a bundle of its own serves it",
        of->dir, base->dir);
  TRY(check_content(of));
  // What writes copy asks nothing of a history, and its rows see each other as copy's do in any bundle.
  const seq_layout asking = model_layout(&of->model);
  if (!asking.writes && asking.asks != model_layout(&base->model).asks)
    return fail(ERR_ARGUMENT,
                "%s was trained to predict the next item and %s was not, or the other way round, so that "
                "their queries differ; souk merge and an own bundle serve it",
                of->dir, base->dir);
  TRY(check_settings(base, of));
  TRY(check_labels(base, of));
  return base->raw && base->averaged != NULL
             ? fail(ERR_ARGUMENT,
                    "%s is tuned on top of averaged weights, and --weights raw leaves these out", of->dir)
             : OK;
}

// ---- files ---------------------------------------------------------------------------------------------------

typedef struct folder {
  const checkpoint *c;
  model *m;
  const char *dir;
  tensor *list; // [n] their data are the parameters themselves
  char (*names)[PARAM_NAME + 16];
  int32_t n;
} folder;

// Has the folder a place for it?
static bool has_place(const folder *x, const param *p) {
  return p->tuned || (x->c->model.peft.kind == PEFT_BIAS && text_ends_with(p->name, ".bias"));
}

static void add_tensor(folder *x, const param *p) {
  static const char *const parts[PARTS] = {"query", "key", "value"};
  const char *qkv = strstr(p->name, ".qkv.");
  const int32_t n = qkv != NULL ? PARTS : 1;
  for (int32_t i = 0; i < n; i++, x->n++) {
    char *name = x->names[x->n];
    if (qkv != NULL)
      snprintf(name, sizeof *x->names, "%.*s.%s.%s", (int)(qkv - p->name), p->name, parts[i], qkv + 5);
    else
      snprintf(name, sizeof *x->names, "%s", p->name);
    x->list[x->n] = (tensor){.name = name,
                             .dtype = "F32",
                             .ndim = p->ndim,
                             .shape = {p->shape[0] / n, p->shape[1]},
                             .data = (const char *)(param_master(model_params(x->m), p) + i * (p->size / n))};
  }
}

static status list_tensors(folder *x) {
  const param_set *s = model_params(x->m);
  TRY(mem_new(&x->list, PARTS * (size_t)s->count, sizeof *x->list, "a table of tensors"));
  TRY(mem_new(&x->names, PARTS * (size_t)s->count, sizeof *x->names, "a table of tensors"));
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (checkpoint_has_copy_head(x->c) && strncmp(p->name, "copy.", 5) == 0)
      continue; // a head of its own, which is the bundle's (export.c)
    const bool own = p->tuned || !checkpoint_takes_from_base(x->c, p->name);
    if (own && !has_place(x, p))
      return fail(ERR_UNSUPPORTED,
                  "%s trains %s too, for which an adapter in a bundle has no place; souk export without "
                  "--adapters makes a bundle of its own",
                  x->c->dir, p->name);
    if (own) add_tensor(x, p);
  }
  return OK;
}

static status check_finite(const folder *x, const tensor *t) {
  const float *v = (const float *)(const void *)t->data;
  for (int64_t j = 0; j < t->size; j++)
    if (!isfinite(v[j]))
      return fail(ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity; it is not exported",
                  x->c->dir, t->name);
  return OK;
}

static status write_tensors(const folder *x) {
  char path[PATH_MAX];
  out_file *f = NULL;
  TRY(path_join(path, sizeof path, x->dir, peft_model_file));
  status rc = tensor_file_begin(&f, path, x->list, x->n, "\"format\":\"pt\"");
  for (int32_t i = 0; rc == OK && i < x->n; i++) {
    rc = check_finite(x, &x->list[i]);
    if (rc == OK) rc = out_write(f, x->list[i].data, (size_t)(x->list[i].end - x->list[i].begin));
  }
  return out_finish(f, rc);
}

static status write_json(const char *dir, const char *name, json_t *j) {
  char path[PATH_MAX];
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  status rc = path_join(path, sizeof path, dir, name);
  if (rc == OK && text == NULL) rc = fail(ERR_MEMORY, "cannot compose %s: out of memory", path);
  if (rc == OK) rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

static status write_config(const folder *x) {
  const peft_config *p = &x->c->model.peft;
  return write_json(x->dir, peft_config_file,
                    p->kind == PEFT_BIAS ? json_pack("{s:s}", "peft_type", "SOUK_BIAS")
                                         : json_pack("{s:s,s:I}", "peft_type", "SOUK_ADAPTER",
                                                     "adapter_width", (json_int_t)p->adapter_width));
}

static status write_own(const char *dir, const checkpoint *c) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}};
  folder x = {.c = c, .dir = dir};
  status rc = model_create(&x.m, "cpu", &c->model, &run);
  if (rc == OK) rc = checkpoint_load(c, x.m, false);
  if (rc == OK) rc = list_tensors(&x);
  if (rc == OK) rc = write_tensors(&x);
  if (rc == OK) rc = write_config(&x);
  free(x.list);
  free(x.names);
  model_free(x.m);
  return rc;
}

status adapter_files_write(const char *dir, const checkpoint *c) {
  const int kind = c->model.peft.kind;
  TRY(kind == PEFT_ADAPTER || kind == PEFT_BIAS ? write_own(dir, c) : peft_files_write(dir, c, NULL));
  if (c->labels == NULL) return OK;
  return write_json(dir, adapter_labels_file,
                    json_pack("{s:O}", "temperature", json_object_get(c->labels, "temperature")));
}
